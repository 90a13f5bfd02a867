"""Hosts on one machine: each has a network, a name, processes and folders of its own.

What runs on them is what `infra/compose.yaml` says, without the containers. The hosts' namespaces have no
names and end with the process that holds them, which ends when its standard input does: whatever becomes of
the tests, nothing of a host is left.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from tasks.archive.simulated.archive import make_archive
from tasks.archive.simulated.catalogue import CATALOGUE_NAME

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(sys.executable).parent
POSTGRESQL = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
PROGRAMS = ("bash", "hostname", "ip", "mount", "nsenter", "psql", "redis-server", "setpriv", "unshare")
ADDRESSES = {"services": "10.213.0.1", "left": "10.213.0.2", "right": "10.213.0.3"}
"""They are known in the hosts' own network alone."""
SERVICES = ("postgres", "redis", "store", "api")
"""Names under which the services know each other; here they share a host."""
WORKERS = ("left", "right")
PATIENCE = 240.0
LEASE_SECONDS = 20
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([?-])([^}]*))?\})")
_CLONE_NEWNET = 0x40000000
_HOSTS = pytest.StashKey["list[Host]"]()

HOLD = """
set -e
hostname "$0"
ip link set lo up
mount --bind "$1" /etc/hosts
for other in "${@:2}"; do mount -t tmpfs tmpfs "$other"; done
mount -t tmpfs tmpfs /mnt
echo ready
read -r _
"""
"""The first process of a host. Others' folders are hidden, and what lies in /mnt is gone with the host."""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The first true value of a condition."""
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.1)
    return value


@dataclass(frozen=True)
class Host:
    """A host: what is started on it sees its network, its name, its processes and its folder alone.

    Parameters
    ----------
    name : str
        As `hostname` tells it.
    folder : Path
        Its part of the disk, where logs are, too.
    pid : int
        The first of its processes.
    started : list of Popen
        What leads into it.
    """

    name: str
    folder: Path
    pid: int
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, log: str, words: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a command; what it says goes to a log."""
        plain = {
            "PATH": f"{BINARIES}:{ROOT / 'infra/docker'}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PYTHONUNBUFFERED": "1",
        }
        with (self.folder / f"{log}.log").open("ab") as out:
            # Not by a shell: what a shell starts in the background does not hear of interrupts.
            process = subprocess.Popen(
                _into(self.pid, "--net", "--uts", "--mount", "--pid", *words),
                cwd=self.folder,
                env={**plain, **variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.started.append(process)
        return process

    def run(self, log: str, words: Sequence[str], variables: Mapping[str, str] = {}) -> None:
        """Run a command to its good end."""
        status = self.start(log, words, variables).wait(PATIENCE)
        assert status == 0, f"{' '.join(words)} ended with {status} on {self.name}"

    def calls(self) -> dict[int, str]:
        """The functions that children of steps are at, by their process."""
        found = {}
        for entry, command in self._processes():
            if "tasks.engines.child" in command:
                with suppress(OSError, ValueError):  # it ends
                    found[int(entry.name)] = json.loads((entry / "cwd/.call.json").read_bytes())["function"]
        return found

    def runs(self) -> list[int]:
        """The processes that flow runs have here."""
        return [int(entry.name) for entry, command in self._processes() if "-m prefect.engine" in command]

    def workers(self) -> list[int]:
        """The processes of workers."""
        return [int(entry.name) for entry, command in self._processes() if "prefect worker start" in command]

    def tails(self) -> str:
        """The ends of its logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(
            f"--- {log.stem} on {self.name}\n{log.read_text(errors='replace')[-2500:]}" for log in logs
        )

    def _processes(self) -> Iterator[tuple[Path, str]]:
        own = Path(f"/proc/{self.pid}/ns/pid").readlink()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and (entry / "ns/pid").readlink() == own:
                    yield entry, (entry / "cmdline").read_text().replace("\0", " ")


@dataclass(frozen=True)
class Installation:
    """What `infra/compose.yaml` describes, on three hosts.

    Parameters
    ----------
    hosts : dict of str to Host
        `services`, `left` and `right`.
    secrets : dict of str to str
        What stands in `infra/.env`.
    inside : ThreadPoolExecutor
        Its one thread is in the network of the services.
    """

    hosts: dict[str, Host]
    secrets: dict[str, str]
    inside: ThreadPoolExecutor

    @property
    def client(self) -> Any:
        """A client for the store's server, for use in the thread inside alone."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=f"http://{ADDRESSES['services']}:9000",
            aws_access_key_id=self.secrets["STORE_KEY"],
            aws_secret_access_key=self.secrets["STORE_SECRET"],
            region_name="us-east-1",
        )

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """What the Prefect server's API answers."""
        return self.inside.submit(
            httpx.request,
            method,
            f"http://{ADDRESSES['services']}:4200/api/{path}",
            json=body,
            auth=("admin", self.secrets["API_PASSWORD"]),
            timeout=30,
            trust_env=False,
        ).result()

    def find(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        """Records of the Prefect server, 200 at most."""
        found: list[dict[str, Any]] = self.ask("POST", f"{what}/filter", filters).raise_for_status().json()
        assert len(found) < 200, "there is more than one answer tells"
        return found

    def ledger(self, query: str) -> list[dict[str, Any]]:
        """Rows of the ledger."""
        password = self.secrets["LEDGER_DATABASE_PASSWORD"]
        url = f"postgresql://xtendflow:{password}@{ADDRESSES['services']}/xtendflow"

        def rows() -> list[dict[str, Any]]:
            with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
                return connection.execute(query).fetchall()

        return self.inside.submit(rows).result()

    def store(self) -> dict[str, bytes]:
        """Everything in the store."""

        def objects() -> dict[str, bytes]:
            client = self.client
            pages = client.get_paginator("list_objects_v2").paginate(Bucket="xtendflow", Prefix="store/")
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
            return {
                key.removeprefix("store/"): client.get_object(Bucket="xtendflow", Key=key)["Body"].read()
                for key in keys
            }

        return self.inside.submit(objects).result()

    def cable(self, name: str, state: str) -> None:
        """Plug the cable of a worker's host in (`up`) or out (`down`), at the side of the switch."""
        _ip(self.hosts["services"], "link", "set", name, state)


def _into(pid: int, *words: str) -> list[str]:
    """A command in namespaces of a process."""
    return ["nsenter", f"--target={pid}", *words]


def _ip(host: Host, *words: str) -> None:
    subprocess.run(_into(host.pid, "--net", "ip", *words), check=True)


def _enter(pid: int) -> None:
    """Move this thread into the network of a process."""
    with Path(f"/proc/{pid}/ns/net").open() as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


@pytest.fixture(scope="module")
def hosts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Host]]:
    """Three hosts and a switch between them."""
    lacking = [f"no {name}" for name in PROGRAMS if shutil.which(name) is None]
    lacking += ["no PostgreSQL"] if POSTGRESQL is None else []
    if sys.platform != "linux" or os.getuid() != 0 or lacking:
        pytest.skip(f"only root on Linux can make hosts, with all programs ({', '.join(lacking) or 'there'})")
    base = tmp_path_factory.mktemp("hosts")
    names = "".join(f"{address} {name}\n" for name, address in ADDRESSES.items())
    (base / "hosts").write_text(f"127.0.0.1 localhost\n{names}{ADDRESSES['services']} {' '.join(SERVICES)}\n")
    for name in ADDRESSES:
        (base / name).mkdir()
    with ExitStack() as held:
        found = {name: held.enter_context(_host(base, name)) for name in ADDRESSES}
        services = found["services"]
        _ip(services, "link", "add", "lan", "type", "bridge")
        for name in WORKERS:
            ends = ("type", "veth", "peer", "name", "lan", "netns", str(found[name].pid))
            _ip(services, "link", "add", name, *ends)
            _ip(services, "link", "set", name, "master", "lan", "up")
        for name, host in found.items():
            _ip(host, "address", "add", f"{ADDRESSES[name]}/24", "dev", "lan")
            _ip(host, "link", "set", "lan", "up")
        request.config.stash[_HOSTS] = list(found.values())
        yield found


@contextmanager
def _host(base: Path, name: str) -> Iterator[Host]:
    """A host, and the end of all that it runs."""
    own = ("--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    others = [str(base / other) for other in ADDRESSES if other != name]
    command = ["unshare", *own, "bash", "-c", HOLD, name, str(base / "hosts"), *others]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stderr
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"namespaces cannot be made here: {holder.stderr.read().strip()}")
        first = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        host = Host(name, base / name, int(first))
        try:
            yield host
        finally:
            holder.kill()
            for process in host.started:
                # It stops with what it leads to, and does not go on with it.
                process.kill()
                process.wait(PATIENCE)


@pytest.fixture(scope="module")
def installation(hosts: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The services, two workers, and an archive in a bucket of their store."""
    compose = yaml.safe_load((ROOT / "infra/compose.yaml").read_text(encoding="utf-8"))["services"]
    lines = (ROOT / "infra/.env.example").read_text(encoding="utf-8").splitlines()
    secrets = {line.rstrip("="): f"s{number}ecret" for number, line in enumerate(lines) if line.endswith("=")}
    services = hosts["services"]

    def expanded(text: str) -> str:
        given = {**secrets, "ARCHIVE": "s3://archive/xrism/data/obs"}
        return _VARIABLE.sub(lambda found: given.get(found[1] or "", found[3] or "$"), text)

    def variables(service: str, **more: str) -> dict[str, str]:
        said = compose[service].get("environment", {})
        return {name: expanded(str(text)) for name, text in said.items()} | more

    def command(service: str) -> list[str]:
        return [expanded(word) for word in compose[service]["command"]]

    def launch(service: str, words: Sequence[str] = (), host: Host = services, **more: str) -> None:
        host.start(service, words or command(service), variables(service, **more))

    with ThreadPoolExecutor(1, initializer=_enter, initargs=(services.pid,)) as inside:
        found = Installation(hosts, secrets, inside)
        # As its image does, it works in a folder that is nobody else's.
        launch("redis", ["env", "--chdir=/mnt", *command("redis")])
        launch("store", [sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", "9000"])  # noqa: S104
        _start_postgresql(services, variables("postgres"))
        migration = services.start("migrate", command("migrate"), variables("migrate"))
        archive = tmp_path_factory.mktemp("sky") / "archive"
        make_archive(archive, events=3000)
        inside.submit(_fill, found.client, archive).result()
        services.run("bucket", command("bucket"), variables("bucket"))
        assert migration.wait(PATIENCE) == 0
        launch("api", PREFECT_SERVER_UI_STATIC_DIRECTORY=str(services.folder / "pages"))
        launch("services")
        until(lambda: _answers(found), "the Prefect server answers")
        services.run("deploy", command("deploy"), variables("deploy", XTENDFLOW_DATA=str(services.folder)))
        nightly = found.ask("GET", "deployments/name/sweep/nightly").raise_for_status().json()["id"]
        # Tests may go on at its hour.
        found.ask("PATCH", f"deployments/{nightly}", {"paused": True}).raise_for_status()
        for name in WORKERS:
            shutil.copy(archive / CATALOGUE_NAME, hosts[name].folder)
            launch(
                "worker",
                [*command("worker")[:-1], "2"],
                hosts[name],
                XTENDFLOW_DATA=str(hosts[name].folder / "data"),
                XTENDFLOW_CATALOGUE=str(hosts[name].folder / CATALOGUE_NAME),
                XTENDFLOW_LEASE_SECONDS=str(LEASE_SECONDS),
                PREFECT_WORKER_QUERY_SECONDS="2",
            )
        yield found


def _start_postgresql(host: Host, variables: Mapping[str, str]) -> None:
    assert POSTGRESQL
    # It refuses to run as root.
    own = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = "/mnt/postgresql"
    host.run("initdb", ["install", "-d", "-o", "postgres", "-g", "postgres", data])
    host.run("initdb", [*own, str(POSTGRESQL), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"])
    host.run("initdb", ["sed", "-i", "$ a host all all 10.213.0.0/24 scram-sha-256", f"{data}/pg_hba.conf"])
    server = str(POSTGRESQL.with_name("postgres"))
    host.start("postgres", [*own, server, "-D", data, "-k", data, "-c", "listen_addresses=*", "-F"], {})
    ready = ["bash", "-c", f"until pg_isready --host {data}; do sleep 0.2; done"]
    host.run("initdb", ready)
    host.run("databases", ["databases.sh"], {**variables, "PGHOST": data})


def _fill(client: Any, archive: Path) -> None:
    """Put an archive's observations into a bucket for everybody to read."""
    client.create_bucket(Bucket="archive", ACL="public-read")
    for path in archive.glob("[0-9]/*/**/*"):
        if path.is_file():
            key = f"xrism/data/obs/{path.relative_to(archive).as_posix()}"
            client.put_object(Bucket="archive", Key=key, Body=path.read_bytes(), ACL="public-read")


def _answers(installation: Installation) -> bool:
    with suppress(httpx.TransportError):
        return installation.ask("GET", "ready").is_success
    return False


@pytest.fixture
def wait() -> Callable[..., Any]:
    return until


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show with a failure what was said on the hosts."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed:
        for host in item.config.stash.get(_HOSTS, []):
            report.sections.append((f"host {host.name}", host.tails()))
