"""The standing local Prefect server of the embedded default.

A sweep's failures must stay visible, and an ephemeral server loses records when its flow ends; so a real
one is started, shared by every sweep on this data directory, and stopped by the last one that leaves. One
that dies meanwhile is started again at its address: Prefect's client asks there until it is answered.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx

from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings
from tasks.core.words import without_password

_READY_SECONDS = 90
_STOP_SECONDS = 15
_RECORD = "server.json"
_ALIVE = "alive.lock"

_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
_SERVER = {
    **_QUIET,
    # With the defaults the record of task runs lags tens of seconds behind a sweep.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The pages would look for the API at port 4200; this also holds through a tunnel to another port.
    "PREFECT_UI_API_URL": "/api",
    # The newer pages ask a company's server for their settings, whatever was said about analytics.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
}
_CLIENT = {
    **_QUIET,
    # People read our own lines; Prefect's go to its API, where the UI shows them.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "xtendflow",
    # What they say while the server is away: their events are sent again when it is back.
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # With pauses of 2 s, 4 s, 8 s and so on, at least 200 s: longer than a server may be away.
    "PREFECT_CLIENT_MAX_RETRIES": "7",
}


@dataclass(frozen=True)
class Server:
    """A healthy Prefect server.

    Parameters
    ----------
    api : str
        Address of its API.
    pid : int or None
        Its process, where it is one of ours; another one once it had to be started again.
    """

    api: str
    pid: int | None = None

    @property
    def ui(self) -> str:
        """Address of its pages."""
        return self.api.removesuffix("/api")

    def environment(self, home: Path) -> dict[str, str]:
        """Variables for a process whose flows report to this server."""
        return {**os.environ, **_CLIENT, "PREFECT_HOME": str(home), "PREFECT_API_URL": self.api}


@contextlib.contextmanager
def prefect_server(settings: Settings, *, keep: bool = False) -> Iterator[Server]:
    """A healthy Prefect server: that of `PREFECT_API_URL`, or the embedded one.

    Parameters
    ----------
    settings : Settings
        Says where the embedded server has its home.
    keep : bool
        Leave the embedded server running at the end.

    Raises
    ------
    EnvironmentFault
        When the server given is not reachable, or the embedded one does not get healthy.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        server = Server(given.rstrip("/"))
        if not is_healthy(server):
            shown = without_password(given)
            raise EnvironmentFault(f"the Prefect server at {shown} (PREFECT_API_URL) does not answer")
        yield server
        return
    with _embedded(settings.prefect_home, keep) as server:
        yield server


def is_healthy(server: Server) -> bool:
    """Whether the server answers its health check."""
    try:
        return httpx.get(f"{server.api}/health", timeout=5, trust_env=False).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


@contextlib.contextmanager
def _embedded(home: Path, keep: bool) -> Iterator[Server]:
    """Share the server of `home`: the first user starts it, the last one stops it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        users = (home / "users.lock").open("a")
    except OSError as exc:
        raise EnvironmentFault(f"the Prefect server's home {home} cannot be made: {exc.strerror}") from exc
    with users:
        with _exclusive(home):
            # Others who use it look for one that has died at its old address.
            port = None if _is_alone(users) else _last_port(home)
            server = _adopted(home) or _start(home, port)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield server
        finally:
            with _exclusive(home):
                if not keep and _is_alone(users):
                    if last := _recorded(home):
                        _stop(last)
                    (home / _RECORD).unlink(missing_ok=True)


def revive(server: Server, home: Path) -> None:
    """Start the embedded server again, at its address, should its process be gone.

    Of all who use it only one does so.

    Raises
    ------
    EnvironmentFault
        When it does not get healthy.
    """
    if server.pid and _recorded(home) is None:
        with _exclusive(home):
            if _recorded(home) is None:
                _start(home, urlsplit(server.api).port)


@contextlib.contextmanager
def _exclusive(home: Path) -> Iterator[None]:
    """One process at a time starts or stops the server."""
    with (home / "server.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def running(home: Path) -> Server | None:
    """The server that another process left or uses; None when there is none that answers."""
    server = _recorded(home)
    return server if server and is_healthy(server) else None


def _recorded(home: Path) -> Server | None:
    """The last server that was started here, as long as it lives."""
    server = _last(home)
    if server is None:
        return None
    try:
        with (home / _ALIVE).open("a") as alive:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return server
    # Nobody holds the lock: the process is gone, and its number may be another's by now.
    return None


def _last(home: Path) -> Server | None:
    """The last server that was started here, whether or not it lives."""
    try:
        return Server(**json.loads((home / _RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _last_port(home: Path) -> int | None:
    last = _last(home)
    return urlsplit(last.api).port if last else None


def _adopted(home: Path) -> Server | None:
    """The server that is there already; one that does not get healthy is stopped."""
    server = _recorded(home)
    if server is None:
        return None
    try:
        _wait_until_healthy(server, home)
    except EnvironmentFault:
        _stop(server)
        return None
    return server


def _start(home: Path, port: int | None) -> Server:
    port = port or _free_port()
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**_one_connection(home), **os.environ, **_SERVER, "PREFECT_HOME": str(home)}
    with (home / "server.log").open("ab") as log, (home / _ALIVE).open("a") as alive:
        # The server inherits the lock and holds it as long as it lives.
        fcntl.flock(alive, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(alive.fileno(),),
            # An interrupted sweep must not take the server down before its own end is recorded.
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}/api", process.pid)
    process.returncode = 0  # it is not waited for: it may outlive this process
    try:
        # Before it is healthy, so that the next one finds it should this process be killed meanwhile.
        (home / _RECORD).write_text(json.dumps(asdict(server)), encoding="utf-8")
        _wait_until_healthy(server, home)
    except BaseException:
        _stop(server)
        raise
    return server


def _one_connection(home: Path) -> dict[str, str]:
    """Variables that have the server use its database over one connection.

    Each of several waits for SQLite's lock without a turn, and some wait for minutes. Prefect keeps to one
    where `:memory:` stands in the address, as for a database in memory: here it is a link that leads nowhere
    else, so the file stays where Prefect has it.
    """
    if os.environ.keys() & {"PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"}:
        return {}
    link = home / ":memory:"
    if not link.is_symlink():
        link.symlink_to(".")
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{link.absolute()}/prefect.db"}


def _wait_until_healthy(server: Server, home: Path) -> None:
    give_up = time.monotonic() + _READY_SECONDS
    while not is_healthy(server):
        if not (server.pid and _is_alive(server.pid)) or time.monotonic() > give_up:
            raise EnvironmentFault(f"the Prefect server did not start; see {home / 'server.log'}")
        time.sleep(0.2)


def _stop(server: Server) -> None:
    """End the server's whole process group, politely at first."""
    if server.pid is None:
        return
    give_up = time.monotonic() + _STOP_SECONDS
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, number)
        while _is_alive(server.pid) and time.monotonic() < give_up:
            time.sleep(0.1)
        if not _is_alive(server.pid):
            return


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
