"""What a sweep runs, and why: a table of causes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.archive.catalogue.interface import Observation
from tasks.archive.selection import (
    UNCHANGED,
    Cause,
    Choice,
    Rules,
    Selection,
    basis,
    due,
    has_changed,
    narrowed,
    select,
    with_listings,
)
from tasks.core.errors import GaveUp, NoData, NotPublic, Permanent, Proprietary, SoftwareFault, Transient
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.fingerprint import fingerprint
from tasks.library.orders import STEP_VERSIONS
from tasks.library.recipe import Recipe, Source
from tasks.library.rows import ObservationRow

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY_MJD = 61365.0 + 5.5 / 24
VERSIONS = {"native": "1"}
RECIPE = Recipe()
DONE, WAITING, RUNNING = (Standing(state=state) for state in (State.DONE, State.WAITING, State.RUNNING))
OBSID = ObsID("000128000")


def observation(**changes: Any) -> Observation:
    plain = {
        "obsid": "000128000",
        "name": "N132D",
        "start_mjd": 60300.0,
        "exposure": 50000.0,
        "status": "archived",
        "public_date": 60700.0,
    }
    return Observation.model_validate(plain | changes)


def row(**changes: Any) -> ObservationRow:
    """The ledger's row after an attempt at exactly this."""
    known = basis(observation(obsid=changes.get("obsid", OBSID)), RECIPE, VERSIONS)
    plain = {
        "obsid": ObsID("000128000"),
        "name": "N132D",
        "catalogue": observation().fingerprint,
        "selection": fingerprint(known),
        "basis": known,
        "standing": DONE,
        "attempts": 0,
        "why": "new",
        "listing": "a" * 64,
        "looked": NOW - timedelta(hours=24),
        "updated": NOW - timedelta(hours=24),
        "since": NOW - timedelta(hours=24),
    }
    return ObservationRow(**plain | changes)


def selected(known: ObservationRow | None, seen: Observation | None = None, **changes: Any) -> Selection:
    seen = seen or observation()
    values: dict[str, Any] = {
        "recipe": RECIPE,
        "versions": VERSIONS,
        "damaged": (),
        "asked": (),
        "now": NOW,
        "max_attempts": 5,
    }
    return select([seen], {known.obsid: known} if known else {}, **values | changes)


def choose(
    known: ObservationRow | None, seen: Observation | None = None, **changes: Any
) -> tuple[bool, Choice]:
    """Whether it is run, and the choice."""
    found = selected(known, seen, **changes)
    [choice] = (*found.chosen, *found.left)
    assert (choice.cause is not None) == bool(found.chosen)
    return bool(found.chosen), choice


@pytest.mark.parametrize(
    ("known", "cause", "why"),
    [
        (None, Cause.NEW, "new"),
        (row(selection=None, basis={}, standing=WAITING), Cause.NEW, "new"),
        (row(selection=None, basis={}, standing=Standing.of(NotPublic("x"))), Cause.NEW, "new"),
        (row(standing=Standing.of(NotPublic("x"))), Cause.NEW, "released"),
        (row(standing=WAITING), Cause.FAILED, "interrupted before"),
        (row(standing=RUNNING, attempts=4), Cause.FAILED, "interrupted before"),
        (
            row(standing=Standing.of(Transient("x")), attempts=1),
            Cause.FAILED,
            "failed before (transient), 1 of 5 attempts",
        ),
        (
            row(standing=Standing.of(SoftwareFault("x")), attempts=4),
            Cause.FAILED,
            "failed before (software), 4 of 5 attempts",
        ),
        (
            row(standing=Standing.of(GaveUp("x")), attempts=2),
            Cause.FAILED,
            "failed before (gave-up), 2 of 5 attempts",
        ),
        (row(basis=row().basis | {"recipe": "0" * 64}), Cause.STALE, "changed: recipe"),
        (row(basis=row().basis | {"steps": "0" * 64}), Cause.STALE, "changed: steps"),
        (row(basis=row().basis | {"catalogue row": "0" * 64}), Cause.STALE, "changed: catalogue row"),
        (row(basis=row().basis | {"version of native": "0"}), Cause.STALE, "changed: version of native"),
        (row(basis=row().basis | {"version of CALDB": "1"}), Cause.STALE, "changed: version of CALDB"),
        (row(basis={}), Cause.STALE, "changed: catalogue row, recipe, steps, version of native"),
        (
            row(standing=Standing.of(Permanent("x")), basis=row().basis | {"recipe": "0" * 64}),
            Cause.STALE,
            "changed: recipe",
        ),
        (
            row(standing=Standing.of(GaveUp("x")), attempts=9, basis=row().basis | {"steps": "0" * 64}),
            Cause.STALE,
            "changed: steps",
        ),
    ],
)
def test_what_is_run_says_why(known, cause, why):
    run, choice = choose(known)
    assert (run, choice.cause, choice.why, choice.standing) == (True, cause, why, WAITING)


@pytest.mark.parametrize(
    "known",
    [
        row(),
        row(updated=NOW - timedelta(days=400)),
        row(attempts=99),
        row(standing=Standing.of(NoData("x"))),
        row(standing=Standing.of(Proprietary("x"))),
    ],
)
def test_what_is_settled_is_left(known):
    run, choice = choose(known)
    assert (run, choice.why, choice.standing) == (False, UNCHANGED, known.standing)


def test_what_failed_for_good_is_left_until_something_changes():
    known = row(standing=Standing.of(Permanent("cut off")), attempts=1)
    run, choice = choose(known)
    assert (run, choice.why) == (False, "failed for good: the data are at fault")
    assert choice.standing == known.standing


@pytest.mark.parametrize(
    ("standing", "last"),
    [
        (Standing.of(Transient("503")), "503"),
        (Standing.of(SoftwareFault("it broke")), "it broke"),
        (RUNNING, "its process was killed"),
        (WAITING, "its process was killed"),
    ],
)
def test_what_was_tried_often_enough_is_given_up(standing, last):
    run, choice = choose(row(standing=standing, attempts=5))
    assert (run, choice.why) == (False, "given up after 5 attempts")
    assert str(choice.standing) == "failed(gave-up)"
    assert choice.standing.reason == f"given up after 5 attempts, the last of which: {last}"
    # The reason does not grow from sweep to sweep, and more patience revives it.
    again = row(standing=choice.standing, attempts=5)
    assert choose(again)[1].standing == choice.standing
    run, choice = choose(again, max_attempts=6)
    assert (run, choice.cause) == (True, Cause.FAILED)


@pytest.mark.parametrize(
    "known",
    [
        row(standing=Standing.of(Permanent("x"))),
        row(standing=Standing.of(NoData("x"))),
        row(standing=Standing.of(GaveUp("x")), attempts=7),
    ],
)
def test_who_asks_for_an_observation_gets_it(known):
    run, choice = choose(known, asked={OBSID})
    assert (run, choice.cause, choice.why) == (True, Cause.ASKED, "asked for")
    assert choose(known, asked={ObsID("000000001")})[0] is False


def test_the_reason_to_run_it_goes_before_the_asking():
    assert choose(None, asked={OBSID})[1].why == "new"
    hidden = choose(row(), observation(public_date=TODAY_MJD + 1), asked={OBSID})
    assert hidden[0] is False


def test_what_is_done_and_asked_for_is_looked_at_first():
    assert choose(row(), asked={OBSID})[0] is False
    assert due(selected(row()), {OBSID: row()}, {OBSID}, NOW, 7 * DAY) == (OBSID,)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seen": observation(exposure=60000.0)}, "changed: catalogue row"),
        ({"seen": observation(dataclasses=("30000010",))}, "changed: catalogue row"),
        ({"recipe": Recipe.model_validate({"spectra": {"grouping": ("min:25",)}})}, "changed: recipe"),
        ({"recipe": Recipe(name="other")}, "changed: recipe"),
        ({"versions": {"native": "2"}}, "changed: version of native"),
        ({"versions": {"heasoft": "6.36"}}, "changed: version of heasoft, version of native"),
        ({"damaged": {"000128000"}}, "published files are missing"),
    ],
)
def test_a_change_outside_is_a_reason(change, why):
    run, choice = choose(row(), **change)
    assert (run, choice.why) == (True, why)


def test_another_region_file_in_the_recipe_s_folder_is_a_reason(tmp_path):
    recipe = RECIPE.model_copy(update={"source": Source(region_folder=str(tmp_path))})
    before = basis(observation(), recipe, VERSIONS)
    (tmp_path / "notes.txt").write_text("no region")
    assert basis(observation(), recipe, VERSIONS) == before
    (tmp_path / f"{OBSID}_src.reg").write_text("physical\ncircle(1,2,3)\n")
    after = basis(observation(), recipe, VERSIONS)
    assert {key for key in after if after[key] != before[key]} == {"given regions"}
    assert "given regions" not in basis(observation(), RECIPE, VERSIONS)


def test_a_new_version_of_a_step_is_a_reason(monkeypatch):
    known = row()
    for step in STEP_VERSIONS:
        with monkeypatch.context() as changed:
            changed.setitem(STEP_VERSIONS, step, 99)
            assert choose(known)[1].why == "changed: steps"
    assert choose(known)[1].why == UNCHANGED


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"public_date": None}, "not public: the catalogue has no release date"),
        ({"public_date": 0.0}, "not public: the catalogue has no release date"),
        ({"public_date": 88068.0}, "not public: the catalogue has no release date"),
        ({"public_date": TODAY_MJD + 0.1}, "not public until 2026-11-21"),
        ({"start_mjd": 70000.0, "public_date": 60000.0}, "not observed yet: the catalogue plans it for "),
        ({"exposure": 0.0, "status": "accepted", "public_date": 60000.0}, "not observed yet: .*'accepted'"),
    ],
)
@pytest.mark.parametrize("known", [None, row(), row(standing=Standing.of(Permanent("x")))])
def test_what_is_not_public_is_never_run(seen, reason, known):
    run, choice = choose(known, observation(**seen), damaged={"000128000"})
    assert not run
    assert str(choice.standing) == "skipped(not-public)"
    assert choice.standing.reason == choice.why
    assert re.match(reason, choice.why)


def test_a_release_counts_from_its_moment():
    assert not choose(None, observation(public_date=TODAY_MJD + 1e-4))[0]
    assert choose(None, observation(public_date=TODAY_MJD - 1e-4))[0]
    # What is archived is public by its date alone.
    assert choose(None, observation(exposure=0.0, status="Archived"))[0]


def test_everything_found_is_either_run_or_left():
    seen = [
        observation(obsid=f"{number:09d}", public_date=60700.0 if number % 2 else 0) for number in range(9)
    ]
    found = select(seen, {}, RECIPE, VERSIONS, (), (), NOW, 5)
    assert [choice.observation for choice in found.chosen] == seen[1::2]
    assert [choice.observation for choice in found.left] == seen[::2]


def test_what_the_ledger_keeps_of_a_choice():
    _, choice = choose(None)
    sighting = choice.sighting
    assert (sighting.obsid, sighting.name, sighting.why) == ("000128000", "N132D", "new")
    assert (sighting.catalogue, sighting.standing) == (observation().fingerprint, WAITING)


@pytest.mark.parametrize(
    ("known", "looked_at"),
    [
        (row(), False),
        (row(looked=NOW - 7 * DAY), True),
        (row(looked=NOW - 7 * DAY + timedelta(seconds=1)), False),
        (row(looked=None), True),
        (row(looked=None, standing=Standing.of(NoData("x"))), True),
        (row(looked=None, standing=Standing.of(Permanent("x"))), True),
        (row(looked=None, standing=Standing.of(Transient("x")), attempts=5), True),
        (row(looked=None, standing=Standing.of(Transient("x")), attempts=4), False),  # it is run anyway
        (row(looked=None, basis={}), False),
    ],
)
def test_what_is_left_is_looked_at_when_its_time_has_come(known, looked_at):
    assert due(selected(known), {OBSID: known}, (), NOW, 7 * DAY) == ((OBSID,) if looked_at else ())


def test_what_is_not_public_is_not_looked_at():
    known = row(looked=None)
    hidden = selected(known, observation(public_date=None))
    assert due(hidden, {OBSID: known}, (), NOW, timedelta()) == ()


@pytest.mark.parametrize(
    ("known", "run"),
    [
        (row(), True),
        (row(listing="b" * 64), False),
        (row(listing=None), False),  # products show what there was: now it is remembered
        (row(listing=None, standing=Standing.of(NoData("x"))), True),
        (row(listing=None, standing=Standing.of(Permanent("x"))), True),
        (row(listing=None, standing=Standing.of(GaveUp("x")), attempts=5), False),
        (row(standing=Standing.of(GaveUp("x")), attempts=5), True),
    ],
)
def test_other_files_in_the_archive_are_a_reason(known, run):
    before = selected(known)
    assert has_changed(known, "b" * 64) is run
    after = with_listings(before, {OBSID: known}, {OBSID: "b" * 64})
    assert [len(after.chosen), len(after.left)] == ([1, 0] if run else [0, 1])
    if run:
        assert after.chosen[0].why == "files have changed in the archive"
        assert (after.chosen[0].cause, after.chosen[0].standing) == (Cause.STALE, WAITING)
    assert with_listings(before, {OBSID: known}, {}) == before


KNOWN = {
    item.obsid: item
    for item in (
        row(obsid=ObsID("000000001"), standing=Standing.of(Transient("x")), attempts=1),
        row(obsid=ObsID("000000002"), basis={}),
        row(obsid=ObsID("000000004"), standing=Standing.of(NoData("x"))),
    )
}
MANY = select(
    [observation(obsid=f"{number:09d}") for number in range(1, 5)],
    KNOWN,
    RECIPE,
    VERSIONS,
    (),
    (),
    NOW,
    5,
)


def numbers(choices: tuple[Choice, ...]) -> list[int]:
    return [int(choice.observation.obsid) for choice in choices]


@pytest.mark.parametrize(
    ("rules", "run"),
    [
        ({}, [1, 2, 3]),
        ({"only": "failed"}, [1]),
        ({"only": "stale"}, [2]),
        ({"only": "new"}, [3]),
        ({"limit": 1}, [3]),
        ({"limit": 2}, [3, 2]),
        ({"limit": 9}, [3, 2, 1]),
        ({"limit": 1, "only": "failed"}, [1]),
    ],
)
def test_rules_leave_the_rest_for_another_sweep(rules, run):
    found = narrowed(MANY, Rules(**rules), KNOWN)
    assert numbers(found.chosen) == run
    assert sorted(numbers(found.left)) == sorted({1, 2, 3, 4} - set(run))
    for choice in found.left:
        assert choice.cause is None
        known = KNOWN.get(choice.observation.obsid)
        assert choice.standing == (known.standing if known else WAITING)
    told = {int(choice.observation.obsid): choice.why for choice in found.left}
    if rules == {"only": "new"}:
        assert told[1] == "failed before (transient), 1 of 5 attempts, and only new is asked for"
    if rules == {"limit": 1}:
        assert told[1] == "failed before (transient), 1 of 5 attempts, beyond the limit of 1"


@given(st.sampled_from([None, "failed", "new", "stale"]), st.none() | st.integers(1, 5))
def test_rules_lose_nothing_and_add_nothing(only, limit):
    found = narrowed(MANY, Rules(only=only, limit=limit), KNOWN)
    assert sorted(numbers((*found.chosen, *found.left))) == [1, 2, 3, 4]
    assert set(numbers(found.chosen)) <= set(numbers(MANY.chosen))
    assert limit is None or len(found.chosen) <= limit


@pytest.mark.parametrize("wrong", [{"only": "done"}, {"limit": 0}, {"max_attempts": 0}, {"other": 1}])
def test_rules_that_cannot_be_meant(wrong):
    with pytest.raises(ValidationError):
        Rules(**wrong)
