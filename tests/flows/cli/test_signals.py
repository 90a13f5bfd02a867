"""Signals that ask a command to end, and the one that nohup keeps away."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from flows.cli.signals import answering_signals, like_ctrl_c, run_apart


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


def test_work_that_nobody_interrupts_has_its_result() -> None:
    async def work() -> str:
        return threading.current_thread().name

    assert run_apart(work()).startswith("flow")


@pytest.mark.parametrize(
    "order", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
)
def test_work_is_cancelled_once_however_often_it_is_asked(order: tuple[signal.Signals, ...]) -> None:
    """What it does to end is not broken off, be it waiting or computing."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    done = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), order[0])
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            for number in order * 2:
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.01)
                done.append(sum(range(100_000)))
            raise

    with pytest.raises(asyncio.CancelledError):
        run_apart(work())
    assert len(done) == len(order) * 2


def test_a_signal_that_another_thread_is_given_is_answered() -> None:
    async def work() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        await asyncio.sleep(60)

    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        run_apart(work())
    assert time.monotonic() - begun < 30


def test_being_asked_when_all_is_done_is_no_error() -> None:
    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 3

    assert run_apart(work()) == 3


def test_an_error_of_the_work_is_passed_on() -> None:
    async def work() -> None:
        raise LookupError("nothing")

    with pytest.raises(LookupError, match="nothing"):
        run_apart(work())
