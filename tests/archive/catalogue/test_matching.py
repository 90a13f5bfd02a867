import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.archive.catalogue.interface import Observation, Position, Query
from tasks.archive.catalogue.matching import located, matching
from tasks.archive.catalogue.rows import unique
from tasks.core.identifiers import ObsID

sky = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))


def observation(number: int, position: Position | None = None, start: float | None = None) -> Observation:
    ra, dec = position or (None, None)
    return Observation(obsid=ObsID(f"{number:09d}"), ra=ra, dec=dec, start_mjd=start)


@settings(deadline=None, max_examples=60)
@given(centre=sky, positions=st.lists(sky, max_size=8), radius=st.floats(0.01, 10800))
def test_the_cone_is_the_great_circle_of_astropy(
    centre: Position, positions: list[Position], radius: float
) -> None:
    rows = [observation(number, position) for number, position in enumerate(positions)]
    found = matching(Query(ra=centre[0], dec=centre[1], radius_arcmin=radius), rows)
    middle = SkyCoord(*centre, unit="deg")
    for row, position in zip(rows, positions, strict=True):
        distance = middle.separation(SkyCoord(*position, unit="deg")).to_value(u.arcmin)
        if abs(distance - radius) > 1e-6:
            assert (row in found) == (distance < radius)


def test_the_cone_crosses_the_pole_and_the_origin_of_right_ascension() -> None:
    rows = [observation(1, (359.95, 0.0)), observation(2, (180.0, 89.95)), observation(3, (180.0, 0.0))]
    assert matching(Query(ra=0.05, dec=0.0, radius_arcmin=6.1), rows) == rows[:1]
    assert matching(Query(ra=0.0, dec=89.95, radius_arcmin=6.1), rows) == rows[1:2]


def test_rows_without_coordinates_or_start_are_only_in_searches_that_need_neither() -> None:
    rows = [observation(1)]
    assert matching(Query(), rows) == rows
    assert matching(Query(ra=0, dec=0, radius_arcmin=10800), rows) == []
    assert matching(Query.model_validate({"since": "1990-01-01"}), rows) == []


@pytest.mark.parametrize(
    ("start", "wanted"), [(60369.99, False), (60370.0, True), (60371.99, True), (60372.0, False)]
)
def test_days_are_inclusive_on_both_sides(start: float, wanted: bool) -> None:
    rows = [observation(1, start=start)]
    query = Query.model_validate({"since": "2024-03-01", "until": "2024-03-02"})
    assert matching(query, rows) == (rows if wanted else [])


def test_everything_given_narrows_the_search() -> None:
    rows = [observation(1, (10, 0), 60000), observation(2, (10, 0), 60400), observation(3, (50, 0), 60400)]
    query = Query.model_validate(
        {"ra": 10, "dec": 0, "obsids": ["000000001", "000000002", "000000003"], "since": "2024-01-01"}
    )
    assert matching(query, rows) == rows[1:2]


def test_a_name_becomes_a_position_and_stays_as_label() -> None:
    query = located(Query(target="N132D"), lambda name: (81.0, -69.0))
    assert (query.target, query.position) == ("N132D", (81.0, -69.0))


def test_a_name_beside_a_position_is_not_looked_up() -> None:
    query = Query(target="my source", ra=1.0, dec=2.0)
    assert located(query, lambda name: pytest.fail("looked up")) == query


def test_observations_come_sorted_and_once() -> None:
    rows = [
        observation(2),
        observation(1),
        observation(1).model_copy(update={"exposure": 5.0}),
        observation(1),
    ]
    assert unique(rows) == (rows[2], rows[0])
