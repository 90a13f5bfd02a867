import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.field import (
    BINNING,
    Circle,
    calibration_circles,
    coarse_centres,
    cutout,
    disc_sums,
    exposed_fraction,
    exposed_mean,
    world_circle,
)
from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    PIXEL_DEG,
    SKY_SIZE,
    DetPixels,
    SkyPixels,
    det_to_sky,
    sky_to_det,
)
from tasks.xtend.nominal import Nominal

AIM = Nominal(81.2594, -69.6435, 30.0)
ROWS, COLUMNS = np.mgrid[1 : SKY_SIZE + 1, 1 : SKY_SIZE + 1]
EVERYWHERE = np.full((SKY_SIZE, SKY_SIZE), 1000.0, np.float32)

nominals = st.builds(Nominal, st.floats(0, 359.99), st.floats(-89, 89), st.floats(0, 359.99))
circles = st.builds(Circle, st.floats(-300, 2800), st.floats(-300, 2800), st.floats(0.1, 200))


@settings(deadline=None)
@given(nominals, st.floats(-20, 20), st.floats(-20, 20))
def test_det_and_sky_are_inverse_to_each_other(nominal, dx, dy):
    det = DetPixels(np.array(748.5 + dx * 30), np.array(748.5 + dy * 30))
    back = sky_to_det(det_to_sky(det, nominal.pa), nominal.pa)
    assert back.x == pytest.approx(det.x, abs=1e-9)
    assert back.y == pytest.approx(det.y, abs=1e-9)


@settings(deadline=None)
@given(nominals)
def test_calibration_circles_go_back_to_the_detector(nominal):
    for circle, (x, y, radius) in zip(calibration_circles(nominal), CALIBRATION_CIRCLES, strict=True):
        det = sky_to_det(SkyPixels(np.array(circle.x), np.array(circle.y)), nominal.pa)
        assert (float(det.x), float(det.y), circle.radius) == pytest.approx((x, y, radius), abs=1e-6)


def test_a_circle_wholly_exposed_and_one_half_exposed():
    half = EVERYWHERE * (COLUMNS <= 1215)
    circle = Circle(1215.5, 1215.5, 60.0)
    assert exposed_fraction(EVERYWHERE, circle) == 1.0
    assert exposed_fraction(half, circle) == pytest.approx(0.5)
    assert exposed_mean(half, circle) == pytest.approx(500.0)


def test_what_lies_off_the_array_is_not_exposed():
    assert exposed_fraction(EVERYWHERE, Circle(0.5, 1215.5, 60.0)) == pytest.approx(0.5, abs=0.01)
    assert exposed_fraction(EVERYWHERE, Circle(-500.0, 1215.5, 60.0)) == 0.0
    assert exposed_fraction(EVERYWHERE, Circle(2430.5, 2430.5, 60.0)) == pytest.approx(0.25, abs=0.01)


def test_excluded_area_is_subtracted():
    whole, hole = Circle(1000.0, 1000.0, 100.0), Circle(1000.0, 1000.0, 50.0)
    assert exposed_fraction(EVERYWHERE, whole, (hole,)) == pytest.approx(0.75, abs=0.002)


def test_nothing_exposed_is_zero_not_a_division():
    assert exposed_fraction(EVERYWHERE * 0, Circle(1000.0, 1000.0, 10.0)) == 0.0


@settings(deadline=None, max_examples=50)
@given(circles, st.lists(circles, max_size=2), st.integers(0, 3))
def test_exposed_fractions_lie_between_zero_and_one(circle, excluded, pattern):
    exposure = EVERYWHERE if pattern == 0 else (ROWS * pattern + COLUMNS) % 5 * np.float32(0.3)
    fraction = exposed_fraction(exposure.astype(np.float32), circle, excluded)
    assert 0 <= fraction <= 1
    assert fraction <= exposed_fraction(exposure.astype(np.float32), circle)


def test_touching_circles_do_not_overlap_and_nearer_ones_do():
    assert not Circle(0, 0, 10).overlaps(Circle(30, 0, 20))
    assert Circle(0, 0, 10).overlaps(Circle(29.9, 0, 20))


def test_a_circle_on_the_sky():
    ra, dec, radius = world_circle(AIM, Circle(1215.5, 1215.5, 60.0))
    assert (ra, dec) == pytest.approx((AIM.ra, AIM.dec))
    assert radius == pytest.approx(60 * PIXEL_DEG)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 39), st.integers(0, 29), st.floats(0.5, 12), st.sampled_from([0.0, 1.5, 5.0]))
def test_sums_over_discs_are_those_of_a_plain_loop(row, column, radius, inner):
    image = np.random.default_rng(5).poisson(3.0, (40, 30)).astype(float)
    y, x = np.mgrid[:40, :30]
    distance = np.hypot(x - column, y - row)
    plain = image[(distance <= radius) & (distance >= inner)].sum()
    assert disc_sums(image, radius, inner)[row, column] == pytest.approx(plain, abs=1e-6)


def test_coarse_pixels_hold_the_counts_and_not_those_of_calibration_sources(make_field):
    field = make_field()
    coarse = field.coarse
    x, y = coarse_centres()
    for circle in field.calibration:
        assert not coarse.counts[circle.holds(x[None, :], y[:, None])].any()
    seen = coarse.share > 0
    assert coarse.share.max() == BINNING**2
    # The particle background and nothing else: 0.011 counts a pixel.
    assert coarse.counts.sum() == pytest.approx(0.011 * coarse.share.sum(), rel=0.03)
    assert not coarse.counts[~seen].any()


def test_a_cutout_is_part_of_the_field(make_field):
    field = make_field()
    part = cutout(field, 1300.4, 1200.0, 50.0)
    rows, columns = part.y[:, 0].astype(int) - 1, part.x[0].astype(int) - 1
    lit = part.share > 0
    assert np.array_equal(part.counts[lit], field.counts[np.ix_(rows, columns)][lit])
    assert part.distance(1300.4, 1200.0).min() < 0.71


def test_a_cutout_beyond_the_field_is_empty(make_field):
    part = cutout(make_field(), -500.0, 3000.0, 50.0)
    assert not part.share.any()
    assert not part.counts.any()
