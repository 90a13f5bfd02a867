"""What the ledger says about how work goes on: figures for `xtendflow status` and for the dashboards.

The database counts; nothing here reads more than the few rows that come back. The queries of
`infra/grafana` give the same figures.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    case,
    extract,
    func,
    literal,
    select,
    union_all,
)

from tasks.core.identifiers import ObsID
from tasks.core.state import State
from tasks.library import schema
from tasks.library.database import Database

PERIODS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True)
class Period:
    """What ended in the last hour, day or week.

    Parameters
    ----------
    observations, skipped, failed : int
        Attempts that ended done, skipped and failed.
    datasets : int
        Datasets that are done since an attempt in this period.
    bytes : int
        Size of their products.
    tries : int
        How often tasks were started in these attempts, retries included.
    """

    observations: int
    skipped: int
    failed: int
    datasets: int
    bytes: int
    tries: int


@dataclass(frozen=True)
class Failure:
    """How many observations stand failed in this way: the kind, and the step where it is known."""

    kind: str | None
    step: str | None
    number: int


@dataclass(frozen=True)
class Standstill:
    """An observation that has stood where it does for long."""

    obsid: ObsID
    name: str
    since: datetime


@dataclass(frozen=True)
class Queue:
    """The observations that wait and run, and of each kind the one that does for longest."""

    waiting: int
    running: int
    oldest_waiting: Standstill | None
    oldest_running: Standstill | None


@dataclass(frozen=True)
class Duration:
    """How long an observation that was done took, or a step of a dataset: in seconds, by nearest rank."""

    what: str
    number: int
    median: float
    p90: float


@dataclass(frozen=True)
class Retries:
    """Attempts in all, those at something that had been attempted before, and the tasks they started."""

    attempts: int
    repeated: int
    tries: int


@dataclass(frozen=True)
class Figures:
    """How work goes on.

    Parameters
    ----------
    throughput : dict of str to Period
        By the names of `PERIODS`.
    failures : tuple of Failure
        Most first.
    queue, retries : Queue, Retries
        At this moment; of all attempts.
    durations : tuple of Duration
        Of what ended in the last week: of whole observations first, then of the steps by name.
    stored : int
        Size in bytes of all published products.
    """

    throughput: dict[str, Period]
    failures: tuple[Failure, ...]
    queue: Queue
    retries: Retries
    durations: tuple[Duration, ...]
    stored: int


def figures(database: Database, now: datetime) -> Figures:
    """Count everything, as of a moment with time zone."""
    with database.reading() as connection:
        return Figures(
            {name: _period(connection, now - length) for name, length in PERIODS.items()},
            _failures(connection),
            _queue(connection),
            _retries(connection),
            _durations(connection, now - PERIODS["week"]),
            int(connection.scalar(select(func.coalesce(func.sum(schema.datasets.c.size), 0))) or 0),
        )


def _period(connection: Connection, start: datetime) -> Period:
    attempt, dataset = schema.attempts.c, schema.datasets.c
    ended = connection.execute(
        select(attempt.state, func.count(), func.coalesce(func.sum(attempt.tries), 0))
        .where(attempt.ended >= start)
        .group_by(attempt.state)
    )
    states = {state: (number, tries) for state, number, tries in ended}
    sizes = func.coalesce(func.sum(dataset.size), 0)
    fresh = select(func.count(), sizes).where(dataset.state == State.DONE, dataset.updated >= start)
    datasets, size = connection.execute(fresh).one()
    return Period(
        observations=states.get(State.DONE, (0, 0))[0],
        skipped=states.get(State.SKIPPED, (0, 0))[0],
        failed=states.get(State.FAILED, (0, 0))[0],
        datasets=datasets,
        bytes=int(size),
        tries=sum(int(tries) for _, tries in states.values()),
    )


def _failures(connection: Connection) -> tuple[Failure, ...]:
    row, number = schema.observations.c, func.count().label("number")
    how = (row.kind, row.step)
    chosen = select(*how, number).where(row.state == State.FAILED).group_by(*how)
    found = [Failure(*each) for each in connection.execute(chosen)]
    return tuple(sorted(found, key=lambda item: (-item.number, item.kind or "", item.step or "")))


def _queue(connection: Connection) -> Queue:
    row = schema.observations.c
    counted = select(row.state, func.count()).where(row.state.in_([State.WAITING, State.RUNNING]))
    numbers = dict(connection.execute(counted.group_by(row.state)).tuples().all())
    return Queue(
        numbers.get(State.WAITING, 0),
        numbers.get(State.RUNNING, 0),
        _oldest(connection, State.WAITING),
        _oldest(connection, State.RUNNING),
    )


def _oldest(connection: Connection, state: State) -> Standstill | None:
    row = schema.observations.c
    chosen = select(row.obsid, row.name, row.since).where(row.state == state, row.since.is_not(None))
    found = connection.execute(chosen.order_by(row.since, row.obsid).limit(1)).first()
    return Standstill(ObsID(found.obsid), found.name, found.since) if found else None


def _retries(connection: Connection) -> Retries:
    attempt = schema.attempts.c
    distinct = func.count((attempt.obsid + attempt.selection).distinct())
    row = connection.execute(
        select(func.count(), func.count() - distinct, func.coalesce(func.sum(attempt.tries), 0)).select_from(
            schema.attempts
        )
    ).one()
    return Retries(*map(int, row))


def _durations(connection: Connection, start: datetime) -> tuple[Duration, ...]:
    attempt, step, dataset = schema.attempts.c, schema.steps.c, schema.datasets.c
    seconds = _seconds(connection, attempt.ended) - _seconds(connection, attempt.started)
    whole = select(literal("observation").label("what"), seconds.label("seconds")).where(
        attempt.state == State.DONE, attempt.ended >= start
    )
    same = (step.obsid == dataset.obsid, step.dataclass == dataset.dataclass)
    steps = select(step.step, step.seconds).where(*same, dataset.updated >= start)
    rows = connection.execute(_by_rank(union_all(whole, steps).subquery())).all()
    found = [Duration(row.what, row.number, float(row.median), float(row.p90)) for row in rows]
    return tuple(sorted(found, key=lambda item: (item.what != "observation", item.what)))


def _by_rank(timed: Any) -> Select[Any]:
    """Number, median and 90 % of what took `seconds`, by `what`, in words of SQLite too."""
    what, seconds = timed.c.what, timed.c.seconds
    rank = func.row_number().over(partition_by=what, order_by=seconds)
    number = func.count().over(partition_by=what)
    row = select(what, seconds, rank.label("rank"), number.label("number")).subquery().c
    return select(
        row.what,
        func.max(row.number).label("number"),
        func.min(case((row.rank * 2 >= row.number, row.seconds))).label("median"),
        func.min(case((row.rank * 10 >= row.number * 9, row.seconds))).label("p90"),
    ).group_by(row.what)


def _seconds(connection: Connection, moment: Column[Any]) -> ColumnElement[Any]:
    """A moment as seconds since some epoch."""
    if connection.dialect.name == "sqlite":
        return func.julianday(moment) * 86400.0
    return extract("epoch", moment)
