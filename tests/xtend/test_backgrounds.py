import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.backgrounds import POOR, TRAIL, BackgroundRule, choose_background
from tasks.xtend.field import Circle, Field
from tasks.xtend.geometry import PIXEL_ARCMIN, DetPixels, SkyPixels, det_to_sky, sky_to_det
from tasks.xtend.sources import Source

RULE = BackgroundRule(3.0, 1.5, 0.25)
LEVEL = 0.011
RADIUS = 3.0 / PIXEL_ARCMIN


def source_at(field, x, y, counts, spread=0.0):
    """A source at a DET position."""
    sky = det_to_sky(DetPixels(np.array(x), np.array(y)), field.nominal.pa)
    return Source(float(sky.x), float(sky.y), counts, 100.0, spread)


def choose(field, target, *others, level=LEVEL, rule=RULE, radius=2.0):
    circle = Circle(target.x, target.y, radius / PIXEL_ARCMIN)
    return choose_background(field, circle, [target, *others], level, rule)


def det(field, circle):
    found = sky_to_det(SkyPixels(np.array(circle.x), np.array(circle.y)), field.nominal.pa)
    return float(found.x), float(found.y)


def check(field, target, others, background, level=LEVEL, radius=2.0):
    """What holds for every background."""
    circle = background.circle
    assert not circle.overlaps(Circle(target.x, target.y, radius / PIXEL_ARCMIN))
    assert not any(circle.overlaps(each) for each in field.calibration)
    own = sky_to_det(SkyPixels(np.array(target.x), np.array(target.y)), field.nominal.pa)
    assert abs(det(field, circle)[1] - float(own.y)) >= circle.radius + TRAIL - 1e-6
    for light in (target, *others):
        core = min(light.reach(level), 60 / 1.768)
        assert circle.distance(light.x, light.y) >= circle.radius + core - 1e-6
    assert 1.5 - 1e-6 <= circle.radius * PIXEL_ARCMIN <= 3 + 1e-6
    assert 0 < background.exposed_fraction <= 1
    assert all(0 <= part <= 1 for part in (background.area, background.wings, background.detx))
    assert 0 <= background.score <= 1
    if background.wings == 1:
        lights = (target, *others)
        assert all(
            circle.distance(light.x, light.y) >= circle.radius + light.reach(level) - 1e-6 for light in lights
        )


def test_in_a_full_window_it_is_whole_and_in_the_columns_of_the_source(make_field):
    field = make_field()
    target = source_at(field, 748.5, 748.5, 3000.0)
    found = choose(field, target)
    check(field, target, (), found)
    assert found.circle.radius == pytest.approx(RADIUS)
    # What is missing is charge injection: 4 of 80 rows.
    assert found.exposed_fraction == pytest.approx(0.94, abs=0.02)
    assert (found.wings, found.detx) == (1, 1)
    assert found.score > 0.95
    x, y = det(field, found.circle)
    assert abs(x - 748.5) <= RADIUS - 67
    assert abs(y - 748.5) < 400


@settings(deadline=None, max_examples=8)
@given(st.floats(0, 360))
def test_it_is_the_same_place_of_the_detector_for_every_position_angle(make_field, pa):
    reference = make_field(window=True, pa=0.0)
    turned = make_field(window=True, pa=pa)
    places = []
    for field in (reference, turned):
        found = choose(field, source_at(field, 748.5, 748.5, 3000.0))
        places.append(det(field, found.circle))
    # The grid's step is 16 pixels.
    assert places[1] == pytest.approx(places[0], abs=17)


def test_in_a_window_it_lies_along_the_strip(make_field):
    field = make_field(window=True)
    target = source_at(field, 748.5, 748.5, 3000.0)
    found = choose(field, target)
    check(field, target, (), found)
    # 80 pixels through a circle of 102, less charge injection, which is just beside the strip here.
    assert found.exposed_fraction == pytest.approx(0.47, abs=0.02)
    assert found.area > 0.95
    assert found.score > 0.95


def test_a_bright_source_clears_more_than_a_faint_one(make_field):
    field = make_field()
    distances = []
    for counts in (100.0, 10_000.0, 1_000_000.0):
        target = source_at(field, 748.5, 748.5, counts)
        found = choose(field, target)
        check(field, target, (), found)
        distances.append(found.circle.distance(target.x, target.y))
    assert distances == sorted(distances)
    assert distances[0] < distances[1] < distances[2]


def test_it_avoids_other_sources(make_field):
    field = make_field()
    target = source_at(field, 748.5, 748.5, 3000.0)
    alone = choose(field, target)
    x, y = det(field, alone.circle)
    second = source_at(field, x, y, 2000.0)
    found = choose(field, target, second)
    check(field, target, (second,), found)
    assert found.circle != alone.circle
    assert found.wings == 1


def test_it_keeps_away_from_something_extended(make_field):
    field = make_field()
    target = source_at(field, 748.5, 748.5, 3000.0, spread=300.0)
    found = choose(field, target)
    assert found.circle.distance(target.x, target.y) >= 300 + found.circle.radius


def test_of_wings_everywhere_the_least_are_taken_with_a_low_score(make_field):
    field = make_field(window=True)
    target = source_at(field, 748.5, 748.5, 3e6)
    found = choose(field, target)
    check(field, target, (), found)
    assert 0 < found.wings <= 0.5
    assert found.score < POOR


def test_wings_that_outshine_the_background_leave_none(make_field):
    field = make_field(window=True)
    why = choose(field, source_at(field, 748.5, 748.5, 1e9))
    assert why == "the wings of sources outshine the background in all that is left of the field"


def test_it_shrinks_where_nothing_larger_fits(make_field):
    field = make_field()
    target = source_at(field, 748.5, 748.5, 500.0)
    # No point of the field is farther than 127 pixels from a source.
    crowd = [source_at(field, x, y, 100.0) for x in range(270, 1560, 180) for y in range(270, 1560, 180)]
    found = choose(field, target, *crowd)
    check(field, target, crowd, found)
    assert found.circle.radius < RADIUS
    rule = BackgroundRule(3.0, 3.0, 0.25)
    assert "no circle of 3′ or more" in choose(field, target, *crowd, rule=rule)


def test_a_field_hardly_larger_than_the_source_leaves_none(make_field):
    field = make_field()
    rows, columns = np.mgrid[1:2431, 1:2431]
    target = source_at(field, 748.5, 748.5, 500.0)
    spot = np.where(np.hypot(columns - target.x, rows - target.y) < 90, 1000, 0).astype(np.float32)
    small = Field(field.nominal, spot, field.counts, 1000.0, field.calibration)
    assert "no circle of 1.5′ or more that is clear of" in choose(small, target)
    dark = Field(field.nominal, 0 * spot, field.counts, 0.0, field.calibration)
    assert choose(dark, target) == "nothing is exposed"


stars = st.tuples(st.floats(270, 1540), st.floats(270, 1540), st.floats(1, 5e5))


@settings(deadline=None, max_examples=40)
@given(st.booleans(), st.floats(270, 1540), stars, st.lists(stars, max_size=4), st.sampled_from([0.0, 97.2]))
def test_a_background_keeps_clear_of_source_trail_calibration_and_cores(
    make_field, window, y, star, more, pa
):
    field = make_field(window=window, pa=pa)
    target = source_at(field, 748.5 if window else star[0], y, star[2])
    others = [source_at(field, *each) for each in more]
    found = choose(field, target, *others)
    if isinstance(found, str):
        assert "sources" in found
    else:
        check(field, target, others, found)
