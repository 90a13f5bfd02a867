import json
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.archive.catalogue.interface import Observation, Query, mjd_of
from tasks.core.identifiers import DataClass, ObsID


def test_a_query_for_everything_has_no_bounds() -> None:
    query = Query()
    assert query.position is None
    assert query.start_bounds == (None, None)
    assert query.radius_arcmin == 15


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"obsids": ["../../etc"]}, "obsids"),
        ({"obsids": ["12800"]}, "obsids"),
        ({"obsids": [128000]}, "string"),
        ({"since": "2024-03-02", "until": "2024-03-01"}, "upside down"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2024-02-30"}, "since"),
        ({"since": 20240301}, "YYYY-MM-DD"),
        ({"ra": 10.0}, "both ra and dec"),
        ({"dec": 10.0}, "both ra and dec"),
        ({"ra": 360.0, "dec": 0.0}, "ra"),
        ({"ra": -0.1, "dec": 0.0}, "ra"),
        ({"ra": 0.0, "dec": 90.5}, "dec"),
        ({"ra": float("nan"), "dec": 0.0}, "ra"),
        ({"ra": 0.0, "dec": float("inf")}, "dec"),
        ({"radius_arcmin": 0}, "radius_arcmin"),
        ({"radius_arcmin": float("nan")}, "radius_arcmin"),
        ({"radius_arcmin": 180 * 60 + 1}, "radius_arcmin"),
        ({"target": "   "}, "target"),
        ({"target": "x" * 81}, "target"),
        ({"objects": ["N132D"]}, "objects"),
    ],
)
def test_bad_queries_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Query.model_validate(values)


def test_days_bound_the_start_and_the_last_day_counts_whole() -> None:
    query = Query.model_validate({"since": "2024-03-01", "until": "2024-03-01"})
    assert query.start_bounds == (60370.0, 60371.0)
    assert mjd_of(date(2000, 1, 1)) == 51544.0


def test_a_query_survives_a_form() -> None:
    query = Query(target="N132D", obsids=(ObsID("000128000"),), since=date(2024, 1, 2), radius_arcmin=34)
    assert Query.model_validate(json.loads(query.model_dump_json())) == query
    schema = Query.model_json_schema()
    assert all(field.get("description") for field in schema["properties"].values())


def test_an_observation_has_a_fingerprint_of_its_content() -> None:
    row = Observation(obsid=ObsID("000128000"), dataclasses=(DataClass("30000010"),), public_date=60500.0)
    assert row.fingerprint == row.model_copy().fingerprint
    changes: list[dict[str, Any]] = [
        {"public_date": 60501.0},
        {"name": "N132D"},
        {"dataclasses": ()},
        {"ra": 1.0},
    ]
    assert len({row.model_copy(update=change).fingerprint for change in changes} | {row.fingerprint}) == 5
