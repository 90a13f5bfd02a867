from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.progress import listening
from tasks.core.state import Standing
from tasks.library.attempts import Attempt
from tasks.library.ledger import Ledger
from tasks.library.manifest import Manifest
from tasks.library.publication import manifest_bytes
from tasks.library.rows import Sighting, SweepRow
from tasks.library.store import open_store
from tasks.report import site
from tasks.report.site import Updated, page_key, plan, update, write
from tasks.report.site_catalogue import Facts, remember_facts
from tasks.report.site_known import known

ONE, TWO, THREE = ObsID("900000010"), ObsID("900000020"), ObsID("900000030")
FULL, WINDOW = DataClass("30000010"), DataClass("31100010")
DONE = Standing(state="done")
BAD = Standing(state="failed", kind="permanent", reason="it is cut off")
BEGAN = datetime(2026, 11, 21, 5, tzinfo=UTC)


class Place:
    """A store and a ledger with three observations: done, failed without a dataset, not public."""

    def __init__(self, folder):
        self.store = open_store(str(folder / "store"))
        self.ledger = Ledger.open(f"sqlite:///{folder / 'ledger.sqlite'}")
        hidden = Standing(state="skipped", kind="not-public", reason="until 2027")
        self.ledger.note(
            [
                Sighting(ONE, "M 87", "1" * 64, DONE, "new"),
                Sighting(TWO, "Cen A", "2" * 64, BAD, "new"),
                Sighting(THREE, "NGC 1", "3" * 64, hidden, "until 2027"),
            ]
        )
        self.publish(FULL)
        self.attempt(ONE, DONE, {FULL: DONE})
        self.attempt(TWO, BAD, {})

    def publish(self, dataclass, **changes):
        manifest = Manifest(obsid=ONE, dataclass=dataclass, recipe="standard", **changes)
        self.store.replace(f"{ONE}/{dataclass}/manifest.json", manifest_bytes(manifest))
        self.ledger.record_manifest(manifest, DONE)

    def attempt(self, obsid, standing, datasets, minutes=0):
        began = BEGAN + timedelta(minutes=minutes)
        self.ledger.record_attempt(
            Attempt(
                id=f"{obsid}-{minutes}", obsid=obsid, started=began, ended=began + timedelta(seconds=9),
                host="host:1", engine="native", standing=standing, datasets=datasets,
            )
        )  # fmt: skip

    def page(self, obsid=None):
        key = page_key(obsid) if obsid else site.INDEX
        return self.store.read(key).decode()


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.ledger.close()


@pytest.fixture
def written(place, monkeypatch):
    """The keys that are written from now on."""
    keys, put = [], place.store.replace
    monkeypatch.setattr(place.store, "replace", lambda key, content: (keys.append(key), put(key, content))[1])
    return keys


def test_every_observation_gets_a_page_and_the_index_a_line(place):
    place.store.replace(f"report/{TWO}/log.txt", "what was said last ä".encode())
    assert update(place.store, place.ledger) == Updated(made=4, kept=0)
    index = place.page()
    assert [obsid in index for obsid in (ONE, TWO, THREE)] == [True] * 3
    assert index.index(f"{TWO}/index.html") < index.index(f"{ONE}/index.html")
    assert "it is cut off" in place.page(TWO)
    assert "what was said last ä" in place.page(TWO)
    assert "until 2027" in place.page(THREE)
    assert f"{FULL}/index.html" in place.page(ONE)


def test_nothing_new_writes_nothing(place, written):
    update(place.store, place.ledger)
    written.clear()
    assert update(place.store, place.ledger) == Updated(made=0, kept=4)
    assert written == []


@pytest.mark.parametrize(
    ("change", "pages", "index"),
    [
        (
            lambda place: place.publish(FULL, inputs=({"name": "a", "size": 1, "sha256": "0" * 64},)),
            [ONE],
            False,
        ),
        (lambda place: place.attempt(TWO, DONE, {}, 5), [TWO], True),
        (lambda place: place.attempt(ONE, BAD, {FULL: BAD}, 5), [ONE], True),
        (lambda place: remember_facts(place.store, {TWO: Facts(status="archived")}), [TWO], False),
        (lambda place: remember_facts(place.store, {TWO: Facts(exposure=5e3)}), [TWO], True),
        (lambda place: place.ledger.note([Sighting(TWO, "NGC 5128", "2" * 64, BAD, "new")]), [TWO], True),
        (lambda place: place.ledger.record_sweep(SweepRow("s", BEGAN, BEGAN, "standard", {})), [], True),
    ],
    ids=["manifest", "attempt", "standing", "status", "exposure", "name", "sweep"],
)
def test_only_what_has_changed_is_written(place, written, change, pages, index):
    update(place.store, place.ledger)
    change(place)
    written.clear()
    found = update(place.store, place.ledger)
    expected = {page_key(obsid) for obsid in pages} | ({site.INDEX} if index else set())
    assert {key for key in written if key.endswith(".html")} == expected
    assert found == Updated(len(expected), 4 - len(expected))


def test_seeing_an_observation_again_changes_no_page(place):
    update(place.store, place.ledger)
    place.ledger.note([Sighting(TWO, "Cen A", "2" * 64, BAD, "new")])
    assert update(place.store, place.ledger).made == 0


def test_pages_that_are_gone_are_found_missing_on_asking(place):
    update(place.store, place.ledger)
    place.store.delete([page_key(TWO), site.INDEX])
    assert update(place.store, place.ledger).made == 0
    assert write(place.store, place.ledger, plan(place.store, place.ledger, verify=True)).made == 2
    assert place.page(TWO)
    assert place.page()


def test_another_look_makes_every_page_again(place, monkeypatch):
    update(place.store, place.ledger)
    monkeypatch.setattr(site, "look", lambda: "another")
    assert update(place.store, place.ledger) == Updated(made=3, kept=1)


def test_what_pages_were_made_from_may_be_unreadable(place):
    update(place.store, place.ledger)
    place.store.replace("report/site.json", b"{")
    assert update(place.store, place.ledger).made == 4


def test_progress_is_told(place):
    told = []
    with listening(told.append):
        update(place.store, place.ledger)
    assert [(item.done, item.total) for item in told] == [(1, 3), (2, 3), (3, 3)]


def test_pages_link_only_to_each_other_and_into_the_store(place, parse):
    place.publish(WINDOW)
    update(place.store, place.ledger)
    for text in (place.page(), place.page(ONE), place.page(TWO)):
        links = [link for link in parse(text).links if not link.startswith("#")]
        assert links
        assert not [link for link in links if ":" in link or link.startswith("/")]


def test_the_name_is_the_catalogues_where_the_ledger_has_none(place):
    place.ledger.note([Sighting(ONE, "", "1" * 64, DONE, "new")])
    remember_facts(place.store, {ONE: Facts(name="Messier 87")})
    assert known(place.store, place.ledger)[0].target == "Messier 87"
    assert known(place.store, place.ledger)[0].results[0].target == "Messier 87"


def test_a_digest_knows_an_attempt_that_has_ended(observed):
    item = observed()
    begun = replace(item, tried=replace(item.tried, began=1, last_began=BEGAN))
    ended = replace(begun, tried=replace(begun.tried, ended=1, last_ended=BEGAN))
    assert len({each.digest() for each in (item, begun, ended)}) == 3
