"""What a sweep runs, and why: a table of causes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.archive.catalogue.interface import Observation
from tasks.archive.selection import LOOK_AGAIN, Choice, basis, select
from tasks.core.errors import GaveUp, NoData, NotPublic, Permanent, Proprietary, SoftwareFault, Transient
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.fingerprint import fingerprint
from tasks.library.orders import STEP_VERSIONS
from tasks.library.recipe import Recipe
from tasks.library.rows import ObservationRow

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
TODAY_MJD = 61365.0 + 5.5 / 24
VERSIONS = {"native": "1"}
RECIPE = Recipe()
DONE, WAITING = Standing(state=State.DONE), Standing(state=State.WAITING)
NOTHING = "nothing has changed"


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
    known = basis(observation(), RECIPE, VERSIONS)
    plain = {
        "obsid": ObsID("000128000"),
        "name": "N132D",
        "catalogue": observation().fingerprint,
        "selection": fingerprint(known),
        "basis": known,
        "standing": DONE,
        "attempts": 0,
        "why": "new",
        "updated": NOW - timedelta(hours=24),
    }
    return ObservationRow(**plain | changes)


def choose(
    known: ObservationRow | None, seen: Observation | None = None, **changes: Any
) -> tuple[bool, Choice]:
    """Whether it is run, and the choice."""
    seen = seen or observation()
    values: dict[str, Any] = {"recipe": RECIPE, "versions": VERSIONS, "damaged": (), "now": NOW}
    found = select([seen], {known.obsid: known} if known else {}, **values | changes)
    [choice] = (*found.chosen, *found.left)
    return bool(found.chosen), choice


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (None, "new"),
        (row(selection=None, basis={}, standing=WAITING), "new"),
        (row(selection=None, basis={}, standing=Standing.of(NotPublic("x"))), "new"),
        (row(standing=WAITING), "interrupted before"),
        (row(standing=Standing(state=State.RUNNING)), "interrupted before"),
        (row(standing=Standing.of(Transient("x"))), "failed before (transient)"),
        (row(standing=Standing.of(Permanent("x"))), "failed before (permanent)"),
        (row(standing=Standing.of(SoftwareFault("x"))), "failed before (software)"),
        (row(standing=Standing.of(GaveUp("x"))), "failed before (gave-up)"),
        (row(standing=Standing.of(NotPublic("x"))), "released"),
        (row(basis=row().basis | {"recipe": "0" * 64}), "changed: recipe"),
        (row(basis=row().basis | {"steps": "0" * 64}), "changed: steps"),
        (row(basis=row().basis | {"catalogue row": "0" * 64}), "changed: catalogue row"),
        (row(basis=row().basis | {"version of native": "0"}), "changed: version of native"),
        (row(basis=row().basis | {"version of CALDB": "1"}), "changed: version of CALDB"),
        (row(basis={}), "changed: catalogue row, recipe, steps, version of native"),
        (
            row(standing=Standing.of(NoData("x")), updated=NOW - LOOK_AGAIN - timedelta(seconds=1)),
            "nothing to use a week ago (no-data)",
        ),
        (
            row(standing=Standing.of(Proprietary("x")), updated=NOW - timedelta(days=8)),
            "nothing to use a week ago (proprietary)",
        ),
    ],
)
def test_what_is_run_says_why(known, why):
    run, choice = choose(known)
    assert (run, choice.why, choice.standing) == (True, why, WAITING)


@pytest.mark.parametrize(
    "known",
    [
        row(),
        row(updated=NOW - timedelta(days=400)),
        row(standing=Standing.of(NoData("x"))),
        row(standing=Standing.of(NoData("x")), updated=NOW - LOOK_AGAIN),
        row(standing=Standing.of(Proprietary("x"))),
    ],
)
def test_what_is_settled_is_left(known):
    run, choice = choose(known)
    assert (run, choice.why, choice.standing) == (False, NOTHING, known.standing)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seen": observation(exposure=60000.0)}, "changed: catalogue row"),
        ({"seen": observation(dataclasses=("30000010",))}, "changed: catalogue row"),
        ({"recipe": Recipe.model_validate({"spectra": {"group_minimum": 25}})}, "changed: recipe"),
        ({"recipe": Recipe(name="other")}, "changed: recipe"),
        ({"versions": {"native": "2"}}, "changed: version of native"),
        ({"versions": {"heasoft": "6.36"}}, "changed: version of heasoft, version of native"),
        ({"damaged": {"000128000"}}, "published files are missing"),
    ],
)
def test_a_change_outside_is_a_reason(change, why):
    run, choice = choose(row(), **change)
    assert (run, choice.why) == (True, why)


def test_a_new_version_of_a_step_is_a_reason(monkeypatch):
    known = row()
    for step in STEP_VERSIONS:
        with monkeypatch.context() as changed:
            changed.setitem(STEP_VERSIONS, step, 99)
            assert choose(known)[1].why == "changed: steps"
    assert choose(known)[1].why == NOTHING


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
    found = select(seen, {}, RECIPE, VERSIONS, (), NOW)
    assert [choice.observation for choice in found.chosen] == seen[1::2]
    assert [choice.observation for choice in found.left] == seen[::2]


def test_what_the_ledger_keeps_of_a_choice():
    _, choice = choose(None)
    sighting = choice.sighting
    assert (sighting.obsid, sighting.name, sighting.why) == ("000128000", "N132D", "new")
    assert (sighting.catalogue, sighting.standing) == (observation().fingerprint, WAITING)
