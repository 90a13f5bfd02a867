"""Orphans: sweeps and attempts whose process was killed before it could say how they ended."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.core.errors import Transient
from tasks.core.state import Standing
from tasks.library.attempts import Attempt, write_attempt
from tasks.library.site import Site, is_gone

_KILLED = Standing.of(Transient("its process was killed"))


@dataclass(frozen=True)
class Orphans:
    """What processes that are gone have left.

    Parameters
    ----------
    attempts : tuple of Attempt
        Those without an end.
    holders : mapping
        For each of Prefect's flow runs that a sweep or an attempt was: the process that did it (`host:pid`).
    """

    attempts: tuple[Attempt, ...]
    holders: Mapping[str, str]


def find_orphans(site: Site) -> Orphans:
    """Look through the ledger, once the leases of this host's dead processes have been ended.

    An attempt needs the lease of its observation, wherever it goes on; a sweep has none, and only its own
    host sees that it is gone.
    """
    attempts = site.ledger.abandoned_attempts()
    runs = {attempt.flow_run_id: attempt.host for attempt in attempts}
    for sweep in site.ledger.sweeps():
        if sweep.ended is None and sweep.holder and is_gone(*sweep.holder.rpartition(":")[::2]):
            runs[sweep.flow_run_id] = sweep.holder
    return Orphans(attempts, {run: holder for run, holder in runs.items() if run})


def end_attempts(site: Site, attempts: Iterable[Attempt]) -> None:
    """Let attempts have failed, in the store and in the ledger; they stay tries that count."""
    for attempt in attempts:
        ended = max(datetime.now(UTC), attempt.started)
        failed = attempt.model_copy(update={"ended": ended, "standing": _KILLED})
        write_attempt(site.store, failed)
        site.ledger.record_attempt(failed)
