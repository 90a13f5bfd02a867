"""How often each observation was tried, and when last: enough to see whether its history has grown."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from tasks.core.identifiers import ObsID
from tasks.library import schema
from tasks.library.ledger import Ledger


@dataclass(frozen=True)
class Tried:
    """The attempts at an observation: how many began, how many ended, when the last one did either."""

    began: int = 0
    ended: int = 0
    last_began: datetime | None = None
    last_ended: datetime | None = None


def tried(ledger: Ledger) -> dict[ObsID, Tried]:
    """The attempts at every observation that was ever tried, in one question to the ledger."""
    table = schema.attempts.c
    counted = select(
        table.obsid,
        func.count().label("began"),
        func.count(table.ended).label("ended"),
        func.max(table.started).label("last_began"),
        func.max(table.ended).label("last_ended"),
    ).group_by(table.obsid)
    with ledger.reading() as connection:
        rows = connection.execute(counted).all()
    return {ObsID(row.obsid): Tried(row.began, row.ended, row.last_began, row.last_ended) for row in rows}
