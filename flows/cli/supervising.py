"""The process that runs a sweep's flow, and the Prefect server it reports to, looked after from outside."""

import contextlib
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from flows.cli.signals import answering_signals
from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings
from tasks.core.words import without_password

if TYPE_CHECKING:
    from flows.server import Server

INTERRUPTED = 130
TELL_INTERRUPTED = "xtendflow: interrupted; what was finished is kept, the next sweep goes on"

_LOOK_SECONDS = 5.0
_AWAY_SECONDS = 120
"""Prefect's client asks for longer than this before it makes an error of it."""
END_SECONDS = 25
"""A flow that has not ended by then waits for a server that does not answer."""


def supervised(settings: Settings, order: dict[str, Any], *, keep: bool) -> int:
    """Run the sweep in a process of its own, which reports to the Prefect server; its exit status.

    Prefect reads its settings when it is imported, so they are given to a new process.

    Raises
    ------
    EnvironmentFault
        When there is no healthy server or it stays away, or the process was killed.
    """
    from flows.server import prefect_server, running

    home = settings.prefect_home
    with answering_signals(signal.default_int_handler), prefect_server(settings, keep=keep) as server:
        order["server_stays"] = keep or server.pid is None
        variables = {**server.environment(home), **_as_variables(settings)}
        status = _in_child(order, variables, _Watch(server, home).look)
        if keep and server.pid and (last := running(home)):
            typer.echo(f"The Prefect server stays up; stop it with: kill {last.pid}", err=True)
    if status == -signal.SIGINT:
        typer.echo(TELL_INTERRUPTED, err=True)
        return INTERRUPTED
    if status < 0:
        raise EnvironmentFault(
            f"the sweep was ended by {signal.Signals(-status).name}; what was finished is kept"
        )
    return status


def _in_child(order: dict[str, Any], environment: dict[str, str], look: Callable[[], None]) -> int:
    """How the process that runs the sweep ended; it ends by itself should this one be killed."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.cli.run_sweep"],
        stdin=subprocess.PIPE,
        env=environment,
        # Away from the terminal's Ctrl-C: it hears of it once, from here.
        process_group=0,
        # Its standard input stays open as long as this process lives.
        bufsize=0,
    ) as process:
        child = _Child(process)
        with answering_signals(child.interrupt):
            if process.stdin:
                process.stdin.write(json.dumps(order).encode() + b"\n")
            try:
                return child.wait(look)
            except EnvironmentFault:
                child.interrupt()
                child.wait(look)
                raise


class _Child:
    """A process that is asked to end by an interrupt, and killed when it does not."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._end_by = math.inf

    def interrupt(self, number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
        """Ask it to end."""
        self._process.send_signal(signal.SIGINT)
        self._end_by = min(self._end_by, time.monotonic() + END_SECONDS)

    def wait(self, look: Callable[[], None]) -> int:
        """Its exit status; look around every few seconds until it is asked to end."""
        while True:
            left = max(self._end_by - time.monotonic(), 0)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(min(_LOOK_SECONDS, left))
            if self._end_by == math.inf:
                look()
            elif time.monotonic() >= self._end_by:
                self._process.kill()
                self._process.wait()
                return -signal.SIGINT


class _Watch:
    """Sees to it that the Prefect server is there.

    Parameters
    ----------
    server : Server
        Healthy when this begins.
    home : Path
        Of the embedded server.
    """

    def __init__(self, server: "Server", home: Path) -> None:
        self._server = server
        self._home = home
        self._answered = time.monotonic()

    def look(self) -> None:
        """Start the embedded server again when it has died; wait for another one to come back.

        Raises
        ------
        EnvironmentFault
            When that takes too long.
        """
        from flows.server import is_healthy, revive

        revive(self._server, self._home)
        if is_healthy(self._server):
            self._answered = time.monotonic()
        elif time.monotonic() - self._answered > _AWAY_SECONDS:
            api = without_password(self._server.api)
            raise EnvironmentFault(
                f"the Prefect server at {api} has not answered for {_AWAY_SECONDS} s; "
                "what was finished is kept, the next sweep goes on"
            )


def _as_variables(settings: Settings) -> dict[str, str]:
    """The settings in force as environment variables of a child."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {f"XTENDFLOW_{name.upper()}": str(value) for name, value in values.items()}
