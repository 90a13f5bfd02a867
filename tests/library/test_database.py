import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import Column, Integer, Table, insert, inspect, select, text, update

from tasks.core.errors import BadInput, EnvironmentFault
from tasks.core.identifiers import ObsID
from tasks.library import schema
from tasks.library.database import Database, upsert
from tasks.library.entries import new_observation, now
from tasks.library.ledger import Ledger
from tasks.library.schema import METADATA, MIGRATIONS, schema_version, upgrade, versions

NEWEST = len(MIGRATIONS) + 1


def test_opening_twice_finds_the_same(ledger_url):
    for number in range(2):
        database = Database.open(ledger_url)
        with database.writing() as connection:
            assert connection.scalar(select(schema_version.c.version)) == NEWEST
            assert len(connection.execute(select(schema_version)).all()) == 1
            connection.execute(insert(schema.leases).values(name=f"{number}", holder="", fence=0, expires=0))
        database.close()
    with closing(Database.open(ledger_url)) as database, database.reading() as connection:
        assert connection.scalars(select(schema.leases.c.name).order_by("name")).all() == ["0", "1"]


def test_a_fresh_ledger_has_every_table(ledger):
    with ledger.reading() as connection:
        assert set(inspect(connection).get_table_names()) == set(METADATA.tables)


def test_an_older_ledger_is_upgraded_step_by_step(ledger):
    def add_colour(connection):
        connection.execute(text("ALTER TABLE leases ADD COLUMN colour TEXT"))

    def paint(connection):
        connection.execute(text("UPDATE leases SET colour = 'red'"))

    with ledger.writing() as connection:
        connection.execute(insert(schema.leases).values(name="n", holder="", fence=7, expires=0))
    for _ in range(2):
        with ledger.writing() as connection:
            upgrade(connection, (*MIGRATIONS, add_colour, paint))
    with ledger.reading() as connection:
        assert connection.scalar(select(schema_version.c.version)) == NEWEST + 2
        assert connection.execute(text("SELECT fence, colour FROM leases")).one() == (7, "red")


def test_the_first_ledgers_open_after_an_upgrade(ledger, ledger_url):
    added = {
        "observations": ("listing", "looked", "step", "since"),
        "datasets": ("step", "size"),
        "attempts": ("listing", "step"),
        "sweeps": ("holder", "flow_run_id"),
    }
    row = {**new_observation(ObsID("000128000"), now()), "name": "N132D"}
    with ledger.writing() as connection:
        connection.execute(insert(schema.observations).values(row))
        for table, columns in added.items():
            for column in columns:
                connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        schema.steps.drop(connection)
        connection.execute(update(schema_version).values(version=1))
    with closing(Ledger.open(ledger_url)) as opened:
        (known,) = opened.observations().values()
        assert (known.name, known.listing, known.looked) == ("N132D", None, None)
        assert (known.since, known.standing.step) == (row["updated"], None)
        opened.note_listings({known.obsid: "f" * 64}, row["updated"])
        (known,) = opened.observations().values()
        assert (known.listing, known.looked) == ("f" * 64, row["updated"])
    with ledger.reading() as connection:
        columns = {
            name: [column["name"] for column in inspect(connection).get_columns(name)] for name in added
        }
        assert all(set(names) <= set(columns[name]) for name, names in added.items())


def test_a_failed_upgrade_changes_nothing(ledger):
    def half(connection):
        connection.execute(text("ALTER TABLE leases ADD COLUMN colour TEXT"))
        connection.execute(text("UPDATE nothing SET colour = 'red'"))

    with pytest.raises(EnvironmentFault, match="nothing"), ledger.writing() as connection:
        upgrade(connection, (*MIGRATIONS, half))
    with ledger.reading() as connection:
        assert connection.scalar(select(schema_version.c.version)) == NEWEST
        assert "colour" not in {column["name"] for column in inspect(connection).get_columns("leases")}


def test_a_newer_ledger_is_refused(ledger, ledger_url):
    with ledger.writing() as connection:
        connection.execute(update(schema_version).values(version=99))
    with pytest.raises(
        EnvironmentFault, match=rf"schema 99 and this version knows {NEWEST}: upgrade xtendflow"
    ):
        Database.open(ledger_url)


def test_an_error_undoes_the_whole_transaction(ledger):
    def fail_half_way():
        with ledger.writing() as connection:
            connection.execute(insert(schema.leases).values(name="n", holder="", fence=0, expires=0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with ledger.reading() as connection:
        assert connection.execute(select(schema.leases)).all() == []


def test_upsert_replaces_and_keeps(ledger):
    row = {"host": "h", "engine": "native", "versions": {"a": "1"}, "seen": None}
    with pytest.raises(EnvironmentFault), ledger.writing() as connection:
        upsert(connection, versions, [row])
    with ledger.writing() as connection:
        upsert(connection, schema.leases, [])
        upsert(connection, schema.leases, [{"name": "n", "holder": "a", "fence": 1, "expires": 1.0}])
        upsert(connection, schema.leases, [{"name": "n", "holder": "b", "fence": 2, "expires": 2.0}], "fence")
        assert connection.execute(select(schema.leases)).one() == ("n", "b", 1, 2.0)


def test_writers_wait_for_each_other(ledger_url):
    """Each reads and then adds one; none may be lost, and none may fail because another is at work."""
    Database.open(ledger_url).close()
    counter = schema.leases
    with closing(Database.open(ledger_url)) as database, database.writing() as connection:
        connection.execute(insert(counter).values(name="n", holder="", fence=0, expires=0))
    failures = []

    def add():
        database = Database.open(ledger_url)
        try:
            for _ in range(20):
                with database.writing() as connection:
                    mine = select(counter.c.fence).where(counter.c.name == "n").with_for_update()
                    connection.execute(update(counter).values(fence=connection.scalar(mine) + 1))
        except EnvironmentFault as exc:
            failures.append(exc)
        finally:
            database.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with closing(Database.open(ledger_url)) as database, database.reading() as connection:
        assert connection.scalar(select(counter.c.fence)) == 80


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.sqlite",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://u:secret@h/d",
        "postgresql+nonsense",
        "://",
    ],
)
def test_a_ledger_that_cannot_be_meant(url):
    with pytest.raises(BadInput) as caught:
        Database.open(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


class TestSQLite:
    def test_no_connection_stays_open(self, tmp_path):
        database = Database.open(f"sqlite:///{tmp_path}/deep/er/ledger.sqlite")
        with database.reading():
            pass
        assert not list(tmp_path.glob("deep/er/*-wal"))  # the last connection takes it away

    def test_it_writes_ahead_and_knows_foreign_keys(self, tmp_path):
        database = Database.open(f"sqlite:///{tmp_path}/ledger.sqlite")
        with database.reading() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
            assert connection.scalar(text("PRAGMA foreign_keys")) == 1
            assert connection.scalar(text("PRAGMA busy_timeout")) == 30000

    def test_what_is_no_database(self, tmp_path):
        path = tmp_path / "ledger.sqlite"
        path.write_bytes(b"hello " * 1000)
        with pytest.raises(EnvironmentFault, match=r"ledger.sqlite cannot be used: file is not a database"):
            Database.open(f"sqlite:///{path}")

    @pytest.mark.parametrize("below", ["", "/x/ledger.sqlite"])
    def test_where_no_database_can_be(self, tmp_path, below):
        (tmp_path / "file").write_text("")
        target = tmp_path if not below else f"{tmp_path}/file{below}"
        with pytest.raises(EnvironmentFault, match="cannot be used"):
            Database.open(f"sqlite:///{target}")

    def test_a_lock_that_is_never_given_back(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tasks.library.database._BUSY_SECONDS", 0.1)
        path = tmp_path / "ledger.sqlite"
        database = Database.open(f"sqlite:///{path}")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentFault, match="database is locked"), database.writing():
            pass
        with database.reading() as connection:
            assert connection.scalar(select(schema_version.c.version)) == NEWEST
        other.close()

    def test_opening_waits_for_who_is_writing_to_a_file_that_does_not_write_ahead_yet(self, tmp_path):
        """SQLite itself gives up at once here, however long its timeout."""
        path = tmp_path / "ledger.sqlite"
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("CREATE TABLE stars (n)")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO stars VALUES (1)")
        commit = threading.Timer(0.3, other.execute, ["COMMIT"])
        commit.start()
        database = Database.open(f"sqlite:///{path}")
        commit.join()
        other.close()
        with database.reading() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"

    def test_opening_does_not_wait_for_ever(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tasks.library.database._BUSY_SECONDS", 0.1)
        path = tmp_path / "ledger.sqlite"
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EnvironmentFault, match="database is locked"):
            Database.open(f"sqlite:///{path}")
        other.close()

    def test_a_table_of_somebody_else_is_left_alone(self, tmp_path):
        from sqlalchemy import MetaData, create_engine

        url = f"sqlite:///{tmp_path}/ledger.sqlite"
        theirs = Table("stars", MetaData(), Column("n", Integer))
        engine = create_engine(url)
        theirs.metadata.create_all(engine)
        engine.dispose()
        with closing(Database.open(url)) as database, database.reading() as connection:
            assert inspect(connection).has_table("stars")


class TestPostgreSQL:
    @pytest.mark.parametrize("url", ["me:secret@127.0.0.1:1/x", "me@127.0.0.1:1/x?password=secret"])
    def test_an_unreachable_server_is_named_without_its_password(self, url):
        with pytest.raises(EnvironmentFault) as caught:
            Database.open(f"postgresql://{url}")
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)

    @pytest.mark.system
    @pytest.mark.postgresql
    def test_a_connection_that_was_cut_is_made_again(self, postgresql):
        import psycopg

        database = Database.open(postgresql)
        with psycopg.connect(postgresql, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
        with database.reading() as connection:
            assert connection.scalar(select(schema_version.c.version)) == NEWEST
        database.close()

    @pytest.mark.system
    @pytest.mark.postgresql
    def test_who_falls_silent_while_writing_does_not_keep_others_waiting(self, postgresql, monkeypatch):
        monkeypatch.setattr("tasks.library.database._SILENT_SECONDS", 1)
        change = update(schema_version).values(version=NEWEST)
        with closing(Database.open(postgresql)) as cut_off, closing(Database.open(postgresql)) as other:

            def fall_silent():
                with cut_off.writing() as connection:
                    connection.execute(change)
                    with other.writing() as waiting:
                        waiting.execute(text("SET LOCAL lock_timeout = '60s'"))
                        waiting.execute(change)

            with pytest.raises(EnvironmentFault, match="idle-in-transaction timeout"):
                fall_silent()
