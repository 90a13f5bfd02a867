"""The logbook: attempts as they begin and end, in the store and in the ledger."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

from tasks.core.errors import EnvironmentFault, Failed, LeaseLost, Skipped, Transient
from tasks.core.identifiers import DataClass
from tasks.core.state import Standing, State
from tasks.core.threads import carried_out
from tasks.library.attempts import Attempt, write_attempt
from tasks.library.claim import Claim
from tasks.library.publication import read_manifest
from tasks.library.site import Site

_RUNNING = Standing(state=State.RUNNING)
# Not the event loop's own threads: uploads may keep all of these busy when a sweep is asked to end.
_SCRIBE = ThreadPoolExecutor(4, thread_name_prefix="logbook")
# No failure: whoever interrupts sweeps often must not have observations given up by it.
_INTERRUPTED = Standing(state=State.WAITING, reason="it was interrupted")


class Attempting:
    """An attempt at an observation: noted when the block is entered, and again however it is left.

    Parameters
    ----------
    held : Claim
        The observation, which this process holds.
    engine, versions
        How it is done.
    basis : mapping
        What decides its products, as named hashes.
    sweep, flow_run_id : str or None
        Who asks for it, and Prefect's run.

    Attributes
    ----------
    standing : Standing
        Of the observation; set it when it is known.
    datasets : dict
        Standing of each dataset, filled as they end.
    """

    def __init__(
        self,
        held: Claim,
        *,
        engine: str,
        versions: Mapping[str, str],
        basis: Mapping[str, str],
        sweep: str | None,
        flow_run_id: str | None,
    ) -> None:
        self.standing = _RUNNING
        self.datasets: dict[DataClass, Standing] = {}
        self._held = held
        self._attempt = Attempt(
            id=uuid4().hex[:12],
            obsid=held.obsid,
            sweep=sweep,
            started=datetime.now(UTC),
            host=held.site.holder,
            engine=engine,
            versions=dict(versions),
            basis=dict(basis),
            standing=_RUNNING,
            flow_run_id=flow_run_id,
        )

    async def __aenter__(self) -> Self:
        try:
            await carried_out(_SCRIBE, _keep, self._held.site, self._attempt)
        except asyncio.CancelledError as exc:
            # What has begun in the books has to end there, too.
            await self.__aexit__(type(exc), exc, exc.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = {
            "ended": datetime.now(UTC),
            "standing": self.standing if error is None else _standing_after(error),
            "datasets": self.datasets,
            "tries": max(self._held.tries, 1),
            "listing": self._held.listing,
        }
        # Beside the loop, where a store that stalls would hold up the heartbeats of every claim. To its end:
        # an attempt without an end and without a lease is taken for one whose process was killed.
        await carried_out(_SCRIBE, self._end, self._attempt.model_copy(update=ended))

    def _end(self, attempt: Attempt) -> None:
        self._index()
        _keep(self._held.site, attempt)

    def _index(self) -> None:
        """Tell the ledger what has been published, unless a newer attempt speaks for the observation."""
        site = self._held.site
        if any(other.started > self._attempt.started for other in site.ledger.attempts(self._attempt.obsid)):
            return
        for dataclass, standing in self.datasets.items():
            if manifest := read_manifest(site.store, self._attempt.obsid, dataclass):
                site.ledger.record_manifest(manifest, standing)


def _standing_after(error: BaseException) -> Standing:
    if isinstance(error, Skipped | Failed):
        return Standing.of(error)
    if isinstance(error, LeaseLost | EnvironmentFault):
        return Standing.of(Transient(str(error)))
    if isinstance(error, Exception):
        return Standing(state=State.FAILED, kind="software", reason=f"{type(error).__name__}: {error}")
    return _INTERRUPTED


def _keep(site: Site, attempt: Attempt) -> None:
    write_attempt(site.store, attempt)
    site.ledger.record_attempt(attempt)
