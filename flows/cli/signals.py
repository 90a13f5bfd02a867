"""Signals that ask a command to end: Ctrl-C, `kill`, and the terminal that closes."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], Any]
_Begun = Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]]
_SECONDS_ASLEEP = 0.2


@contextlib.contextmanager
def answering_signals(handler: Handler, others: Handler | None = None) -> Iterator[None]:
    """Have every signal that asks to end answered while the block runs.

    A terminal that closes is no reason to end where `nohup` has it ignored.

    Parameters
    ----------
    handler : callable
        Answers Ctrl-C.
    others : callable, optional
        Answers the other signals; `handler` when left out.
    """
    answers = {signal.SIGINT: handler, signal.SIGTERM: others or handler}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        answers[signal.SIGHUP] = others or handler
    before = {number: signal.signal(number, answer) for number, answer in answers.items()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def like_ctrl_c() -> contextlib.AbstractContextManager[None]:
    """Have whatever asks to end do so as Ctrl-C does: an event loop then ends its tasks in order."""
    return answering_signals(signal.default_int_handler, lambda *_: signal.raise_signal(signal.SIGINT))


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """The result of some work on an event loop that no signal breaks into; the first that asks cancels it.

    The loop has a thread of its own, and handlers run in the main one. Beside them, those that raise
    (Prefect's at SIGTERM, asyncio's at the second Ctrl-C) would break off whatever the loop is at: how an
    attempt ended would not be noted.

    Raises
    ------
    asyncio.CancelledError
        When it was cancelled, which it has answered in order by then.
    """
    begun, unasked = _Begun(), threading.Lock()

    async def told() -> T:
        task = asyncio.create_task(work)
        begun.set_result((asyncio.get_running_loop(), task))
        return await task

    def ask(number: int, frame: FrameType | None) -> None:
        if unasked.acquire(blocking=False):
            begun.add_done_callback(_cancel)

    with answering_signals(ask), ThreadPoolExecutor(1, "flow") as pool:
        done = pool.submit(asyncio.run, told())
        # A signal that the system gives to another thread is answered when this one wakes.
        while not wait([done], _SECONDS_ASLEEP).done:
            pass
        return done.result()


def _cancel(begun: _Begun) -> None:
    loop, task = begun.result()
    with contextlib.suppress(RuntimeError):  # the loop is closed: all has ended meanwhile
        loop.call_soon_threadsafe(task.cancel)
