"""The claim on an observation: a lease that is kept alive while work goes on, and asked before publishing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field

from tasks.core.errors import EnvironmentFault, LeaseLost
from tasks.core.identifiers import ObsID
from tasks.core.threads import carried_out
from tasks.library import leases
from tasks.library.leases import Lease
from tasks.library.site import Site

_RENEWALS_PER_LEASE = 4
# Not the event loop's own threads: uploads may keep all of these busy for longer than a lease lasts.
_HEART = ThreadPoolExecutor(1, thread_name_prefix="heartbeat")


@dataclass
class Claim:
    """The right of a process to publish for one observation.

    Parameters
    ----------
    site : Site
        Whose ledger holds the lease.
    obsid : ObsID
        On which observation.
    lease : Lease
        As acquired; its number does not change by renewal.
    tries : int
        How many tasks were started under it, retries included.
    listing : str or None
        Hash over the files that the archive had, once they have been listed under it.
    """

    site: Site
    obsid: ObsID
    lease: Lease
    tries: int = field(default=0)
    listing: str | None = field(default=None)

    def note_listing(self, listing: str) -> None:
        """Keep what the archive had."""
        self.listing = listing

    def confirm(self) -> None:
        """Raise `LeaseLost` when another process has taken over."""
        leases.confirm(self.site.ledger, self.lease)


_held: ContextVar[Claim | None] = ContextVar("held", default=None)


@contextlib.asynccontextmanager
async def claim(site: Site, obsid: ObsID) -> AsyncIterator[Claim]:
    """Hold an observation; a flow inside a flow that holds it already shares that claim.

    Raises
    ------
    LeaseLost
        When another process holds it.
    """
    held = _held.get()
    if held is not None and held.obsid == obsid:
        yield held
        return
    seconds = site.settings.lease_seconds
    lease = await asyncio.to_thread(leases.acquire, site.ledger, obsid, site.holder, seconds)
    if lease is None:
        raise LeaseLost(f"another process is working on {obsid}")
    claimed = Claim(site, obsid, lease)
    heartbeat = asyncio.create_task(_keep_alive(claimed, seconds))
    try:
        with _holding(claimed):
            yield claimed
    finally:
        heartbeat.cancel()
        with contextlib.suppress(EnvironmentFault):  # it then runs out by itself
            await carried_out(_HEART, leases.release, site.ledger, lease)


@contextlib.contextmanager
def _holding(claimed: Claim) -> Iterator[None]:
    token = _held.set(claimed)
    try:
        yield
    finally:
        _held.reset(token)


async def _keep_alive(claimed: Claim, seconds: float) -> None:
    """Renew until cancelled; a lease that is lost stays lost, and `confirm` says so."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds / _RENEWALS_PER_LEASE)
        # A database that stumbles once leaves time for the next renewal.
        with contextlib.suppress(EnvironmentFault):
            try:
                await loop.run_in_executor(_HEART, leases.renew, claimed.site.ledger, claimed.lease, seconds)
            except LeaseLost:
                return
