"""Orphans: sweeps and attempts whose process was killed before it could say how they ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tasks.core.errors import Transient
from tasks.core.state import Standing
from tasks.library.attempts import Attempt, write_attempt
from tasks.library.rows import SweepRow
from tasks.library.site import Site, is_gone

_KILLED = Standing.of(Transient("its process was killed"))


@dataclass(frozen=True)
class Orphans:
    """What processes that are gone have left.

    Parameters
    ----------
    attempts, sweeps : tuple of Attempt, tuple of SweepRow
        Those without an end.
    holders : mapping
        For each of Prefect's flow runs that a sweep or an attempt was: the process that did it (`host:pid`).
    """

    attempts: tuple[Attempt, ...]
    sweeps: tuple[SweepRow, ...]
    holders: Mapping[str, str]


def find_orphans(site: Site) -> Orphans:
    """Look through the ledger, once the leases of this host's dead processes have been ended.

    An attempt needs the lease of its observation, wherever it goes on; a sweep has none, and only its own
    host sees that it is gone.
    """
    attempts = site.ledger.abandoned_attempts()
    sweeps = tuple(
        sweep
        for sweep in site.ledger.sweeps()
        if sweep.ended is None and sweep.holder and is_gone(*sweep.holder.rpartition(":")[::2])
    )
    ran = [(attempt.flow_run_id, attempt.host) for attempt in attempts]
    ran += [(sweep.flow_run_id, str(sweep.holder)) for sweep in sweeps]
    return Orphans(attempts, sweeps, {run: holder for run, holder in ran if run})


def end_records(site: Site, orphans: Orphans) -> None:
    """Let attempts have failed, in the store and in the ledger (as tries that count), and sweeps end."""
    for attempt in orphans.attempts:
        ended = max(datetime.now(UTC), attempt.started)
        failed = attempt.model_copy(update={"ended": ended, "standing": _KILLED})
        write_attempt(site.store, failed)
        site.ledger.record_attempt(failed)
    for sweep in orphans.sweeps:
        site.ledger.record_sweep(replace(sweep, ended=max(datetime.now(UTC), sweep.started)))
