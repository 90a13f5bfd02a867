"""Signals that ask a command to end, and the one that nohup keeps away."""

import os
import signal
from collections.abc import Iterator

import pytest

from flows.cli.signals import answering_signals, like_ctrl_c


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers as they were, whatever a test does."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_is_answered_within_the_block_only(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)
    heard = []
    with answering_signals(lambda number, _: heard.append(number)):
        os.kill(os.getpid(), number)
    assert heard == [number]
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_closed_terminal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    heard = []
    with answering_signals(lambda number, _: heard.append(number)):
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert heard == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_all_of_them_end_like_ctrl_c(number: signal.Signals) -> None:
    # A shell's background job begins with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt), like_ctrl_c():
        os.kill(os.getpid(), number)
