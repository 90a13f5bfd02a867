"""Signals that ask a command to end: Ctrl-C, `kill`, and the terminal that closes."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


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
