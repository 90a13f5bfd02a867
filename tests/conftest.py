"""Servers that tests of several parts need, and a host without HEASoft."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The newest Debian or Ubuntu cluster tools, when there are any.
POSTGRESQL = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)

_LONGEST = ("tests/flows/test_chaos.py", "tests/hosts/test_hosts.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes: at the end all others would wait for it."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(scope="session", autouse=True)
def heard() -> Iterator[None]:
    """Commands that tests start hear of Ctrl-C and of a terminal that closes.

    What `nohup` starts is deaf to the one, and what a script starts in the background to the other.
    """
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def bare_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without HEASoft, for this process and for those that it starts, whatever is initialised here.

    What a test then puts on the path is found.
    """
    for name in ("HEADAS", "CALDB", "CALDBCONFIG", "CALDBALIAS", "PFILES"):
        monkeypatch.delenv(name, raising=False)
    find, of_the_host = PathFinder.find_spec, frozenset(sys.path)

    def hide(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "heasoftpy":
            path = [folder for folder in sys.path if folder not in of_the_host]
        return find(name, path, target)

    monkeypatch.setattr(PathFinder, "find_spec", hide)
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    without = (folder for folder in folders if find("heasoftpy", [folder]) is None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(without))


# Not for the whole session: as long as it is open, asyncio takes this thread for busy with a loop.
@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """The system's Chromium, driven from outside; it asks nobody anything by itself."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    quiet = "no-first-run disable-background-networking disable-component-update disable-sync disable-quic"
    flags = [f"--{flag}" for flag in f"no-sandbox disable-gpu {quiet}".split()]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A throw-away PostgreSQL cluster, as a URL without the database's name."""
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql)")
    binaries = POSTGRESQL.parent
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # PostgreSQL refuses to run as root.
    owner = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    if owner:
        shutil.chown(folder, **owner)

    def run(*command: str) -> None:
        subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=folder,
            **owner,
        )

    run("initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "--no-sync")
    run("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o",
        f"-k {folder} -c listen_addresses='' -F", "start")  # fmt: skip
    yield f"postgresql://postgres@/{{}}?host={folder}"
    run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def postgresql(postgresql_server: str) -> str:
    """The URL of a database of its own, empty."""
    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgresql_server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgresql_server.format(name)
