"""The one runner: does a call in a child process of its own and believes nothing it cannot see.

The child has its own process group, working directory and log; it is killed as a group at the timeout
and whenever the caller is cancelled, and nothing of the group outlives the child. Should this process be
killed itself, the child notices and ends its group.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO
from weakref import WeakKeyDictionary

from tasks.core import errors
from tasks.core.errors import EnvironmentFault, GaveUp, SoftwareFault, Transient
from tasks.engines.check import check_outputs
from tasks.engines.child import CALL_FILE, REPORT_FILE
from tasks.engines.machine import PFILES_FOLDER, bytes_in, environment, is_full
from tasks.engines.words import KEPT_LINES, last_words
from tasks.library.call import PROGRESS, Call, OnProgress, Report

_LONGEST_LOG = 64 << 20
"""Characters of a call's output that the log keeps: a tool gone wild must not fill the disk."""
_MB = 1e6
_SECONDS_TO_DIE = 5.0
_SECONDS_TO_DRAIN = 2.0
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


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
    memory : int
        Bytes that the child, or a process that it started, held at most.
    disk : int
        Bytes of the files in the working directory at the end.
    """

    call: Call
    report: Report
    seconds: float
    memory: int = 0
    disk: int = 0


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
    XtendflowError
        What the function raised; GaveUp at the timeout; Transient when the child was killed;
        EnvironmentFault when there is no room to work; SoftwareFault for anything else, with the last lines
        of the output.
    """
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(cores)):
        started = time.monotonic()
        try:
            _prepare(call, directory)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as out:
                try:
                    status, tail = await _run_child(call, directory, out, on_progress)
                finally:
                    _note_use(out, directory, started)
            report, memory = _read_report(call, directory, status, tail)
            await asyncio.to_thread(check_outputs, call, report, directory)
            disk = await asyncio.to_thread(bytes_in, directory)
        except OSError as exc:
            raise EnvironmentFault(f"{call.maker} cannot be run in {directory}: {exc}") from exc
        except SoftwareFault as exc:
            if not is_full(directory, str(exc)):
                raise
            raise EnvironmentFault(f"{call.maker} found no room on the disk of {directory}: {exc}") from exc
        return CallResult(call, report, time.monotonic() - started, memory, disk)


def _note_use(out: TextIO, directory: Path, started: float) -> None:
    """Tell the log what a call took, however it ended; one that was killed cannot tell its memory."""
    try:
        memory = f"{json.loads((directory / REPORT_FILE).read_bytes())['memory'] / _MB:.0f} MB"
    except (OSError, ValueError, KeyError):
        memory = "an unknown amount"
    # Whoever left the group may still remove files; that must not hide how the call ended.
    with contextlib.suppress(OSError):
        disk = bytes_in(directory) / _MB
        out.write(f"# {time.monotonic() - started:.1f} s, {memory} of memory, {disk:.1f} MB of disk\n")


def run_call_blocking(call: Call, directory: Path) -> Report:
    """Do a call from code that has no event loop; the log lies beside the working directory."""
    log = directory.with_name(f"{directory.name}.log")
    return asyncio.run(run_call(call, directory, log, cores=1)).report


def _prepare(call: Call, directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / PFILES_FOLDER).mkdir()
    (directory / CALL_FILE).write_text(call.model_dump_json(), encoding="utf-8")
    for name, path in call.inputs.items():
        (directory / name).symlink_to(path)


async def _run_child(
    call: Call, directory: Path, out: TextIO, on_progress: OnProgress | None
) -> tuple[int, Iterable[str]]:
    """Run the child to its end; its exit status and the last lines it printed."""
    tail: deque[str] = deque(maxlen=KEPT_LINES)
    out.write(f"# {call.model_dump_json()}\n")
    kept = 0
    try:
        async with asyncio.timeout(call.timeout), _child(directory) as (process, output):
            async for line in _lines(output):
                if line.startswith(PROGRESS):
                    _tell(line, on_progress)
                    continue
                tail.append(line)
                if kept <= _LONGEST_LOG:
                    kept += len(line) + 1
                    out.write(f"{line}\n" if kept <= _LONGEST_LOG else "# it prints on, which is not kept\n")
            status = await process.wait()
    except TimeoutError as exc:
        out.write(f"# killed after {call.timeout:g} s\n")
        raise GaveUp(f"{call.maker} was stopped after {call.timeout:g} s: {last_words(tail)}") from exc
    out.write(f"# exit status {status}\n")
    if status < 0:
        # Somebody killed it, or memory ran out: worth a try. By any other signal it ended itself.
        kind = Transient if -status in (signal.SIGKILL, signal.SIGTERM) else SoftwareFault
        raise kind(f"{call.maker} was ended by {_signal_name(-status)}: {last_words(tail)}")
    return status, tail


@contextlib.asynccontextmanager
async def _child(directory: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """A child process and what it prints; its whole group is gone however the block is left."""
    with contextlib.ExitStack() as pipes:
        # The child takes the end of its standard input for the end of this process.
        lifeline, _held_open = _pipe(pipes)
        # Were the pipe asyncio's own, waiting for the child would be waiting for everybody who holds it.
        printed, stdout = _pipe(pipes)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "tasks.engines.child",
            cwd=directory,
            stdin=lifeline,
            stdout=stdout,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=environment(directory),
        )  # fmt: skip
        try:
            lifeline.close()
            stdout.close()
            async with _output(process, printed) as output:
                yield process, output
        finally:
            _kill_group(process)
            # wait_for of Python 3.11 may lose a cancellation that comes as the process ends.
            await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=_SECONDS_TO_DIE)


def _pipe(pipes: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """The ends for reading and writing of a pipe that `pipes` closes."""
    read, write = os.pipe()
    return (
        pipes.enter_context(os.fdopen(read, "rb", buffering=0)),
        pipes.enter_context(os.fdopen(write, "wb", buffering=0)),
    )


@contextlib.asynccontextmanager
async def _output(
    process: asyncio.subprocess.Process, pipe: IO[bytes]
) -> AsyncIterator[asyncio.StreamReader]:
    """What comes out of a pipe; it ends soon after the child, whoever else may hold the other end."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )

    async def end() -> None:
        await process.wait()
        _kill_group(process)
        await asyncio.sleep(_SECONDS_TO_DRAIN)
        transport.close()

    ending = asyncio.create_task(end())
    try:
        yield reader
    finally:
        ending.cancel()
        transport.close()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    # macOS does not permit to kill a group of which only a zombie is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _lines(output: asyncio.StreamReader) -> AsyncIterator[str]:
    """What the child prints, by lines; one too long for the buffer comes in pieces."""
    pending = b""
    while chunk := await output.read(1 << 16):
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


def _read_report(call: Call, directory: Path, status: int, tail: Iterable[str]) -> tuple[Report, int]:
    """What the child reported, with its peak memory, or the error that it named."""
    try:
        content: dict[str, Any] = json.loads((directory / REPORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise SoftwareFault(f"{call.maker} broke off: {last_words(tail)}") from exc
    if "error" in content:
        raise getattr(errors, content["error"])(content["message"])
    if status:
        raise SoftwareFault(f"{call.maker} ended with exit status {status}: {last_words(tail)}")
    return Report.model_validate(content["report"]), int(content["memory"])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
