import asyncio
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.errors import LeaseLost, NoData, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.core.state import Standing, State
from tasks.library import logbook
from tasks.library.attempts import Attempt, read_attempt
from tasks.library.claim import claim
from tasks.library.fingerprint import fingerprint
from tasks.library.logbook import Attempting
from tasks.library.publication import publish
from tasks.library.site import Site, open_site

OBSID, DATACLASS = ObsID("000128000"), DataClass("30000010")
DONE = Standing(state=State.DONE)
SIMPLE = {
    "engine": "native",
    "versions": {"native": "1"},
    "basis": {"recipe": "a", "catalogue row": "b"},
    "sweep": "night",
    "flow_run_id": "f",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(Settings(data=tmp_path / "data"))


def attempt_in_store(site: Site) -> Attempt:
    [key] = [key for key in site.store.sizes(OBSID) if "/attempts/" in key]
    return read_attempt(site.store, key)


def both(site: Site) -> Attempt:
    """The attempt; store and ledger must agree about it."""
    [indexed] = site.ledger.attempts(OBSID)
    assert attempt_in_store(site) == indexed
    return indexed


def test_an_attempt_is_noted_when_it_begins(site):
    async def main() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE):
            attempt = both(site)
            assert attempt.standing == Standing(state=State.RUNNING)
            assert attempt.ended is None
            assert site.ledger.observations()[OBSID].standing.state == State.RUNNING

    before = datetime.now(UTC)
    asyncio.run(main())
    attempt = both(site)
    assert before <= attempt.started <= attempt.ended
    assert (attempt.host, attempt.engine, attempt.versions) == (site.holder, "native", {"native": "1"})
    assert (attempt.sweep, attempt.flow_run_id) == ("night", "f")
    assert attempt.selection == fingerprint(SIMPLE["basis"])
    assert site.ledger.observations()[OBSID].basis == SIMPLE["basis"]


def test_its_end_says_how_observation_and_datasets_stand(site, draft, make):
    manifest = publish(site.store, None, draft(), [make("a.fits")], lambda: None)

    async def main() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE) as attempt:
            held.tries = 7
            attempt.datasets[DATACLASS] = DONE
            attempt.datasets[DataClass("31100010")] = Standing.of(NoData("no good time"))
            attempt.standing = DONE

    asyncio.run(main())
    attempt = both(site)
    assert attempt.standing == DONE
    assert attempt.tries == 7
    assert attempt.datasets[DataClass("31100010")].reason == "no good time"
    assert [row.path for row in site.ledger.products(OBSID)] == [manifest.products[0].path]
    standings = {row.dataclass: str(row.standing) for row in site.ledger.datasets(OBSID)}
    assert standings == {"30000010": "done", "31100010": "skipped(no-data)"}
    row = site.ledger.observations()[OBSID]
    assert (row.standing, row.attempts) == (DONE, 0)


@pytest.mark.parametrize(
    ("error", "standing", "reason"),
    [
        (RuntimeError("unforeseen"), "failed(software)", "RuntimeError: unforeseen"),
        (Transient("the server answered 503"), "failed(transient)", "the server answered 503"),
        (NoData("no good time"), "skipped(no-data)", "no good time"),
        (LeaseLost("taken over"), "failed(transient)", "taken over"),
        (KeyboardInterrupt(), "waiting", "it was interrupted"),
        (asyncio.CancelledError(), "waiting", "it was interrupted"),
    ],
)
def test_however_it_is_left_there_is_an_end(site, error, standing, reason):
    async def main() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE) as attempt:
            attempt.standing = DONE
            raise error

    with pytest.raises(type(error)):
        asyncio.run(main())
    attempt = both(site)
    assert attempt.ended
    assert (str(attempt.standing), attempt.standing.reason) == (standing, reason)
    assert str(site.ledger.observations()[OBSID].standing) == standing


@dataclass
class Stall:
    """A store that stalls while the end of an attempt is written, until it is told to go on."""

    begun: threading.Event
    over: threading.Event


@pytest.fixture
def stall(monkeypatch: pytest.MonkeyPatch) -> Stall:
    stall, keep = Stall(threading.Event(), threading.Event()), logbook._keep

    def slowly(site: Site, attempt: Attempt) -> None:
        if attempt.ended:
            stall.begun.set()
            assert stall.over.wait(30)
            # Whoever looks at it now must see that somebody holds the observation still.
            assert list(site.ledger.abandoned_attempts()) == []
        keep(site, attempt)

    monkeypatch.setattr(logbook, "_keep", slowly)
    return stall


async def until(event: threading.Event) -> None:
    async with asyncio.timeout(30):
        while not event.is_set():
            await asyncio.sleep(0.01)


def test_others_go_on_while_an_end_is_written(site, stall):
    async def work() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE) as attempt:
            attempt.standing = DONE

    async def main() -> None:
        running = asyncio.create_task(work())
        await until(stall.begun)
        stall.over.set()
        await running

    asyncio.run(main())
    assert both(site).standing == DONE


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_end_is_noted_however_often_a_run_is_cancelled(site, stall, times):
    async def work() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE):
            await asyncio.sleep(60)

    async def main() -> None:
        running = asyncio.create_task(work())
        while not site.ledger.attempts(OBSID):
            await asyncio.sleep(0.01)
        running.cancel()
        await until(stall.begun)
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0.01)
        assert not running.done()
        stall.over.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert both(site).standing == Standing(state=State.WAITING, reason="it was interrupted")


def test_who_is_cancelled_while_the_beginning_is_noted_has_an_end(site, monkeypatch):
    begun, over, keep = threading.Event(), threading.Event(), logbook._keep

    def slowly(site: Site, attempt: Attempt) -> None:
        if not attempt.ended:
            begun.set()
            assert over.wait(30)
        keep(site, attempt)

    async def work() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE):
            raise AssertionError("it was cancelled before")

    async def main() -> None:
        running = asyncio.create_task(work())
        await until(begun)
        running.cancel()
        await asyncio.sleep(0.01)
        over.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    monkeypatch.setattr(logbook, "_keep", slowly)
    asyncio.run(main())
    assert both(site).standing == Standing(state=State.WAITING, reason="it was interrupted")


def test_a_killed_attempt_has_left_its_trace(site):
    async def main() -> None:
        async with claim(site, OBSID) as held:
            await Attempting(held, **SIMPLE).__aenter__()

    asyncio.run(main())
    assert both(site).standing.state == State.RUNNING


def test_who_lost_the_observation_says_nothing_about_what_others_made(site, draft, make):
    async def main() -> None:
        async with claim(site, OBSID) as held, Attempting(held, **SIMPLE) as attempt:
            # Meanwhile another process takes over, publishes and ends.
            manifest = publish(site.store, None, draft(), [make("a.fits")], lambda: None)
            later = datetime.now(UTC) + timedelta(seconds=1)
            newer = {"id": "newer", "obsid": OBSID, "host": "other", "engine": "native"}
            ended = {"started": later, "ended": later, "standing": DONE, "datasets": {DATACLASS: DONE}}
            site.ledger.record_attempt(Attempt.model_validate(newer | ended))
            site.ledger.record_manifest(manifest, DONE)
            attempt.datasets[DATACLASS] = Standing.of(Transient("another process has taken over"))
            attempt.standing = attempt.datasets[DATACLASS]

    asyncio.run(main())
    assert attempt_in_store(site).standing.kind == "transient"
    [row] = site.ledger.datasets(OBSID)
    assert row.standing == DONE
    assert site.ledger.observations()[OBSID].standing == DONE
