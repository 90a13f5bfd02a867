"""The servers that sweeps lean on, started so that they can be killed and come back as they were."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from place import Hangs, until

POSTGRESQL = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
_READY_SECONDS = 90


class PrefectServer:
    """A Prefect server that keeps its address and its records over a kill."""

    def __init__(self, home: Path) -> None:
        self._home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        until(self.answers, "the Prefect server answers", _READY_SECONDS)

    def launch(self) -> None:
        """Start it."""
        self._home.mkdir(parents=True, exist_ok=True)
        words = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        with (self._home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", *words],
                env={
                    **{name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")},
                    "PREFECT_HOME": str(self._home),
                    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                    "DO_NOT_TRACK": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.api}/health", timeout=2, trust_env=False).is_success
        return False

    def kill(self) -> None:
        """End it at once with all its processes."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def ask(self, path: str, **body: Any) -> Any:
        """What the API answers to a question."""
        return self._answer("POST", path, body)

    def get(self, path: str) -> Any:
        """What stands under an address of the API."""
        return self._answer("GET", path, None)

    def _answer(self, method: str, path: str, body: Any) -> Any:
        """The answer, however long a server needs that has just come back."""
        give_up = time.monotonic() + _READY_SECONDS
        while True:
            try:
                answer = httpx.request(method, f"{self.api}/{path}", json=body, timeout=30, trust_env=False)
                if answer.status_code < 500:
                    return answer.raise_for_status().json()
            except httpx.TransportError:
                pass
            if time.monotonic() > give_up:
                raise Hangs(f"the Prefect server does not answer {method} {path}")
            time.sleep(0.5)


class PostgreSQL:
    """A throw-away cluster with one database, which recovers from a kill by itself."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self._binaries = folder, binaries
        # PostgreSQL refuses to run as root.
        self._owner = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    @property
    def pid(self) -> int | None:
        """The postmaster, while it lives."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
            if "postgres" in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        return None

    def backends(self) -> list[int]:
        """The processes that serve somebody's connection."""
        if (pid := self.pid) is None:
            return []
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children if _serves(child)]
        return []

    def create(self) -> None:
        """Make the cluster and start it."""
        self.folder.mkdir(parents=True)
        if self._owner:
            shutil.chown(self.folder, **self._owner)
        data = f"{self.folder}/data"
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it; what a killed one left may take a moment to go."""
        options = f"-k {self.folder} -c listen_addresses='' -F"
        words = ("-D", f"{self.folder}/data", "-w", "-t", "60", "-l", f"{self.folder}/log")
        give_up = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self._run("pg_ctl", *words, "-o", options, "start")
                return
            except subprocess.CalledProcessError as exc:
                if time.monotonic() > give_up:
                    raise Hangs("PostgreSQL does not come back after a kill") from exc
                time.sleep(0.5)

    def stop(self) -> None:
        """Stop it."""
        if self.pid:
            self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")

    def _run(self, *command: str) -> None:
        subprocess.run(
            [str(self._binaries / command[0]), *command[1:]],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self._owner,
        )


def _serves(pid: str) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().startswith("postgres: postgres postgres")
    return False
