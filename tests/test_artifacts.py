"""Artifacts of progress: rarely written, never for what is short, and never in anybody's way."""

import asyncio
import logging
from uuid import uuid4

import httpx
import pytest

from tasks import artifacts
from tasks.artifacts import progress, put_markdown


class Pages:
    """Keeps what it is given; may be away."""

    def __init__(self):
        self.shown = []
        self.fault = None

    async def create(self, progress, key, description):
        self._take("new", progress, key, description)
        return uuid4()

    async def update(self, _, progress, description):
        self._take("changed", progress, None, description)

    async def markdown(self, key, markdown, description):
        self._take("text", markdown, key, description)

    def _take(self, *what):
        if self.fault:
            raise self.fault
        self.shown.append(what)

    async def until(self, number):
        async with asyncio.timeout(30):
            while len(self.shown) < number:
                await asyncio.sleep(0.001)


@pytest.fixture
def pages(monkeypatch):
    found = Pages()
    monkeypatch.setattr(artifacts, "acreate_progress_artifact", found.create)
    monkeypatch.setattr(artifacts, "aupdate_progress_artifact", found.update)
    monkeypatch.setattr(artifacts, "acreate_markdown_artifact", found.markdown)
    monkeypatch.setattr(artifacts, "_SECONDS_BETWEEN", 0.001)
    return found


def words(done, total):
    return f"{done} of {total}"


def test_progress_is_made_once_changed_with_news_and_ends_with_the_last(pages):
    async def work():
        async with progress("p", words) as tell:
            tell(1, 4)
            await pages.until(1)
            await asyncio.sleep(0.05)
            assert len(pages.shown) == 1, "there is no news"
            tell(2, 4)
            await pages.until(2)
            tell(3, 4)
            tell(4, 4)

    asyncio.run(work())
    assert pages.shown[0] == ("new", 25.0, "p", "1 of 4")
    assert pages.shown[1] == ("changed", 50.0, None, "2 of 4")
    assert pages.shown[-1] == ("changed", 100.0, None, "4 of 4")


def test_what_is_short_leaves_nothing(pages, monkeypatch):
    monkeypatch.setattr(artifacts, "_SECONDS_BETWEEN", 600.0)

    async def work():
        async with progress("p", words) as tell:
            tell(4, 4)

    asyncio.run(work())
    assert pages.shown == []


@pytest.mark.parametrize(("told", "percent"), [((0, 0), 0.0), ((5, 4), 100.0)])
def test_odd_totals(pages, told, percent):
    async def work():
        async with progress("p", words) as tell:
            tell(*told)
            await pages.until(1)

    asyncio.run(work())
    assert pages.shown[0][1] == percent


def test_work_that_fails_says_so_and_nothing_goes_on(pages):
    async def work():
        with pytest.raises(ValueError, match="broken"):
            async with progress("p", words):
                raise ValueError("broken")
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(work()) == 1
    assert pages.shown == []


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("away"), RuntimeError("no server"), artifacts.PrefectException("deleted")]
)
def test_a_server_that_is_away_stops_nothing(pages, caplog, fault):
    pages.fault = fault

    async def work():
        async with progress("p", words) as tell:
            tell(1, 4)
            await put_markdown("m", "text", "words")
            await asyncio.sleep(0.05)
            tell(2, 4)
        return "done"

    with caplog.at_level(logging.WARNING, "xtendflow"):
        assert asyncio.run(work()) == "done"
    told = [record.getMessage() for record in caplog.records]
    assert sorted(told) == [
        f"the artifact {key} could not be written: {type(fault).__name__}" for key in ("m", "p")
    ]
