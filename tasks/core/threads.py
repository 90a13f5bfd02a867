"""Calls in threads that a coroutine waits for to their end, whatever happens to it meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def carried_out(pool: Executor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a call in a thread; being cancelled is answered only when it is over.

    Parameters
    ----------
    pool : Executor
        Whose thread does it.
    function, *args, **kwargs
        What is called.

    Raises
    ------
    asyncio.CancelledError
        When it was cancelled meanwhile, whatever became of the call; else what the function raised.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        # A loop that was broken off is closed, and its coroutines are ended from outside.
        return function(*args, **kwargs)
    call = loop.run_in_executor(pool, partial(function, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled:
        call.exception()  # looked at, or asyncio would print it
        raise cancelled
    return call.result()
