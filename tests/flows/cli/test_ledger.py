"""`xtendflow ledger rebuild`: the tables again, from the store alone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.library import leases, schema
from tasks.library.ledger import Ledger
from tasks.library.recipe import Recipe

TABLES = (schema.datasets, schema.products, schema.attempts)
OBSID = "900001010"


@pytest.fixture
def owned(swept: Path) -> Path:
    """The place that a sweep has left, with its recipe."""
    (swept / "store/recipe.json").write_text(Recipe().model_dump_json())
    return swept


def url_of(data: Path) -> str:
    return f"sqlite:///{data}/ledger.sqlite"


def tables(url: str) -> dict[str, list[tuple]]:
    """Every row of the tables that the store is the truth about."""
    with contextlib.closing(Ledger.open(url)) as ledger, ledger.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in TABLES
        }


def forget(data: Path) -> None:
    for file in data.glob("ledger.sqlite*"):
        file.unlink()


def test_a_lost_ledger_is_made_again(xtendflow, owned):
    before = tables(url_of(owned))
    forget(owned)
    ended = xtendflow("ledger", "rebuild")
    assert (ended.status, ended.err) == (0, "")
    assert "datasets: 1, attempts: 2" in ended.out
    # The fixture has indexed the manifest last, which a sweep does not: only that moment differs.
    when = list(schema.datasets.c).index(schema.datasets.c.updated)
    after = tables(url_of(owned))
    for told in (before, after):
        told["datasets"] = [row[:when] + row[when + 1 :] for row in told["datasets"]]
    assert after == before
    known = json.loads(xtendflow("status", "--json").out)
    assert [item["obsid"] for item in known["failed"]] == ["900011010"]


def test_what_scripts_read(xtendflow, owned):
    ended = xtendflow("ledger", "rebuild", "--json")
    assert ended.status == 0
    assert json.loads(ended.out) == {"datasets": 1, "attempts": 2, "damaged": []}
    # What the store does not know is kept.
    assert json.loads(xtendflow("status", "--json").out)["sweeps"][0]["id"] == "night"


def test_what_is_damaged_is_named(xtendflow, owned):
    key = f"{OBSID}/attempts/[red]x.json"
    (owned / "store" / key).write_text("{")
    (owned / "store" / OBSID / "30000010/manifest.json").write_text("{")
    ended = xtendflow("ledger", "rebuild")
    assert ended.status == 1
    assert f"damaged: {key}\n" in ended.out
    assert f"damaged: {OBSID}/30000010/manifest.json\n" in ended.out
    told = json.loads(xtendflow("ledger", "rebuild", "--json").out)
    assert (told["datasets"], len(told["damaged"])) == (0, 2)


@pytest.mark.parametrize("words", [(), ("--store", "elsewhere"), ("--store", "s3://no")])
def test_an_empty_place_is_no_store(refused, here, words):
    assert "store" in refused("ledger", "rebuild", *words)
    assert list(here.iterdir()) == []


def test_a_wrong_store_leaves_the_ledger_alone(xtendflow, owned, here):
    before = tables(url_of(owned))
    (here / "elsewhere").mkdir()
    ended = xtendflow("ledger", "rebuild", "--store", "elsewhere")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert tables(url_of(owned)) == before
    with contextlib.closing(Ledger.open(url_of(owned))) as ledger:
        assert ledger.attempts(OBSID)


def test_it_is_refused_while_somebody_works(xtendflow, owned):
    with contextlib.closing(Ledger.open(url_of(owned))) as ledger:
        lease = leases.acquire(ledger, OBSID, "elsewhere:1", 600)
        before = tables(url_of(owned))
        ended = xtendflow("ledger", "rebuild")
        assert (ended.status, ended.out, ended.err.count("\n")) == (3, "", 1)
        assert "elsewhere:1" in ended.err
        assert tables(url_of(owned)) == before
        leases.release(ledger, lease)
        # A process of this host that is gone works no more.
        with subprocess.Popen([sys.executable, "-c", ""]) as gone:
            pass
        assert leases.acquire(ledger, OBSID, f"{socket.gethostname()}:{gone.pid}", 600)
        assert xtendflow("ledger", "rebuild").status == 0


def test_a_ledger_that_is_none_any_more(xtendflow, owned):
    (owned / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    ended = xtendflow("ledger", "rebuild")
    assert (ended.status, ended.err.count("\n")) == (3, 1)
    forget(owned)
    assert xtendflow("ledger", "rebuild").status == 0


def test_one_word_is_not_enough(refused):
    assert "Missing command" in refused("ledger")
    assert "nonsense" in refused("ledger", "nonsense")


FAINT, ENCRYPTED, TRUNCATED, EMPTY = "900004010", "900008010", "900011010", "900013010"
SOME = (FAINT, ENCRYPTED, TRUNCATED, EMPTY)
SMALL = """
[images]
bands = ['0.6-2']
binnings = [4]
[exposure]
binnings = [4]
[light_curves]
bands = ['0.6-2']
"""


@pytest.mark.system
@pytest.mark.postgresql
def test_after_sweeps_with_faults(place, postgresql, wait):
    """Done, failed twice, skipped, interrupted and killed: every row is the same again, in any database."""
    url = url_of(place.folder)
    recipe = place.folder.parent / "small.toml"
    recipe.write_text(SMALL)
    small = ("--recipe", str(recipe))
    for number in (signal.SIGINT, signal.SIGKILL):
        command = place.start(*place.words(FAINT), *small, start_new_session=True)
        wait(place.children, "work begins")
        if number == signal.SIGKILL:
            refused = place.run("ledger", "rebuild")
            assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
            for pid in place.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        command.send_signal(number)
        command.communicate()
        wait(lambda: not place.processes(), "nothing outlives the command")
    swept = [place.sweep(*SOME, more=small) for _ in range(2)]
    assert {item.status for item in swept} == {1}, swept[0].err
    before = tables(url)
    ends = {(item["standing"]["state"], item["standing"]["kind"]) for item in place.attempts()}
    assert ends >= {("done", None), ("failed", "transient"), ("failed", "permanent"), ("waiting", None)}
    assert {state for state, _ in ends} >= {"skipped"}
    forget(place.folder)
    for ledger in (url, postgresql):
        rebuilt = place.with_variables(XTENDFLOW_LEDGER=ledger).run("ledger", "rebuild", "--json")
        assert rebuilt.returncode == 0, rebuilt.stderr
        after = tables(ledger)
        for name, rows in before.items():
            assert after[name] == rows, name
            assert rows
    # The next sweep sees what it saw before: nothing that is done is run again.
    assert FAINT not in place.sweep(*SOME, more=small).begun


def test_a_host_tells_which_engines_it_has(xtendflow, here):
    ended = xtendflow("ledger", "register")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"{socket.gethostname()} has the engine native: ")
    told = json.loads(xtendflow("ledger", "register", "--json").out)
    assert told.keys() == {"native"}
    with contextlib.closing(Ledger.open(url_of(here / "sweep-data"))) as ledger:
        assert ledger.registered_versions("native") == (told["native"],)
        assert ledger.registered_versions("heasoft") == ()
