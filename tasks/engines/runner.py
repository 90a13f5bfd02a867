"""The one runner: does a call in a child process of its own and believes nothing it cannot see.

The child has its own process group, working directory and log; it is killed as a group at the timeout
and whenever the caller is cancelled.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from tasks.core import errors
from tasks.core.errors import GaveUp, SoftwareFault, Transient
from tasks.engines.call import Call, Report
from tasks.engines.check import check_outputs
from tasks.engines.child import CALL_FILE, REPORT_FILE

PROGRESS = "::progress "
_LAST_LINES = 5
_SECONDS_TO_DIE = 5.0
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class CallResult:
    """A call that succeeded.

    Parameters
    ----------
    call : Call
        What was asked.
    report : Report
        What the function told.
    seconds : float
        Wall-clock time.
    """

    call: Call
    report: Report
    seconds: float


async def run_call(
    call: Call, directory: Path, log: Path, *, cores: int, on_progress: OnProgress | None = None
) -> CallResult:
    """Do a call; at most `cores` children run at once on this event loop.

    Parameters
    ----------
    call : Call
        What to do.
    directory : Path
        The working directory; made here, must not exist. Outputs are left in it.
    log : Path
        File that the call and everything the child prints are appended to.
    cores : int
        Bound on the children.
    on_progress : callable, optional
        Called with (done, total) whenever the child prints a progress line.

    Raises
    ------
    Outcome
        What the function raised; GaveUp at the timeout; Transient when a signal ended the child;
        SoftwareFault for anything else, with the last lines of the output.
    """
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(cores)):
        _prepare(call, directory)
        log.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        tail = await _run_child(call, directory, log, on_progress)
        report = _read_report(call, directory, tail)
        await asyncio.to_thread(check_outputs, call, report, directory)
        return CallResult(call, report, time.monotonic() - started)


def run_call_blocking(call: Call, directory: Path) -> Report:
    """Do a call from code that has no event loop; the log lies beside the working directory."""
    log = directory.with_name(f"{directory.name}.log")
    return asyncio.run(run_call(call, directory, log, cores=1)).report


def _prepare(call: Call, directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / CALL_FILE).write_text(call.model_dump_json(), encoding="utf-8")
    for name, path in call.inputs.items():
        (directory / name).symlink_to(path)


async def _run_child(call: Call, directory: Path, log: Path, on_progress: OnProgress | None) -> list[str]:
    """Run the child to its end and return the last lines it printed."""
    tail: list[str] = []
    with log.open("a", encoding="utf-8") as out:
        out.write(f"# {call.model_dump_json()}\n")
        async with _child(directory) as process:
            try:
                async with asyncio.timeout(call.timeout):
                    async for line in _lines(process):
                        if line.startswith(PROGRESS):
                            _tell(line, on_progress)
                            continue
                        out.write(f"{line}\n")
                        tail = [*tail, line][-_LAST_LINES:]
                    await process.wait()
            except TimeoutError as exc:
                out.write(f"# killed after {call.timeout:g} s\n")
                raise GaveUp(f"{call.function} was stopped after {call.timeout:g} s") from exc
        out.write(f"# exit status {process.returncode}\n")
    if process.returncode is not None and process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise Transient(f"{call.function} was ended by {name}")
    return tail


@contextlib.asynccontextmanager
async def _child(directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child process whose whole group is gone when the block is left, however it is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "tasks.engines.child",
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _SECONDS_TO_DIE)


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """What the child prints, by lines; one too long for the buffer comes in pieces."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe; this tells the type checker
    pending = b""
    while chunk := await process.stdout.read(1 << 16):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
        if len(pending) > 1 << 20:
            yield pending.decode(errors="replace")
            pending = b""
    if pending:
        yield pending.decode(errors="replace")


def _tell(line: str, on_progress: OnProgress | None) -> None:
    done, _, total = line.removeprefix(PROGRESS).partition(" ")
    if on_progress and done.isdecimal() and total.strip().isdecimal():
        on_progress(int(done), int(total))


def _read_report(call: Call, directory: Path, tail: list[str]) -> Report:
    """What the child reported, or the error that it named."""
    try:
        content: dict[str, Any] = json.loads((directory / REPORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        last = " | ".join(line.strip() for line in tail if line.strip()) or "it printed nothing"
        raise SoftwareFault(f"{call.function} broke off: {last}") from exc
    if "error" in content:
        raise getattr(errors, content["error"])(content["message"])
    return Report.model_validate(content["report"])
