"""A call in a thread is waited for, whatever happens to who waits."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.core.threads import carried_out

POOL = ThreadPoolExecutor(1)


def test_its_result_and_its_error_come_back():
    assert asyncio.run(carried_out(POOL, divmod, 7, 3)) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(carried_out(POOL, divmod, 7, 0))


@pytest.mark.parametrize("fails", [False, True])
def test_who_is_cancelled_waits_to_the_end(fails, capfd):
    begun, over, done = threading.Event(), threading.Event(), []

    def call() -> None:
        begun.set()
        assert over.wait(30)
        done.append(1)
        if fails:
            raise OSError("away")

    async def main() -> None:
        waiting = asyncio.create_task(carried_out(POOL, call))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        for _ in range(2):
            waiting.cancel()
            await asyncio.sleep(0.01)
        assert not waiting.done()
        over.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert done == [1]

    asyncio.run(main())
    assert capfd.readouterr().err == ""


def test_what_is_ended_from_outside_its_loop_is_still_done():
    done = []

    async def work() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(60)
        finally:
            await carried_out(POOL, done.append, 1)

    coroutine = work()
    coroutine.send(None)
    coroutine.close()
    assert done == [1]
