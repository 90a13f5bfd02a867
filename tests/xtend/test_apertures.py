import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.apertures import (
    OUTSIDE,
    Circle,
    Field,
    Ring,
    background_candidates,
    best_background,
    calibration_circles,
    choose_apertures,
    exposed_fraction,
    exposed_mean,
    source_circle,
    world_circle,
)
from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    PIXEL_ARCMIN,
    SKY_SIZE,
    DetPixels,
    Nominal,
    SkyPixels,
    det_to_sky,
    sky_to_det,
)

AIM = Nominal(81.2594, -69.6435, 30.0)
RING = Ring(radius_arcmin=3.0, distance_arcmin=8.0, candidates=16, minimum_fraction=0.5)
ROWS, COLUMNS = np.mgrid[1 : SKY_SIZE + 1, 1 : SKY_SIZE + 1]
EVERYWHERE = np.full((SKY_SIZE, SKY_SIZE), 1000.0, np.float32)

nominals = st.builds(Nominal, st.floats(0, 359.99), st.floats(-89, 89), st.floats(0, 359.99))
circles = st.builds(Circle, st.floats(-300, 2800), st.floats(-300, 2800), st.floats(0.1, 200))


def separation_arcmin(nominal, circle, ra, dec):
    x, y, _ = world_circle(nominal, circle)
    return (
        SkyCoord(x, y, unit="deg", frame="fk5").separation(SkyCoord(ra, dec, unit="deg", frame="fk5")).arcmin
    )


def test_source_circle_at_the_aim_point():
    circle = source_circle(AIM, AIM.ra, AIM.dec, 2.0)
    assert (circle.x, circle.y) == pytest.approx((1215.5, 1215.5))
    assert circle.radius == pytest.approx(67.874, abs=0.01)  # 2′ of 1.76798″


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


@settings(deadline=None)
@given(nominals, st.floats(0, 12), st.floats(0, 360), st.integers(1, 24))
def test_candidates_stand_at_the_right_distance_and_angle(nominal, offset, angle, count):
    centre = SkyCoord(nominal.ra, nominal.dec, unit="deg", frame="fk5")
    target = centre.directional_offset_by(angle * centre.ra.unit, offset / 60 * centre.ra.unit)
    ring = Ring(3.0, 8.0, count, 0.5)
    found = background_candidates(nominal, target.ra.deg, target.dec.deg, ring)
    assert len(found) == count
    for index, circle in enumerate(found):
        ra, dec, radius = world_circle(nominal, circle)
        place = SkyCoord(ra, dec, unit="deg", frame="fk5")
        assert target.separation(place).arcmin == pytest.approx(8.0, abs=1e-4)
        turned = (target.position_angle(place).deg - 360 * index / count + 180) % 360 - 180
        assert turned == pytest.approx(0, abs=1e-3)
        assert radius * 60 == pytest.approx(3.0)


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


def test_of_equally_good_candidates_the_northernmost_is_taken():
    apertures = choose_apertures(Field(AIM, EVERYWHERE), AIM.ra, AIM.dec, 2.0, RING)
    assert apertures.background.candidate == 0
    assert apertures.background.exposed_fraction == 1.0
    assert apertures.background.circle.y - 1215.5 == pytest.approx(8 / PIXEL_ARCMIN, abs=0.01)


def test_the_best_exposed_candidate_is_taken():
    south = EVERYWHERE * (ROWS < 1290)
    apertures = choose_apertures(Field(AIM, south), AIM.ra, AIM.dec, 2.0, RING)
    # The ring's circles that lie wholly below the edge are equally good: the first of them is at 112.5°.
    assert apertures.background.candidate == 5
    assert apertures.background.exposed_fraction == 1.0
    assert apertures.not_made == {}


def test_calibration_sources_count_as_not_exposed():
    nominal = Nominal(10.0, 0.0, 0.0)
    calibration = calibration_circles(nominal)[1]
    ra, dec, _ = world_circle(nominal, calibration)
    circle = source_circle(nominal, ra, dec, 2.0)
    aperture = best_background(EVERYWHERE, [circle], Circle(1.0, 1.0, 1.0), [calibration])
    assert aperture.exposed_fraction == 0.0


def test_candidates_that_touch_the_source_are_clear_and_nearer_ones_are_not():
    touching = Ring(3.0, 5.0, 16, 0.5)
    assert choose_apertures(Field(AIM, EVERYWHERE), AIM.ra, AIM.dec, 2.0, touching).background is not None
    overlapping = Ring(3.0, 4.9, 16, 0.5)
    apertures = choose_apertures(Field(AIM, EVERYWHERE), AIM.ra, AIM.dec, 2.0, overlapping)
    assert apertures.background is None
    assert apertures.not_made == {"background": "every background circle overlaps the source"}


def test_no_background_where_too_little_is_exposed():
    spot = EVERYWHERE * (np.hypot(COLUMNS - 1215.5, ROWS - 1215.5) < 250)
    apertures = choose_apertures(Field(AIM, spot), AIM.ra, AIM.dec, 2.0, RING)
    assert apertures.source.exposed_fraction == 1.0
    assert apertures.background is None
    assert "less than the 50% asked for" in apertures.not_made["background"]


def test_a_target_on_a_dead_column_or_in_the_gap_has_a_source():
    gap = EVERYWHERE * ~((COLUMNS > 1207) & (COLUMNS < 1224))
    apertures = choose_apertures(Field(AIM, gap), AIM.ra, AIM.dec, 2.0, RING)
    assert 0.8 < apertures.source.exposed_fraction < 1


@pytest.mark.parametrize(("dra", "ddec"), [(0.0, 0.34), (0.0, 5.0), (180.0, 0.0), (180.0, 139.287)])
def test_a_target_outside_has_neither(dra, ddec):
    square = EVERYWHERE * ((abs(COLUMNS - 1215.5) < 600) & (abs(ROWS - 1215.5) < 600))
    apertures = choose_apertures(Field(AIM, square), (AIM.ra + dra) % 360, AIM.dec + ddec, 2.0, RING)
    assert (apertures.source, apertures.background, apertures.at_target) == (None, None, 0.0)
    assert apertures.not_made == {"source": OUTSIDE, "background": OUTSIDE}


def test_offsets_are_true_distances():
    apertures = choose_apertures(Field(AIM, EVERYWHERE), AIM.ra + 0.2, AIM.dec, 2.0, RING)
    # 0.2° of right ascension at −69.6° is 4.17′.
    assert apertures.offset_arcmin == pytest.approx(12 * np.cos(np.radians(AIM.dec)), rel=1e-3)
    centre = apertures.source.circle
    assert separation_arcmin(AIM, centre, AIM.ra + 0.2, AIM.dec) == pytest.approx(0, abs=1e-6)
