"""Whole sweeps: one small archive and one Prefect server for all tests, commands in their own processes."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import httpx
import pytest

from flows.server import prefect_server
from tasks.archive.simulated.archive import make_archive
from tasks.core.settings import Settings

COMMAND = Path(sys.executable).with_name("xtendflow")
DOUBLE = Path(__file__).resolve().parents[1] / "engines" / "doubles" / "heasoftpy"
_PATIENCE = 240.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of a condition."""
    give_up = time.monotonic() + _PATIENCE
    while not (value := condition()):
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(0.1)
    return value


@dataclass(frozen=True)
class Swept:
    """How a sweep ended: exit status, summary (None when there is none), and what it said."""

    status: int
    summary: dict[str, Any] | None
    err: str

    @property
    def states(self) -> dict[tuple[str, str | None], str]:
        """State of each dataset, or of an observation without any."""
        assert self.summary is not None, self.err
        return {
            (item["obsid"], item["dataclass"]): item["standing"]["state"]
            + (f"({item['standing']['kind']})" if item["standing"]["kind"] else "")
            for item in self.summary["results"]
        }

    @property
    def begun(self) -> dict[str, str]:
        """The observations that were run, and why."""
        return {
            line.split()[0]: line.rpartition("begins (")[2].removesuffix(")")
            for line in self.err.splitlines()
            if " begins (" in line
        }


@dataclass(frozen=True)
class Place:
    """A data directory, and the environment in which commands work on it."""

    folder: Path
    archive: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        # Where HEASoft is installed, sweeps are native all the same unless they ask for it.
        plain = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("XTENDFLOW_") and name not in ("HEADAS", "CALDB")
        }
        return {
            **plain,
            "XTENDFLOW_DATA": str(self.folder),
            "XTENDFLOW_ARCHIVE": str(self.archive),
            "XTENDFLOW_CATALOGUE": str(self.archive / "xrismmastr.ecsv"),
            "XTENDFLOW_LEASE_SECONDS": "20",
            **self.variables,
        }

    def with_variables(self, **variables: str) -> "Place":
        return replace(self, variables={**self.variables, **variables})

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """A command that runs while the test goes on."""
        return subprocess.Popen(
            [str(COMMAND), *words],
            env=self.environment,
            cwd=self.folder.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=_PATIENCE * 2)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def sweep(self, *obsids: str, more: tuple[str, ...] = ()) -> Swept:
        """A sweep over some observations, or over all."""
        return ended(self.run(*self.words(*obsids), *more))

    def words(self, *obsids: str) -> tuple[str, ...]:
        return ("sweep", "--json", *(word for obsid in obsids for word in ("--obsid", obsid)))

    def python(self, script: str) -> str:
        """What a script prints that runs in this place."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", script],
            env={**self.environment, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"},
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> dict[int, str]:
        """The processes that work in this place: those that have it in their environment."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    marked = f"XTENDFLOW_DATA={self.folder}\0".encode() in (entry / "environ").read_bytes()
                    command = (entry / "cmdline").read_text().replace("\0", " ").strip()
                except OSError:  # gone meanwhile
                    continue
                if marked and command:
                    found[int(entry.name)] = command
        return found

    def children(self) -> list[int]:
        """The processes that do calls."""
        return [pid for pid, command in self.processes().items() if "tasks.engines.child" in command]

    def kill_child(self) -> bool:
        """Kill one of them, if there is one."""
        for pid in self.children():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
                return True
        return False

    def attempts(self) -> list[dict[str, Any]]:
        """The records of attempts in the store, oldest first."""
        found = [json.loads(path.read_bytes()) for path in self.folder.glob("store/*/attempts/*.json")]
        return sorted(found, key=lambda attempt: attempt["started"])

    def manifests(self) -> dict[str, dict[str, Any]]:
        """Each manifest of the store, by `obsid/dataclass`."""
        return {
            str(path.parent.relative_to(self.folder / "store")): json.loads(path.read_bytes())
            for path in self.folder.glob("store/*/*/manifest.json")
        }

    def published(self) -> dict[str, str]:
        """Path and hash of each product that a manifest names."""
        return {
            f"{dataset}/{product['path']}": product["sha256"]
            for dataset, manifest in self.manifests().items()
            for product in manifest["products"]
        }

    def calls(self) -> dict[str, int]:
        """How often each function was called, by `obsid/dataclass module.function`, as the logs tell."""
        counts: dict[str, int] = {}
        for log in self.folder.glob("logs/*/*.log"):
            for line in log.read_text().splitlines():
                if line.startswith('# {"function":"'):
                    module, _, function = line.split(chr(34))[3].rpartition(":")
                    key = f"{log.parent.name}/{log.stem} {module.rpartition('.')[2]}.{function}"
                    counts[key] = counts.get(key, 0) + 1
        return counts

    def called_since(self, before: dict[str, int]) -> set[str]:
        """The functions that were called since the calls were counted."""
        return {key.split()[1] for key, number in self.calls().items() if number != before.get(key)}

    def inodes(self) -> dict[str, int]:
        """Which file on disk each product is."""
        return {path: (self.folder / "store" / path).stat().st_ino for path in self.published()}

    def check_store(self, *, leftovers: bool = False) -> None:
        """Every product is there with its hash, and every file is some manifest's (or is left over)."""
        store = self.folder / "store"
        published = self.published()
        for path, digest in published.items():
            with (store / path).open("rb") as file:
                assert hashlib.file_digest(file, "sha256").hexdigest() == digest, path
        if leftovers:
            return
        strangers = {
            path
            for path in (str(file.relative_to(store)) for file in store.rglob("*") if file.is_file())
            if path not in published
            and path.split("/")[0] not in ("report", "recipe.json", ".results")
            and path.split("/")[1] != "attempts"
            and path.split("/")[-1] not in ("manifest.json", "manifest.previous.json")
        }
        assert strangers == set()


def ended(done: subprocess.CompletedProcess[str]) -> Swept:
    """What a sweep that was started with --json has left."""
    return Swept(done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr)


class Prefect:
    """Asks a Prefect server what it has recorded."""

    def __init__(self, api: str) -> None:
        self.api = api

    def ask(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        """Every record; the API gives them out in portions."""
        found: list[dict[str, Any]] = []
        while True:
            body = {**filters, "limit": 200, "offset": len(found)}
            answer = httpx.post(f"{self.api}/{what}/filter", json=body, timeout=60, trust_env=False)
            portion = answer.raise_for_status().json()
            found += portion
            if len(portion) < 200:
                return found

    def flow_runs(self, flow: str) -> list[dict[str, Any]]:
        return self.ask("flow_runs", flows={"name": {"any_": [flow]}})

    def sweep(self, swept: Swept) -> dict[str, Any]:
        """The flow run of a sweep."""
        assert swept.summary is not None, swept.err
        start = swept.summary["sweep"].rpartition("-")[2]
        (run,) = (run for run in self.flow_runs("sweep") if run["id"].startswith(start))
        return run

    def observations(self, swept: Swept) -> dict[str, dict[str, Any]]:
        """The flow runs of a sweep's observations, by ObsID."""
        assert swept.summary is not None, swept.err
        name = swept.summary["sweep"]
        runs = [run for run in self.flow_runs("observation") if run["parameters"].get("sweep") == name]
        found = {run["parameters"]["obsid"]: run for run in runs}
        assert len(found) == len(runs)
        return found

    def task_runs(self) -> list[dict[str, Any]]:
        return self.ask("task_runs")


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "flows"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def simulated(common: Path) -> Path:
    """A small simulated archive with faults."""
    archive = common / "archive"
    with (common / "archive.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_archive(archive, with_faults=True, events=3000)
    return archive


@pytest.fixture(scope="session")
def tables(common: Path) -> Path:
    """A database as a server begins with: to make its tables takes longer than all the rest of its start."""
    home = common / "tables"
    with (common / "tables.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            making = common / "tables.new"
            plain = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
                env={**plain, "PREFECT_HOME": str(making), "DO_NOT_TRACK": "1"},
                check=True,
                capture_output=True,
            )
            making.rename(home)
    return home / "prefect.db"


def give_tables(data: Path, tables: Path) -> None:
    """Have the server of a data directory begin with its tables made."""
    home = Settings(data=data).prefect_home
    home.mkdir(parents=True)
    shutil.copyfile(tables, home / tables.name)


@contextmanager
def server_in(folder: Path) -> Iterator[str]:
    """The address of an embedded server, whatever server the environment names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        with prefect_server(Settings(data=folder)) as server:
            yield server.api


@pytest.fixture(scope="session")
def api(common: Path, tables: Path) -> Iterator[str]:
    """The address of one embedded server for all sweeps, shared between the workers as sweeps do."""
    with (common / "server.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (common / "server").exists():
            give_tables(common / "server", tables)
    with server_in(common / "server") as address:
        yield address


@pytest.fixture(scope="module")
def own_api(tmp_path_factory: pytest.TempPathFactory, tables: Path) -> Iterator[str]:
    """The address of a server for the tests of one module alone; they name it `api`."""
    folder = tmp_path_factory.mktemp("server")
    give_tables(folder, tables)
    with server_in(folder) as address:
        yield address


@pytest.fixture
def prefect(api: str) -> Prefect:
    return Prefect(api)


@pytest.fixture
def recorded() -> Callable[[str], Prefect]:
    """Asks another server than the common one."""
    return Prefect


@pytest.fixture
def lonely(tmp_path: Path, simulated: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A new data directory without any server."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    place = Place(tmp_path / "data", simulated)
    give_tables(place.folder, tables)
    yield place
    left = place.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    # Products are hundreds of megabytes.
    shutil.rmtree(place.folder, ignore_errors=True)
    assert left == {}


@pytest.fixture
def place(lonely: Place, api: str) -> Place:
    """A new data directory whose sweeps report to the common server."""
    return lonely.with_variables(PREFECT_API_URL=api)


@pytest.fixture
def heasoft(place: Place, tmp_path: Path) -> Place:
    """A data directory on a host where the double of heasoftpy is installed."""
    site, headas, caldb = (tmp_path / name for name in ("site", "headas", "caldb"))
    site.mkdir()
    (site / "heasoftpy").symlink_to(DOUBLE)
    index = caldb / "data" / "xrism" / "xtend" / "caldb.indx"
    index.parent.mkdir(parents=True)
    index.write_text("CALDB of a double")
    subprocess.run(
        [sys.executable, "-m", "heasoftpy", str(headas)],
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    return place.with_variables(
        PYTHONPATH=str(site),
        HEADAS=str(headas),
        CALDB=str(caldb),
        HEASOFT_DOUBLE_LOG=str(tmp_path / "tools.jsonl"),
    )


@pytest.fixture
def wait() -> Callable[[Callable[[], Any], str], Any]:
    return until


@pytest.fixture
def finish() -> Callable[[subprocess.Popen[str]], Swept]:
    """How a sweep ends that was started before."""

    def end(process: subprocess.Popen[str]) -> Swept:
        with process:
            out, err = process.communicate(timeout=_PATIENCE * 2)
        return ended(subprocess.CompletedProcess((), process.returncode, out, err))

    return end


@pytest.fixture
def bucket() -> Iterator[dict[str, str]]:
    """The variables that lead to an empty bucket called `products` on a real HTTP server."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    urlopen(Request(f"{endpoint}/products", method="PUT")).close()  # noqa: S310
    yield {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Gives the one small file system another size."""
    mount = shutil.which("mount")
    if os.getuid() != 0 or mount is None or sys.platform != "linux":
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: str) -> Path:
        options = f"size={size}" + (",remount" if folder.is_mount() else "")
        done = subprocess.run(
            [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
        return folder

    yield resize
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607
