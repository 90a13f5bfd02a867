from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.errors import EnvironmentFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import write_attempt
from tasks.library.fingerprint import fingerprint
from tasks.library.ledger import REGISTERED_FOR
from tasks.library.publication import publish
from tasks.library.rows import Count, Sighting, SweepRow

OBSID, OTHER = ObsID("000128000"), ObsID("300049010")
DATACLASS = DataClass("30000010")
DONE = Standing(state=State.DONE)
WAITING = Standing(state=State.WAITING)
RUNNING = Standing(state=State.RUNNING)
START = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)


def failed(reason="the server answered 503", kind="transient"):
    return Standing(state=State.FAILED, kind=kind, reason=reason)


def sighting(obsid, standing=WAITING, **values):
    plain = {"name": "N132D", "catalogue": fingerprint("row"), "why": "new"}
    return Sighting(obsid=obsid, standing=standing, **plain | values)


@pytest.fixture
def published(directory_store, make, draft):
    made = [make("a.fits"), make("b.fits")]
    return publish(directory_store, None, draft(), made, lambda: None)


def test_an_empty_ledger(ledger):
    assert ledger.observations() == {}
    assert ledger.failed() == ledger.datasets() == ledger.sweeps() == ()
    assert ledger.products(OBSID) == ledger.attempts(OBSID) == ()
    assert ledger.counts("observations") == ledger.counts("datasets") == ()
    assert ledger.registered_versions("heasoft") == ()


def test_sightings_are_kept_and_replaced(ledger):
    ledger.note([])
    ledger.note([sighting(OTHER, name="M 82"), sighting(OBSID)])
    ledger.note([sighting(OBSID, DONE, catalogue="c", why="unchanged")])
    found = ledger.observations()
    assert list(found) == [OBSID, OTHER]
    assert all(type(obsid) is ObsID for obsid in found)
    row = found[OBSID]
    assert (row.name, row.catalogue, row.standing, row.why) == ("N132D", "c", DONE, "unchanged")
    assert (row.selection, row.basis, row.attempts) == (None, {}, 0)
    assert row.updated.tzinfo is not None
    assert found[OTHER].name == "M 82"


def test_a_standing_is_kept_with_its_reason(ledger):
    ledger.note([sighting(OBSID, failed()), sighting(OTHER, RUNNING)])
    found = ledger.observations()
    assert (found[OBSID].standing, found[OTHER].standing) == (failed(), RUNNING)
    assert [row.obsid for row in ledger.failed()] == [OBSID]


def test_an_attempt_says_where_everything_stands(ledger, attempt):
    ledger.note([sighting(OBSID)])
    one = attempt(standing=failed(), datasets={DATACLASS: failed("it is hot"), "31100010": DONE})
    ledger.record_attempt(one)
    assert ledger.attempts(OBSID) == (one,)
    row = ledger.observations()[OBSID]
    assert (row.standing, row.attempts, row.updated) == (failed(), 1, one.ended)
    assert (row.basis, row.selection) == (one.basis, one.selection)
    assert (row.name, row.why) == ("N132D", "new")
    assert {str(item.dataclass): item.standing for item in ledger.datasets(OBSID)} == {
        "30000010": failed("it is hot"),
        "31100010": DONE,
    }


def test_an_attempt_is_written_when_it_starts_and_when_it_ends(ledger, attempt):
    running = attempt(id="a", ended=None, standing=RUNNING, datasets={}, flow_run_id=None, sweep=None)
    ledger.record_attempt(running)
    assert ledger.attempts(OBSID) == (running,)
    assert (ledger.observations()[OBSID].standing, ledger.observations()[OBSID].attempts) == (RUNNING, 1)
    ended = attempt(id="a", tries=4)
    ledger.record_attempt(ended)
    assert ledger.attempts(OBSID) == (ended,)
    assert (ledger.observations()[OBSID].standing, ledger.observations()[OBSID].attempts) == (DONE, 0)


def test_attempts_at_the_same_thing_are_counted(ledger, attempt):
    """One that killed its process counts too: it never ended."""
    hour = timedelta(hours=1)
    for number in range(3):
        ledger.record_attempt(attempt(started=START + number * hour, ended=None, standing=RUNNING))
        assert ledger.observations()[OBSID].attempts == number + 1
    another = {"recipe": "changed", "catalogue": "b"}
    ledger.record_attempt(attempt(started=START + 4 * hour, ended=None, basis=another, standing=failed()))
    assert ledger.observations()[OBSID].attempts == 1
    assert [item.started for item in ledger.attempts(OBSID)] == [START + n * hour for n in (0, 1, 2, 4)]


def test_what_went_wrong_before_an_attempt_that_ended_well_is_over(ledger, attempt):
    ends = [failed()] * 4 + [DONE, failed(), failed()]
    counted = []
    for number, standing in enumerate(ends):
        began = START + timedelta(hours=number)
        ledger.record_attempt(attempt(started=began, ended=began, standing=standing))
        counted.append(ledger.observations()[OBSID].attempts)
    assert counted == [1, 2, 3, 4, 0, 1, 2]


def test_who_comes_back_late_does_not_speak_for_the_newer_attempt(ledger, attempt):
    later = attempt(
        started=START + timedelta(hours=1), ended=None, standing=RUNNING, datasets={DATACLASS: RUNNING}
    )
    late = attempt(ended=START + timedelta(hours=2), standing=failed("the lease was lost"))
    ledger.record_attempt(later)
    ledger.record_attempt(late)
    assert ledger.observations()[OBSID].standing == RUNNING
    assert ledger.datasets()[0].standing == RUNNING
    assert ledger.attempts(OBSID) == (late, later)


def test_a_manifest_is_indexed_in_place_of_the_former(ledger, published):
    ledger.record_manifest(published, RUNNING)
    (row,) = ledger.datasets(OBSID)
    assert (row.obsid, row.dataclass, row.standing) == (OBSID, DATACLASS, RUNNING)
    assert (row.recipe, row.engine, row.cautions) == ("0" * 64, "native", ())
    assert [(item.path, item.sha256, item.size) for item in ledger.products(OBSID)] == [
        (item.path, item.sha256, item.size) for item in published.products
    ]
    assert {(item.step, item.kind, item.role) for item in ledger.products(OBSID)} == {
        (item.step, item.kind, item.role) for item in published.products
    }
    fewer = published.model_copy(update={"products": published.products[:1]})
    ledger.record_manifest(fewer, DONE)
    assert len(ledger.products(OBSID)) == 1
    assert ledger.datasets()[0].manifest != row.manifest
    assert ledger.datasets()[0].standing == DONE


def test_the_products_of_other_datasets_stay(ledger, published):
    other = published.model_copy(update={"dataclass": DataClass("31100010")})
    ledger.record_manifest(other, DONE)
    ledger.record_manifest(published.model_copy(update={"products": ()}), DONE)
    assert {item.dataclass for item in ledger.products(OBSID)} == {"31100010"}
    assert len(ledger.datasets()) == 2


def test_cautions_are_kept_once_wherever_they_stand(ledger, published):
    from tasks.xtend.cautions import caution

    one = (caution("a", "Mind this."),)
    products = tuple(item.model_copy(update={"cautions": one}) for item in published.products)
    steps = {step: record.model_copy(update={"cautions": one}) for step, record in published.steps.items()}
    told = published.model_copy(update={"cautions": one, "products": products, "steps": steps})
    ledger.record_manifest(told, DONE)
    assert ledger.datasets()[0].cautions == one


def test_counts_for_the_status(ledger, attempt):
    skipped = Standing(state=State.SKIPPED, kind="not-public", reason="not released yet")
    numbers = range(300000000, 300000005)
    standings = [DONE, skipped, failed(), skipped, failed("no room")]
    ledger.note([sighting(ObsID(str(n)), standing) for n, standing in zip(numbers, standings, strict=True)])
    found = ledger.counts("observations")
    assert found[0] == Count(skipped, 2)
    assert set(found) == {Count(skipped, 2), Count(DONE, 1), Count(failed(), 1), Count(failed("no room"), 1)}
    ledger.record_attempt(attempt())
    assert ledger.counts("datasets") == (Count(DONE, 1),)


def test_hosts_say_which_versions_they_have(ledger):
    ledger.register_versions("one", "heasoft", {"heasoft": "6.9"})
    ledger.register_versions("other", "heasoft", {"heasoft": "6.36"})
    ledger.register_versions("other", "native", {"native": "1"})
    assert ledger.registered_versions("heasoft") == ({"heasoft": "6.9"}, {"heasoft": "6.36"})
    ledger.register_versions("other", "heasoft", {"heasoft": "6.37"})
    assert ledger.registered_versions("heasoft") == ({"heasoft": "6.9"}, {"heasoft": "6.37"})


def test_a_host_that_has_long_been_silent_does_not_count(ledger, monkeypatch):
    ledger.register_versions("gone", "heasoft", {"heasoft": "6.38"})
    later = datetime.now(UTC) + REGISTERED_FOR
    monkeypatch.setattr("tasks.library.ledger.now", lambda: later)
    ledger.register_versions("here", "heasoft", {"heasoft": "6.36"})
    assert ledger.registered_versions("heasoft") == ({"heasoft": "6.36"},)


def test_a_sweep_is_written_when_it_starts_and_when_it_ends(ledger):
    started = SweepRow("night-2", START, None, "standard", {})
    ledger.record_sweep(started)
    ledger.record_sweep(SweepRow("night-1", START - timedelta(days=1), START, "standard", {"done": 3}))
    assert [sweep.id for sweep in ledger.sweeps()] == ["night-1", "night-2"]
    assert ledger.sweeps()[1] == started
    ended = SweepRow("night-2", START, START + timedelta(hours=1), "standard", {"done": 6, "failed": 1})
    ledger.record_sweep(ended)
    assert ledger.sweeps()[1] == ended


def test_a_rebuild_gives_the_same(ledger, directory_store, published, make, draft, attempt):
    two = publish(directory_store, None, draft(dataclass="31100010"), [make("a.fits")], lambda: None)
    ledger.note([sighting(OBSID), sighting(OTHER)])
    running = attempt(id="b", started=START + timedelta(hours=1), ended=None, standing=RUNNING, datasets={})
    ended = attempt(
        id="b",
        started=START + timedelta(hours=1),
        ended=START + timedelta(hours=2),
        standing=failed(),
        datasets={DATACLASS: DONE, "31100010": failed()},
    )
    for record in (
        attempt(id="a"),
        running,
        ended,
        attempt(obsid=OTHER, standing=failed("gone"), datasets={}),
    ):
        ledger.record_attempt(record)
        write_attempt(directory_store, record)
        for manifest in (published, two):
            if record is running:
                ledger.record_manifest(manifest, RUNNING)

    def everything():
        return (
            ledger.observations(),
            ledger.datasets(),
            [ledger.products(obsid) for obsid in (OBSID, OTHER)],
            [ledger.attempts(obsid) for obsid in (OBSID, OTHER)],
        )

    before = everything()
    found = ledger.rebuild(directory_store)
    assert (found.datasets, found.attempts, found.damaged) == (2, 3, ())
    assert everything() == before


def test_a_rebuild_of_a_new_ledger_forgets_nothing_and_names_what_is_damaged(
    ledger, directory_store, published, attempt
):
    ledger.record_attempt(attempt(id="never-written-to-the-store"))
    write_attempt(directory_store, attempt(id="a", obsid=OTHER, datasets={}))
    directory_store.replace(f"{OBSID}/attempts/x.json", b"{")
    directory_store.replace(f"{OBSID}/attempts/y.json", attempt(id="a").model_dump_json().encode())
    directory_store.replace(f"{OBSID}/31100010/manifest.json", b"{")
    found = ledger.rebuild(directory_store)
    assert found.damaged == tuple(
        f"{OBSID}/{key}" for key in ("31100010/manifest.json", "attempts/x.json", "attempts/y.json")
    )
    assert ledger.attempts(OBSID) == ()
    (dataset,) = ledger.datasets()
    assert dataset.standing.state == State.WAITING
    assert dataset.manifest == fingerprint(published.model_dump(mode="json", by_alias=True))


def test_a_rebuild_lets_nobody_speak_who_came_back_late(ledger, directory_store, attempt):
    hour = timedelta(hours=1)
    later = attempt(started=START + hour, ended=START + 2 * hour)
    late = attempt(ended=START + 3 * hour, standing=failed("late"), datasets={"31100010": failed("late")})
    for record in (later, late):
        ledger.record_attempt(record)
        write_attempt(directory_store, record)
    before = ledger.datasets(), ledger.observations()
    assert [item.dataclass for item in ledger.datasets()] == [DATACLASS]
    ledger.rebuild(directory_store)
    assert (ledger.datasets(), ledger.observations()) == before


def test_a_rebuild_that_fails_leaves_the_ledger_as_it_was(ledger, directory_store, attempt):
    one = attempt()
    ledger.record_attempt(one)
    directory_store.replace(f"{OBSID}/{DATACLASS}/manifest.json", b'{"schema": 99}')
    with pytest.raises(EnvironmentFault, match="schema 99"):
        ledger.rebuild(directory_store)
    assert ledger.attempts(OBSID) == (one,)


def test_ten_thousand_observations_come_whole(ledger):
    obsids = [ObsID(f"{n:09}") for n in range(10_000)]
    ledger.note([sighting(obsid) for obsid in obsids])
    found = ledger.observations()
    assert list(found) == obsids
    assert found[obsids[-1]].standing == WAITING
