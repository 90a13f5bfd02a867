"""What is shown of an observation that another process has taken over: nothing."""

import asyncio

import pytest

from tasks import bookkeeping
from tasks.core.errors import Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.library import leases
from tasks.library.claim import claim
from tasks.library.site import this_site

OBSID, DATACLASS = ObsID("000128000"), DataClass("30000010")
FAILED = Standing.of(Transient("it lost the observation"))


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("XTENDFLOW_DATA", str(tmp_path / "data"))
    here = this_site()
    yield here
    here.ledger.close()


@pytest.fixture
def shown(monkeypatch):
    """What was called to show something."""
    calls = []

    def note(name):
        async def called(*args):
            calls.append(name)

        return called

    for name in ("make_dataset_page", "show_dataset", "complete_observation"):
        monkeypatch.setattr(bookkeeping, name, note(name))
    return calls


async def show(site, *, taken_over):
    async with claim(site, OBSID):
        if taken_over:
            leases.end(site.ledger, site.holder)
            leases.acquire(site.ledger, OBSID, "elsewhere:17", 60)
        return [
            await bookkeeping.page.fn(OBSID, DATACLASS, "N132D", FAILED),
            await bookkeeping.combination.fn(OBSID, FAILED, [DATACLASS]),
        ]


def test_who_holds_an_observation_shows_it(site, shown):
    assert asyncio.run(show(site, taken_over=False)) == [None, None]
    assert shown == ["make_dataset_page", "show_dataset", "complete_observation"]


def test_who_has_lost_it_shows_nothing(site, shown):
    states = asyncio.run(show(site, taken_over=True))
    assert shown == []
    assert {state.name for state in states} == {"Skipped"}
    assert all("no longer holds 000128000" in state.message for state in states)
