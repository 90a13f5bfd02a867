"""The scripts that start workers and make databases, run with doubles of what they call."""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPTS = ("docker/worker.sh", "docker/databases.sh", "fornax/start-worker.sh")
ARGUMENTS = ("--pool", "xtendflow", "--work-queue", "default")

every_script = pytest.mark.parametrize("name", SCRIPTS)


def double(folder, name, body):
    """A command that stands in for a real one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def binaries(tmp_path):
    """A folder whose `xtendflow` and `prefect` tell how they were called."""
    folder = tmp_path / ".venv" / "bin"
    for name in ("xtendflow", "prefect"):
        double(folder, name, f'echo "{name} $*"')
    return folder


@pytest.fixture
def start(infra, binaries, tmp_path):
    """Start the worker's script; its environment is this and nothing else."""
    running = []

    def started(*arguments, **environment):
        process = subprocess.Popen(
            [infra / "docker" / "worker.sh", *(arguments or ARGUMENTS)],
            env={"PATH": f"{binaries}:/usr/bin:/bin", "HOME": os.fspath(tmp_path), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield started
    for process in running:
        # Those that it has left behind as well.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@every_script
def test_the_shell_takes_it(infra, name):
    done = subprocess.run(["bash", "-n", infra / name], capture_output=True, text=True, check=False)  # noqa: S607
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(infra / name, os.X_OK)


@every_script
def test_shellcheck_finds_nothing(infra, name):
    checker = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([checker, infra / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_script_is_looked_at(texts):
    assert {name for name in texts if name.endswith(".sh")} == set(SCRIPTS)


def test_a_worker_starts_once_the_ledger_knows_of_it(start):
    out, _ = start().communicate(timeout=20)
    assert out.splitlines() == [
        "xtendflow ledger register",
        f"prefect worker start --type process --with-healthcheck {' '.join(ARGUMENTS)}",
    ]


@pytest.mark.parametrize(("given", "used"), [({}, "1"), ({"PREFECT_WORKER_QUERY_SECONDS": "5"}, "5")])
def test_it_looks_for_work_every_second_unless_it_is_told(start, binaries, given, used):
    double(binaries, "prefect", 'echo "$PREFECT_WORKER_QUERY_SECONDS"')
    out, _ = start(**given).communicate(timeout=20)
    assert out.splitlines()[1] == used


def test_no_worker_starts_where_the_ledger_is_not_reached(start, binaries):
    double(binaries, "xtendflow", "exit 3")
    process = start()
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (3, "")


def test_it_ends_at_once_while_the_ledger_does_not_answer(start, binaries):
    double(binaries, "xtendflow", 'echo "$$"; exec sleep 600')
    process = start()
    waiting = int(process.stdout.readline())
    process.terminate()
    assert process.wait(20) == 143
    # Its parent is gone, so whoever takes it over reaps it in its own time.
    for _ in range(200):
        if not alive(waiting):
            break
        time.sleep(0.05)
    assert not alive(waiting)


def alive(pid):
    """Whether a process works still: one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_the_worker_itself_gets_the_signal(start, binaries):
    double(binaries, "prefect", 'echo "$$"; exec sleep 600')
    process = start()
    assert process.stdout.readline().startswith("xtendflow")
    assert int(process.stdout.readline()) == process.pid
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM


@pytest.fixture
def headas(tmp_path):
    """An uninitialised HEASoft, whose script is as careless with variables as the real one."""
    folder = tmp_path / "heasoft"
    folder.mkdir()
    (folder / "headas-init.sh").write_text(
        'false\nif [ -z "$NEVER_SET" ]; then INITIALISED="${INITIALISED}once "; export INITIALISED; fi\n'
    )
    return folder


def test_heasoft_is_initialised_for_both(start, binaries, headas):
    for name in ("xtendflow", "prefect"):
        double(binaries, name, 'echo "$INITIALISED"')
    out, _ = start(HEADAS=os.fspath(headas)).communicate(timeout=20)
    assert out.splitlines() == ["once ", "once "]


def test_heasoft_that_is_initialised_is_left_as_it_is(start, binaries, headas):
    double(binaries, "fversion", "echo V6.36")
    double(binaries, "prefect", 'echo "${INITIALISED:-no}"')
    out, _ = start(HEADAS=os.fspath(headas)).communicate(timeout=20)
    assert out.splitlines()[1] == "no"


@pytest.fixture
def fornax(infra, binaries, tmp_path):
    """Run the start script in a copy of the repository, on a host with HEASoft and a mounted archive."""
    for name in ("docker/worker.sh", "fornax/start-worker.sh"):
        (tmp_path / "infra" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(infra / name, tmp_path / "infra" / name)
    mount = tmp_path / "mount"
    (mount / "xrism/data/obs").mkdir(parents=True)
    (mount / "caldb/data/xrism/xtend").mkdir(parents=True)
    (mount / "caldb/data/xrism/xtend/caldb.indx").touch()
    (tmp_path / "scratch").mkdir()
    double(tmp_path / "heasoft/bin", "fversion", "echo V6.36")
    double(binaries, "prefect", 'env | grep -E "^(XTENDFLOW|CALDB)" | sort; echo "$@"')
    given = {
        "PATH": f"{tmp_path}/heasoft/bin:/usr/bin:/bin",
        "HOME": os.fspath(tmp_path),
        "MOUNTS": f"/nowhere {mount}",
        "HEADAS": f"{tmp_path}/heasoft",
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
        "XTENDFLOW_STORE": "s3://bucket/store",
        "XTENDFLOW_LEDGER": "postgresql+psycopg://host/ledger",
    }

    def run(*arguments, **changed):
        environment = {key: value for key, value in {**given, **changed}.items() if value is not None}
        return subprocess.run(
            [tmp_path / "infra/fornax/start-worker.sh", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    return run


def told(done):
    """What the worker was told, by name."""
    return dict(
        line.split("=", 1) for line in done.stdout.splitlines() if line.startswith(("XTENDFLOW", "CALDB"))
    )


def test_archive_and_caldb_are_found_at_the_mount(fornax, tmp_path):
    done = fornax("--limit", "4")
    assert done.returncode == 0, done.stderr
    found = told(done)
    assert found["XTENDFLOW_ARCHIVE"] == f"{tmp_path}/mount/xrism/data/obs"
    assert found["CALDB"] == f"{tmp_path}/mount/caldb"
    assert found["CALDBCONFIG"] == f"{tmp_path}/mount/caldb/software/tools/caldb.config"
    assert found["XTENDFLOW_DATA"] == f"{tmp_path}/scratch/xtendflow"
    queues = "--pool xtendflow --work-queue heasoft --work-queue default"
    assert done.stdout.splitlines()[-1].endswith(f"{queues} --limit 4")
    # Prefect's command takes an option only once.
    assert fornax("-l", "4").stdout.splitlines()[-1].endswith(f"{queues} -l 4")
    assert fornax("--limit=4").stdout.splitlines()[-1].endswith(f"{queues} --limit=4")
    assert fornax().stdout.splitlines()[-1].endswith(f"{queues} --limit 2")


def test_what_is_given_counts_more(fornax):
    given = {
        "XTENDFLOW_ARCHIVE": "/mine",
        "CALDB": "https://heasarc.gsfc.nasa.gov/FTP/caldb",
        "XTENDFLOW_DATA": "/d",
    }
    found = told(fornax(**given))
    assert found.items() >= given.items()
    assert "CALDBCONFIG" not in found


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ({"PREFECT_API_URL": None}, "PREFECT_API_URL"),
        ({"XTENDFLOW_STORE": ""}, "XTENDFLOW_STORE"),
        ({"XTENDFLOW_LEDGER": None}, "XTENDFLOW_LEDGER"),
        ({"MOUNTS": "/nowhere"}, "no archive is mounted at /nowhere"),
        ({"HEADAS": None}, "HEADAS"),
        ({"MOUNTS": "/nowhere", "XTENDFLOW_ARCHIVE": "/mine"}, "CALDB"),
        ({"HOME": "/nowhere"}, "XTENDFLOW_DATA"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(fornax, missing, word):
    done = fornax(**missing)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert word in done.stderr


def test_it_says_so_where_nothing_is_installed(fornax, binaries):
    (binaries / "xtendflow").unlink()
    done = fornax()
    assert done.returncode == 3
    assert "nothing is installed" in done.stderr


@pytest.mark.system
@pytest.mark.postgresql
def test_two_databases_are_made_with_an_owner_each(infra, postgresql_server):
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    psycopg = pytest.importorskip("psycopg")
    (host,) = parse_qs(urlsplit(postgresql_server).query)["host"]
    environment = {
        **os.environ, "PGHOST": host, "PGUSER": "postgres", "POSTGRES_USER": "postgres",
        "SERVER_DATABASE_PASSWORD": "it's", "LEDGER_DATABASE_PASSWORD": 'a "word"',
        "LEDGER_READER_PASSWORD": "$1;--",
    }  # fmt: skip
    with psycopg.connect(postgresql_server.format("postgres"), autocommit=True) as connection:
        try:
            done = subprocess.run(
                [infra / "docker" / "databases.sh"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            owners = connection.execute(
                "SELECT datname, rolname, rolpassword LIKE 'SCRAM%', rolsuper FROM pg_database"
                " JOIN pg_authid ON datdba = pg_authid.oid WHERE rolname <> 'postgres' ORDER BY 1"
            ).fetchall()
            assert owners == [("prefect", "prefect", True, False), ("xtendflow", "xtendflow", True, False)]
            check_reader(psycopg, f"host={host} dbname=xtendflow user=")
            assert connection.execute(
                "SELECT has_database_privilege('dashboards', 'prefect', 'CONNECT')"
            ).fetchone() == (False,)
        finally:
            for name in ("prefect", "xtendflow"):
                connection.execute(f"DROP DATABASE IF EXISTS {name}")
            for name in ("prefect", "xtendflow", "dashboards"):
                connection.execute(f"DROP ROLE IF EXISTS {name}")


def check_reader(psycopg, place):
    """Who draws dashboards reads tables that are made later, and writes nothing."""
    with psycopg.connect(f"{place}xtendflow") as owner:
        owner.execute("CREATE TABLE later (number int)")
        owner.execute("INSERT INTO later VALUES (7)")
    with psycopg.connect(f"{place}dashboards", autocommit=True) as reader:
        assert reader.execute("SELECT number FROM later").fetchall() == [(7,)]
        assert reader.execute("SHOW statement_timeout").fetchone() == ("30s",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM later")
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM later")


@pytest.fixture
def alive_script(infra):
    """The check of Prefect's background services, as a module."""
    spec = importlib.util.spec_from_file_location("services_alive", infra / "docker" / "services-alive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_services_are_alive_as_long_as_those_of_this_host_report(alive_script):
    here, now = f"{socket.gethostname()}#1", time.time()

    from docket import Docket

    async def judged(reports):
        url = f"memory://{len(reports)}{min(reports.values(), default=0)}"
        async with Docket(name="prefect", url=url) as docket:
            async with docket.redis() as redis:
                for name, seen in reports.items():
                    await redis.zadd(docket.workers_set, {name: seen})
            return await alive_script.alive(url)

    assert asyncio.run(judged({here: now}))
    assert not asyncio.run(judged({here: now - 600}))
    assert not asyncio.run(judged({"elsewhere#1": now, f"{socket.gethostname()}0#1": now}))
    assert not asyncio.run(judged({}))
