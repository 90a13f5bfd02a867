"""The process that runs a sweep's flow, and the Prefect server it reports to, looked after from outside."""

import json
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

import typer

from flows.cli.signals import answering_signals
from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings

_INTERRUPTED = 130


def supervised(settings: Settings, order: dict[str, Any], *, keep: bool) -> int:
    """Run the sweep in a process of its own, which reports to the Prefect server; its exit status.

    Prefect reads its settings when it is imported, so they are given to a new process.
    """
    from flows.server import prefect_server

    with answering_signals(signal.default_int_handler), prefect_server(settings, keep=keep) as server:
        order["server_stays"] = keep or server.pid is None
        status = _in_child(order, {**server.environment(settings.prefect_home), **_as_variables(settings)})
        if keep and server.pid:
            typer.echo(f"The Prefect server stays up; stop it with: kill {server.pid}", err=True)
    if status == -signal.SIGINT:
        return _INTERRUPTED
    if status < 0:
        raise EnvironmentFault(
            f"the sweep was ended by {signal.Signals(-status).name}; what was finished is kept"
        )
    return status


def _in_child(order: dict[str, Any], environment: dict[str, str]) -> int:
    """How the process that runs the sweep ended; it ends by itself should this one be killed."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "flows.cli.run_sweep"],
        stdin=subprocess.PIPE,
        env=environment,
        # Away from the terminal's Ctrl-C: it hears of it once, from here.
        process_group=0,
        # Its standard input stays open as long as this process lives.
        bufsize=0,
    ) as child:

        def interrupt(number: int, frame: FrameType | None) -> None:
            child.send_signal(signal.SIGINT)

        with answering_signals(interrupt):
            if child.stdin:
                child.stdin.write(json.dumps(order).encode() + b"\n")
            return child.wait()


def _as_variables(settings: Settings) -> dict[str, str]:
    """The settings in force as environment variables of a child."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {f"XTENDFLOW_{name.upper()}": str(value) for name, value in values.items()}
