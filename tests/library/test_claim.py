import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.core.errors import EnvironmentFault, LeaseLost
from tasks.core.identifiers import ObsID
from tasks.core.settings import Settings
from tasks.library import claim as claims
from tasks.library import leases, schema
from tasks.library.claim import Claim, claim
from tasks.library.site import Site, open_site

FIRST, SECOND = ObsID("900001010"), ObsID("900002010")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(Settings(data=tmp_path / "data", lease_seconds=600))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats come every tenth of a second."""
    monkeypatch.setattr(claims, "_RENEWALS_PER_LEASE", 6000)


def expiry(site: Site) -> float:
    with site.ledger.reading() as connection:
        return connection.scalar(select(schema.leases.c.expires)) or 0.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def elsewhere(site: Site, obsid: ObsID = FIRST) -> None:
    """Try to claim as somebody would who does not share this context."""

    async def take() -> None:
        async with claim(site, obsid):
            pass

    await asyncio.create_task(take(), context=Context())


def test_a_second_holder_is_refused_while_the_first_is_there(site):
    async def main() -> None:
        async with claim(site, FIRST) as held:
            held.confirm()
            with pytest.raises(LeaseLost, match="another process is working on 900001010"):
                await elsewhere(site)
            held.confirm()
            await elsewhere(site, SECOND)
        await elsewhere(site)

    asyncio.run(main())


def test_the_lease_is_signed_and_as_long_as_the_settings_say(site):
    async def main() -> None:
        async with claim(site, FIRST) as held:
            assert (held.site, held.obsid, held.tries) == (site, FIRST, 0)
            assert held.lease.holder == site.holder
            with site.ledger.reading() as connection:
                left = connection.scalar(select(schema.leases.c.expires - leases._now(connection)))
            assert 500 < left <= 600

    asyncio.run(main())


def test_flows_inside_share_the_claim(site):
    async def inner() -> Claim:
        async with claim(site, FIRST) as held:
            held.tries += 1
            return held

    async def main() -> None:
        async with claim(site, FIRST) as outer:
            assert await asyncio.gather(inner(), inner(), asyncio.create_task(inner())) == [outer] * 3
            assert outer.tries == 3
            # The inner ones gave nothing back.
            outer.confirm()
            with pytest.raises(LeaseLost):
                await elsewhere(site)
        async with claim(site, FIRST) as again:
            assert again is not outer
            assert again.lease.fence > outer.lease.fence

    asyncio.run(main())


def test_another_observation_inside_is_a_claim_of_its_own(site):
    async def main() -> None:
        async with claim(site, FIRST) as first:
            async with claim(site, SECOND) as second:
                assert second.lease.name == SECOND
                first.confirm()
            with pytest.raises(LeaseLost):
                second.confirm()
            async with claim(site, FIRST) as again:
                assert again is first

    asyncio.run(main())


@pytest.mark.usefixtures("fast")
def test_heartbeats_renew_the_lease(site):
    async def main() -> None:
        async with claim(site, FIRST) as held:
            for _ in range(2):
                before = expiry(site)
                await until(lambda before=before: expiry(site) > before)
            held.confirm()
            assert held.lease.fence == 1

    asyncio.run(main())


@pytest.mark.usefixtures("fast")
def test_heartbeats_survive_a_database_that_stumbles(site, monkeypatch):
    real, stumbles = leases.renew, iter([True, True])

    def renew(*args: object) -> object:
        if next(stumbles, False):
            raise EnvironmentFault("the ledger cannot be used: database is locked")
        return real(*args)

    monkeypatch.setattr(claims.leases, "renew", renew)

    async def main() -> None:
        async with claim(site, FIRST):
            before = expiry(site)
            await until(lambda: expiry(site) > before)

    asyncio.run(main())


@pytest.mark.usefixtures("fast")
def test_heartbeats_need_no_thread_that_others_keep_busy(site):
    over = threading.Event()

    async def main() -> None:
        async with claim(site, FIRST):
            busy = [asyncio.ensure_future(asyncio.to_thread(over.wait, 20)) for _ in range(64)]
            before = expiry(site)
            try:
                await until(lambda: expiry(site) > before)
            finally:
                over.set()
            await asyncio.gather(*busy)

    asyncio.run(main())


@asynccontextmanager
async def taken_over(site: Site) -> AsyncIterator[tuple[Claim, leases.Lease]]:
    """A claim that somebody else has taken over meanwhile."""
    async with claim(site, FIRST) as held:
        leases.release(site.ledger, held.lease)
        other = leases.acquire(site.ledger, FIRST, "somebody else", 600)
        assert other
        yield held, other


@pytest.mark.usefixtures("fast")
def test_a_lost_lease_stays_lost(site, monkeypatch):
    real, asked = leases.renew, []

    def renew(*args: object) -> object:
        asked.append(args)
        return real(*args)

    monkeypatch.setattr(claims.leases, "renew", renew)

    async def main() -> None:
        async with taken_over(site) as (held, other):
            with pytest.raises(LeaseLost, match="no longer holds 900001010"):
                held.confirm()
            asked.clear()
            await until(lambda: bool(asked))
            # The heartbeat has noticed; it neither fights nor goes on for ever.
            await asyncio.sleep(0.5)
            assert len(asked) == 1
            leases.confirm(site.ledger, other)
        # Leaving gives back only what is one's own.
        leases.confirm(site.ledger, other)

    asyncio.run(main())


@pytest.mark.parametrize("error", [RuntimeError("any"), KeyboardInterrupt()])
def test_whatever_ends_the_work_gives_the_lease_back(site, error):
    async def main() -> None:
        async with claim(site, FIRST):
            raise error

    with pytest.raises(type(error)):
        asyncio.run(main())
    asyncio.run(elsewhere(site))


def test_cancelled_work_gives_the_lease_back(site):
    async def main() -> None:
        entered = asyncio.Event()

        async def work() -> None:
            async with claim(site, FIRST):
                entered.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await entered.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await elsewhere(site)

    asyncio.run(main())


def test_a_database_that_is_gone_at_the_end_hides_nothing(site, monkeypatch):
    def fail(*_: object) -> None:
        raise EnvironmentFault("the ledger cannot be used")

    async def main() -> None:
        async with claim(site, FIRST):
            monkeypatch.setattr(claims.leases, "release", fail)
            raise RuntimeError("what really happened")

    with pytest.raises(RuntimeError, match="what really happened"):
        asyncio.run(main())


def test_a_ledger_that_cannot_be_asked_is_no_lost_lease(site, monkeypatch):
    def fail(*_: object) -> None:
        raise EnvironmentFault("the ledger cannot be used")

    monkeypatch.setattr(claims.leases, "acquire", fail)
    with pytest.raises(EnvironmentFault):
        asyncio.run(elsewhere(site))
