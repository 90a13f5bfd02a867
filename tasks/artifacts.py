"""Artifacts: what Prefect's pages show besides states. One that cannot be written stops nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import httpx
from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    aupdate_progress_artifact,
)
from prefect.exceptions import PrefectException

from tasks.library.call import OnProgress

logger = logging.getLogger("xtendflow.artifacts")

_SECONDS_BETWEEN = 5.0


async def put_markdown(key: str, markdown: str, description: str) -> None:
    """Show a text; one under a key that is there already becomes its newest version.

    Parameters
    ----------
    key : str
        Lower-case letters, digits and dashes.
    markdown, description : str
        The text, and a line on what it is; foreign text in them must have been made plain.
    """
    with _telling(key):
        await acreate_markdown_artifact(key=key, markdown=markdown, description=description)


@asynccontextmanager
async def progress(key: str, words: Callable[[int, int], str]) -> AsyncIterator[OnProgress]:
    """Show how far something long is while the block runs; what is over in a few seconds leaves nothing.

    Parameters
    ----------
    key : str
        Lower-case letters, digits and dashes.
    words : callable
        Done and total → a line for people.

    Yields
    ------
    callable
        Call it with (done, total) as often as you like.
    """
    bar = _Bar(key, words)
    writing = asyncio.create_task(bar.write_now_and_then())
    try:
        yield bar.tell
        bar.over.set()
        await writing
    finally:
        writing.cancel()


class _Bar:
    """A progress artifact that is written every few seconds, if there is news."""

    def __init__(self, key: str, words: Callable[[int, int], str]) -> None:
        self.over = asyncio.Event()
        self._key = key
        self._words = words
        self._id: UUID | None = None
        self._told: tuple[int, int] | None = None
        self._shown: tuple[int, int] | None = None

    def tell(self, done: int, total: int) -> None:
        self._told = done, total

    async def write_now_and_then(self) -> None:
        with _telling(self._key):
            while not await self._is_over():
                await self._write()
            if self._id:
                await self._write()

    async def _is_over(self) -> bool:
        try:
            async with asyncio.timeout(_SECONDS_BETWEEN):
                return await self.over.wait()
        except TimeoutError:
            return False

    async def _write(self) -> None:
        if self._told is None or self._told == self._shown:
            return
        self._shown = done, total = self._told
        percent = 100.0 * min(done / total, 1.0) if total else 0.0
        words = self._words(done, total)
        if self._id is None:
            self._id = await acreate_progress_artifact(percent, key=self._key, description=words)
        else:
            await aupdate_progress_artifact(self._id, percent, description=words)


@contextmanager
def _telling(key: str) -> Iterator[None]:
    """Say in the log that an artifact was not written, and go on."""
    try:
        yield
    except (httpx.HTTPError, PrefectException, RuntimeError) as exc:
        # A RuntimeError is what Prefect makes of a server that it cannot talk to.
        logger.warning("the artifact %s could not be written: %s", key, type(exc).__name__)
