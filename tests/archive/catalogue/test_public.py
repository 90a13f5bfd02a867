from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.archive.catalogue.interface import Observation
from tasks.archive.catalogue.public import why_not_public
from tasks.core.identifiers import ObsID

EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
TODAY = 60700.0
NOW = EPOCH + timedelta(days=TODAY)


def observation(**values: Any) -> Observation:
    plain = {"start_mjd": 60300.0, "exposure": 1e4, "status": "archived", "public_date": 60600.0}
    return Observation(obsid=ObsID("000128000"), **(plain | values))


@pytest.mark.parametrize("public_date", [60600.0, TODAY, 1.0])
def test_released_observations_are_public(public_date: float) -> None:
    assert why_not_public(observation(public_date=public_date), NOW) is None


@pytest.mark.parametrize("public_date", [0.0, 88068.0, None])
@pytest.mark.parametrize("now", [NOW, EPOCH + timedelta(days=99999)])
def test_sentinels_are_never_public(public_date: float | None, now: datetime) -> None:
    assert (
        why_not_public(observation(public_date=public_date), now)
        == "not public: the catalogue has no release date"
    )


def test_a_date_to_come_is_named() -> None:
    assert why_not_public(observation(public_date=60701.0), NOW) == "not public until 2025-01-26"


def test_a_release_counts_to_the_minute() -> None:
    row = observation(public_date=60676.5)
    assert why_not_public(row, datetime(2025, 1, 1, 12, tzinfo=UTC)) is None
    assert why_not_public(row, datetime(2025, 1, 1, 11, 59, tzinfo=UTC)) == "not public until 2025-01-01"


def test_a_date_beyond_the_calendar_is_no_crash() -> None:
    assert why_not_public(observation(public_date=9e9), NOW) == "not public until MJD 9e+09"


def test_planned_observations_say_so() -> None:
    planned = observation(start_mjd=60710.0, exposure=0.0, status="scheduled")
    assert why_not_public(planned, NOW) == "not observed yet: the catalogue plans it for 2025-02-04"
    accepted = observation(start_mjd=None, exposure=0.0, status="accepted", public_date=0.0)
    reason = why_not_public(accepted, NOW)
    assert reason == "not observed yet: the catalogue has no exposure and the status 'accepted'"


def test_archived_without_xtend_exposure_is_left_to_the_listing() -> None:
    assert why_not_public(observation(exposure=0.0, status="ARCHIVED"), NOW) is None
