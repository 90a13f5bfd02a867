"""The ledger's tables, and how an older ledger becomes a newer one."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from tasks.core.errors import EnvironmentFault

Migration = Callable[[Connection], None]

_UPGRADE_LOCK = 166_700_006
"""PostgreSQL's advisory lock that only one process at a time upgrades under."""


class _Moment(TypeDecorator[datetime]):
    """A time with zone, also where the database (SQLite) keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC) if value else None


def _standing() -> tuple[Column[str], ...]:
    return (
        Column("state", String(16), nullable=False),
        Column("kind", String(16)),
        Column("reason", Text),
        Column("step", String(16)),
    )


METADATA = MetaData()

schema_version = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

observations = Table(
    "observations",
    METADATA,
    Column("obsid", String(9), primary_key=True),
    Column("name", Text, nullable=False),
    Column("catalogue", String(64)),
    Column("selection", String(64)),
    Column("basis", JSON, nullable=False),
    *_standing(),
    Column("attempts", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("listing", String(64)),
    Column("looked", _Moment),
    Column("updated", _Moment, nullable=False),
    Column("since", _Moment),
)

datasets = Table(
    "datasets",
    METADATA,
    Column("obsid", String(9), primary_key=True),
    Column("dataclass", String(8), primary_key=True),
    *_standing(),
    Column("manifest", String(64)),
    Column("recipe", String(64)),
    Column("engine", Text),
    Column("cautions", JSON, nullable=False),
    Column("updated", _Moment, nullable=False),
    Column("size", BigInteger),
    ForeignKeyConstraint(["obsid"], ["observations.obsid"]),
)

products = Table(
    "products",
    METADATA,
    Column("obsid", String(9), primary_key=True),
    Column("dataclass", String(8), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("step", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("role", String(16), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    ForeignKeyConstraint(
        ["obsid", "dataclass"], ["datasets.obsid", "datasets.dataclass"], ondelete="CASCADE"
    ),
)

steps = Table(
    "steps",
    METADATA,
    Column("obsid", String(9), primary_key=True),
    Column("dataclass", String(8), primary_key=True),
    Column("step", String(16), primary_key=True),
    Column("engine", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    ForeignKeyConstraint(
        ["obsid", "dataclass"], ["datasets.obsid", "datasets.dataclass"], ondelete="CASCADE"
    ),
)

attempts = Table(
    "attempts",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("obsid", String(9), nullable=False),
    Column("sweep", Text),
    Column("started", _Moment, nullable=False),
    Column("ended", _Moment),
    Column("host", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("versions", JSON, nullable=False),
    Column("basis", JSON, nullable=False),
    Column("selection", String(64), nullable=False),
    *_standing(),
    Column("datasets", JSON, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("flow_run_id", Text),
    Column("listing", String(64)),
    ForeignKeyConstraint(["obsid"], ["observations.obsid"]),
    Index("attempts_by_obsid", "obsid", "started"),
)

leases = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires", Double, nullable=False),
)

versions = Table(
    "versions",
    METADATA,
    Column("host", Text, primary_key=True),
    Column("engine", Text, primary_key=True),
    Column("versions", JSON, nullable=False),
    Column("seen", _Moment, nullable=False),
)

sweeps = Table(
    "sweeps",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("started", _Moment, nullable=False),
    Column("ended", _Moment),
    Column("recipe", Text, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("holder", Text),
    Column("flow_run_id", Text),
)


def _remember_listings(connection: Connection) -> None:
    """What the archive's listing of an observation was, and when it was last looked at."""
    _add_columns(connection, observations.c.listing, observations.c.looked, attempts.c.listing)


def _remember_who_sweeps(connection: Connection) -> None:
    """The process and the flow run of a sweep, by which the next one sees that it is gone."""
    _add_columns(connection, sweeps.c.holder, sweeps.c.flow_run_id)


def _remember_steps(connection: Connection) -> None:
    """Which step failed, how long each took, and since when an observation stands where it does.

    What was recorded before says nothing of steps; `rebuild` finds their durations in the manifests.
    """
    _add_columns(connection, observations.c.step, datasets.c.step, attempts.c.step, observations.c.since)
    connection.execute(update(observations).values(since=observations.c.updated))
    steps.create(connection)


def _remember_sizes(connection: Connection) -> None:
    """How large the products of a dataset are."""
    _add_columns(connection, datasets.c.size)
    same = (products.c.obsid == datasets.c.obsid, products.c.dataclass == datasets.c.dataclass)
    total = select(func.sum(products.c.size)).where(*same).scalar_subquery()
    connection.execute(update(datasets).values(size=total))


def _add_columns(connection: Connection, *columns: Column[Any]) -> None:
    for column in columns:
        kind = column.type.compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"))


MIGRATIONS: tuple[Migration, ...] = (
    _remember_listings,
    _remember_who_sweeps,
    _remember_steps,
    _remember_sizes,
)
"""What makes schema n+2 of schema n+1, at index n; `METADATA` is always the newest."""


def found_version(connection: Connection) -> int:
    """The schema version of a database; 0 when it is empty."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return connection.scalar(select(func.max(schema_version.c.version))) or 0


def upgrade(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Make the tables, or bring older ones up to date, inside the caller's transaction.

    Raises
    ------
    EnvironmentFault
        When a newer version of this project has made them.
    """
    newest = len(migrations) + 1
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    found = found_version(connection)
    if found > newest:
        raise EnvironmentFault(
            f"the ledger has schema {found} and this version knows {newest}: upgrade xtendflow"
        )
    if found == 0:
        METADATA.create_all(connection)
        connection.execute(insert(schema_version).values(version=newest))
    elif found < newest:
        for migration in migrations[found - 1 :]:
            migration(connection)
        connection.execute(update(schema_version).values(version=newest))
