"""Leases: one holder at a time, in the database's own time, with a number that only grows."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Double, func, literal_column, select, update

from tasks.core.errors import BadInput, LeaseLost
from tasks.library.database import Database, upsert
from tasks.library.schema import leases

_ROW = ("holder", "fence", "expires")
_NOW = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    # now() would be the start of the transaction, which may have waited for another holder.
    "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())",
}


@dataclass(frozen=True)
class Lease:
    """A claim on something, such as an observation.

    Parameters
    ----------
    name : str
        On what.
    holder : str
        Whose; one name for each process and run.
    fence : int
        Grows with every new holder: of two leases the one with the lower number is over.
    expires : float
        When it ends, in seconds of the database's clock since 1970.
    """

    name: str
    holder: str
    fence: int
    expires: float


def acquire(database: Database, name: str, holder: str, seconds: float) -> Lease | None:
    """Take a lease that nobody holds, or whose holder let it run out; None when someone holds it.

    Raises
    ------
    BadInput
        When the time is not positive.
    """
    _check(seconds)
    with database.writing() as connection:
        now = _now(connection)
        upsert(connection, leases, [{"name": name, "holder": "", "fence": 0, "expires": 0.0}], *_ROW)
        taken = connection.execute(
            update(leases)
            .where(leases.c.name == name, leases.c.expires <= now)
            .values(holder=holder, fence=leases.c.fence + 1, expires=now + seconds)
        )
        return _read(connection, name) if taken.rowcount else None


def renew(database: Database, lease: Lease, seconds: float) -> Lease:
    """The lease with its time counted from now.

    Raises
    ------
    LeaseLost
        When it has run out or was taken over.
    """
    _check(seconds)
    with database.writing() as connection:
        now = _now(connection)
        renewed = connection.execute(
            update(leases).where(*_own(lease), leases.c.expires > now).values(expires=now + seconds)
        )
        if not renewed.rowcount:
            raise _lost(lease)
        return _read(connection, lease.name)


def confirm(database: Database, lease: Lease) -> None:
    """Make sure that the lease still holds.

    Raises
    ------
    LeaseLost
        When it has run out or was taken over.
    """
    with database.reading() as connection:
        if not connection.scalar(select(func.count()).where(*_own(lease), live(connection))):
            raise _lost(lease)


def release(database: Database, lease: Lease) -> None:
    """Give the lease back; one that is lost already stays with its new holder."""
    with database.writing() as connection:
        connection.execute(update(leases).where(*_own(lease)).values(expires=0.0))


def holders(database: Database) -> frozenset[str]:
    """Who holds leases now."""
    with database.reading() as connection:
        return frozenset(connection.scalars(select(leases.c.holder).where(live(connection)).distinct()))


def live(connection: Connection) -> ColumnElement[bool]:
    """What is true of the leases that somebody holds, in the table `leases`."""
    return leases.c.expires > _now(connection)


def end(database: Database, holder: str) -> None:
    """End every lease of a holder that is known to be gone, before they run out."""
    with database.writing() as connection:
        connection.execute(update(leases).where(leases.c.holder == holder).values(expires=0.0))


def _own(lease: Lease) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return leases.c.name == lease.name, leases.c.fence == lease.fence


def _read(connection: Connection, name: str) -> Lease:
    row = connection.execute(select(leases).where(leases.c.name == name)).one()
    return Lease(row.name, row.holder, row.fence, row.expires)


def _now(connection: Connection) -> ColumnElement[float]:
    return literal_column(_NOW[connection.dialect.name], Double)


def _check(seconds: float) -> None:
    if not seconds > 0:
        raise BadInput(f"a lease of {seconds} s is none")


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"{lease.holder} no longer holds {lease.name}: it ran out or was taken over")
