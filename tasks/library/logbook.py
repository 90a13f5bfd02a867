"""The logbook: attempts as they begin and end, in the store and in the ledger."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt, write_attempt
from tasks.library.publication import read_manifest
from tasks.library.site import Site


def begin(
    site: Site,
    obsid: ObsID,
    *,
    engine: str,
    versions: Mapping[str, str],
    basis: Mapping[str, str],
    sweep: str | None,
    flow_run_id: str | None,
) -> Attempt:
    """Note that an attempt at an observation begins."""
    attempt = Attempt(
        id=uuid4().hex[:12],
        obsid=obsid,
        sweep=sweep,
        started=datetime.now(UTC),
        host=site.holder,
        engine=engine,
        versions=dict(versions),
        basis=dict(basis),
        standing=Standing(state=State.RUNNING),
        flow_run_id=flow_run_id,
    )
    return _keep(site, attempt)


def end(
    site: Site, attempt: Attempt, standing: Standing, datasets: Mapping[DataClass, Standing], tries: int
) -> Attempt:
    """Note how an attempt ended, and index what it published."""
    for dataclass, dataset in datasets.items():
        manifest = read_manifest(site.store, attempt.obsid, dataclass)
        if manifest:
            site.ledger.record_manifest(manifest, dataset)
    ended = {
        "ended": datetime.now(UTC),
        "standing": standing,
        "datasets": dict(datasets),
        "tries": max(tries, 1),
    }
    return _keep(site, attempt.model_copy(update=ended))


def _keep(site: Site, attempt: Attempt) -> Attempt:
    write_attempt(site.store, attempt)
    site.ledger.record_attempt(attempt)
    return attempt
