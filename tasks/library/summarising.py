"""How a sweep's summary comes about: what was seen, what became of it, and what the ledger knows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from tasks.core.errors import GaveUp
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.rows import DatasetRow, Sighting
from tasks.library.site import Site
from tasks.library.summary import Result


@dataclass(frozen=True)
class Ending:
    """How an observation's run ended, and how long it took in seconds."""

    standing: Standing
    seconds: float


def results(site: Site, sightings: Iterable[Sighting], endings: Mapping[ObsID, Ending]) -> tuple[Result, ...]:
    """A result per dataset, and one for each observation that has none or failed as a whole."""
    rows = sorted(site.ledger.datasets(), key=lambda row: row.obsid)
    datasets = {obsid: list(group) for obsid, group in groupby(rows, key=lambda row: row.obsid)}
    return tuple(
        result
        for sighting in sorted(sightings, key=lambda item: item.obsid)
        for result in _of(sighting, endings.get(sighting.obsid), datasets.get(sighting.obsid, []))
    )


def _of(sighting: Sighting, ending: Ending | None, datasets: list[DatasetRow]) -> Iterator[Result]:
    standing, seconds = (ending.standing, ending.seconds) if ending else (sighting.standing, 0.0)
    given_up = standing.kind == GaveUp.kind
    for row in sorted(datasets, key=lambda row: row.dataclass):
        # Not validated again: a sweep over a finished archive makes twenty thousand of them.
        yield Result.model_construct(
            obsid=row.obsid,
            dataclass=row.dataclass,
            target=sighting.name,
            standing=standing if given_up and row.standing.state == State.FAILED else row.standing,
            why=sighting.why,
            seconds=seconds,
            cautions=row.cautions,
        )
    if not datasets or standing.state not in (State.DONE, *(row.standing.state for row in datasets)):
        yield Result(
            obsid=sighting.obsid,
            target=sighting.name,
            standing=standing,
            why=sighting.why,
            seconds=seconds,
        )
