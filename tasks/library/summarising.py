"""How a sweep's summary comes about: what was seen, what became of it, and what the ledger knows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import func, select

from tasks.core.errors import GaveUp
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library import schema
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
        for result in results_of(sighting, endings.get(sighting.obsid), datasets.get(sighting.obsid, []))
    )


def results_of(sighting: Sighting, ending: Ending | None, datasets: Sequence[DatasetRow]) -> Iterator[Result]:
    """The results of one observation."""
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


def published_since(site: Site, moment: datetime) -> tuple[int, int]:
    """How many datasets were published since a moment with time zone, and the bytes of their products."""
    row = schema.datasets.c
    sizes = func.coalesce(func.sum(row.size), 0)
    fresh = select(func.count(), sizes).where(row.state == State.DONE, row.updated >= moment)
    with site.ledger.reading() as connection:
        number, size = connection.execute(fresh).one()
    return int(number), int(size)
