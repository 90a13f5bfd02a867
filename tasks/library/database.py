"""The ledger's database: how it is opened, how transactions run, and what its errors become."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, NullPool, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from tasks.core.errors import BadInput, EnvironmentFault
from tasks.library.schema import MIGRATIONS, found_version, upgrade

_BUSY_SECONDS = 30
_POLL_SECONDS = 0.02
_SILENT_SECONDS = 60


class Database:
    """An SQLite file or a PostgreSQL database with the ledger's tables, up to date.

    Safe to share between threads; every process opens its own.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        with self._faults():
            self._engine = _engine(url)

    @classmethod
    def open(cls, url: str) -> Self:
        """The database at an SQLAlchemy URL; an SQLite file is made when it is not there.

        Parameters
        ----------
        url : str
            `sqlite:///ledger.sqlite` or `postgresql://…`.

        Raises
        ------
        BadInput
            When the URL names no such database.
        EnvironmentFault
            When it cannot be opened, or a newer version of this project has made its tables.
        """
        database = cls(_checked(url))
        try:
            with database.reading() as connection:
                current = found_version(connection) == len(MIGRATIONS) + 1
            if not current:
                with database.writing() as connection:
                    upgrade(connection)
        except EnvironmentFault:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only looks."""
        with self._faults(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: wholly or, when an error leaves the block, not at all."""
        with self._faults(), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ImportError) as exc:
            cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig else exc
            reason = " ".join(str(cause).split())
            raise EnvironmentFault(f"the ledger {shown(self._url)} cannot be used: {reason}") from exc


def shown(url: URL) -> str:
    """A database's URL for people: without its passwords, wherever they stand."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *keep: str) -> None:
    """Insert rows, or replace what stands under their primary keys.

    Parameters
    ----------
    connection, table, rows
        Where and what; all rows have the same columns.
    *keep : str
        Columns that a row which is there already keeps.
    """
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in (*keys, *keep)}
    if changed:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, list(rows))


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        # The text is not repeated: it may hold a password.
        raise BadInput("the ledger's address is no SQLAlchemy URL, such as sqlite:///ledger.sqlite") from exc
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise BadInput(f"the ledger is an SQLite file or a PostgreSQL database, not {backend}:// without either")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        engine = create_engine(url, pool_pre_ping=True)
        event.listen(engine, "connect", _limit)
        return engine
    Path(url.database or "").absolute().parent.mkdir(parents=True, exist_ok=True)
    # Without a pool no connection is inherited by a child process or kept from being closed.
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _limit(connection: Any, record: Any) -> None:
    """Have PostgreSQL undo what a client began that is not heard of any more.

    The rows that a host has locked while its network was cut would stay so for hours.
    """
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_SILENT_SECONDS}s'")
    connection.commit()


def _configure(connection: Any, record: Any) -> None:
    """Set up a fresh SQLite connection; transactions are begun by `_begin` alone."""
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Have readers and the writer not wait for each other; the file remembers it."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # While another process writes, SQLite refuses this change at once, whatever its timeout.
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _begin(connection: Connection) -> None:
    # A transaction that starts by reading cannot wait for its turn to write: SQLite gives up at once.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
