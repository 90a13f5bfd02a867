import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from tasks.xtend.apertures import (
    OUTSIDE,
    Given,
    SourceRule,
    aperture,
    choose_apertures,
    crosses_edge,
    source_circle,
)
from tasks.xtend.backgrounds import BackgroundRule
from tasks.xtend.field import Circle, world_circle
from tasks.xtend.geometry import PIXEL_ARCMIN, DetPixels, det_to_sky
from tasks.xtend.nominal import Nominal

AIM = Nominal(81.2594, -69.6435, 30.0)
TARGET = (748.5, 748.5)
RULE = SourceRule(2.0, 0.2, "target", 30.0)
BACKGROUND = BackgroundRule(3.0, 1.5, 0.25)
NOTHING = Given()


@pytest.fixture
def choose(make_field, at_det):
    """The areas for a target at a DET position."""

    def chosen(at=TARGET, rule=RULE, areas=NOTHING, shift=(0.0, 0.0), **given):
        field = make_field(**given)
        ra, dec = at_det(field, *at)
        return field, choose_apertures(field, ra + shift[0], dec + shift[1], rule, BACKGROUND, areas)

    return chosen


def separation_arcmin(nominal, circle, ra, dec):
    x, y, _ = world_circle(nominal, circle)
    place = SkyCoord(x, y, unit="deg", frame="fk5")
    return place.separation(SkyCoord(ra, dec, unit="deg", frame="fk5")).arcmin


def test_source_circle_at_the_aim_point():
    circle = source_circle(AIM, AIM.ra, AIM.dec, 2.0)
    assert (circle.x, circle.y) == pytest.approx((1215.5, 1215.5))
    assert circle.radius == pytest.approx(67.874, abs=0.01)  # 2′ of 1.76798″


def test_a_full_window(choose):
    _, found = choose(stars=[(*TARGET, 3000.0)])
    assert found.not_made == {}
    assert found.source.around == Circle(
        pytest.approx(1215.5), pytest.approx(1215.5), pytest.approx(2 / PIXEL_ARCMIN)
    )
    assert found.source.exposed_fraction == pytest.approx(0.95, abs=0.01)
    assert found.at_target == pytest.approx(20_000, rel=0.2)
    assert found.target.detected
    assert not found.at_edge
    assert found.background.background.score > 0.9
    assert len(found.sources) == 1


@pytest.mark.parametrize("pa", [0.0, 45.0, 97.2, 200.0])
def test_a_window_holds_its_target(choose, pa):
    _, found = choose(stars=[(*TARGET, 3000.0)], window=True, pa=pa)
    # A strip of 80 pixels, less 4 of charge injection, through a circle of radius 67.87.
    assert found.source.exposed_fraction == pytest.approx(0.67, abs=0.01)
    assert found.at_edge
    assert found.background.background.score > 0.9


def test_a_target_near_the_edge_of_the_field(choose):
    # The circle reaches 25 of its 68 pixels beyond the edge at DETX 257.
    _, found = choose(at=(300.0, 600.0), stars=[(300.0, 600.0, 3000.0)])
    assert found.at_edge
    assert 0.75 < found.source.exposed_fraction < 0.9
    assert found.background.background.score > 0.8


def test_a_target_of_which_little_is_exposed_is_on_the_other_class(choose):
    # The centre lies 45 pixels beyond the edge, where the PSF's wings are seen but not the target.
    _, found = choose(at=(262.0, 262.0), rule=SourceRule(2.0, 0.5, "target", 30.0))
    assert found.at_target > 0
    assert (found.source, found.background) == (None, None)
    assert (
        "% of the source circle is exposed on this data class, less than the 50%" in found.not_made["source"]
    )
    assert found.not_made["source"] == found.not_made["background"]


@pytest.mark.parametrize("shift", [(0.0, -0.34), (0.0, 5.0), (180.0, 0.0), (30.0, -80.0)])
def test_a_target_outside_has_neither(choose, shift):
    _, found = choose(stars=[(*TARGET, 3000.0)], shift=shift)
    assert (found.source, found.background, found.at_target, found.target) == (None, None, 0.0, None)
    assert found.not_made == {"source": OUTSIDE, "background": OUTSIDE}
    # What else the field holds is known all the same.
    assert len(found.sources) == 1


def test_a_target_in_the_gap_between_ccds_has_a_source(choose):
    _, found = choose(at=(905.0, 748.5))
    assert 0.7 < found.source.exposed_fraction < 0.9
    assert not found.at_edge


def test_a_target_beside_a_calibration_source_loses_that_part(choose):
    # 139 pixels from a circle of 91: the circles overlap by 20.
    field, found = choose(at=(919.0, 410.0), stars=[(919.0, 410.0, 3000.0)])
    assert found.source.exposed_fraction < 0.85
    assert not found.at_edge
    assert not any(found.background.around.overlaps(circle) for circle in field.calibration)


def test_a_peak_is_followed_when_the_recipe_says_so_and_it_is_near(choose):
    star = (TARGET[0] + 10.0, TARGET[1], 3000.0)
    _, at_target = choose(stars=[star])
    assert (at_target.centre, at_target.source.around.x) == ("target", pytest.approx(1215.5))
    field, at_peak = choose(stars=[star], rule=SourceRule(2.0, 0.2, "peak", 30.0))
    sky = det_to_sky(DetPixels(np.array(star[0]), np.array(star[1])), field.nominal.pa)
    assert at_peak.centre == "peak"
    assert (at_peak.source.around.x, at_peak.source.around.y) == pytest.approx(
        (float(sky.x), float(sky.y)), abs=1
    )
    _, too_far = choose(stars=[star], rule=SourceRule(2.0, 0.2, "peak", 10.0))
    assert too_far.centre == "target"


def test_a_given_source_overrides_the_target_and_the_background_keeps_clear_of_it(make_field, choose):
    circle = Circle(1300.0, 1400.0, 150.0)
    areas = Given(aperture(make_field(), circle))
    _, found = choose(areas=areas)
    assert found.centre == "given"
    assert found.source.around == circle
    assert not found.background.around.overlaps(circle)


def test_a_given_background_overrides_the_rule(make_field, choose):
    given = aperture(make_field(), Circle(1300.0, 1500.0, 40.0))
    _, found = choose(areas=Given(background=given))
    assert found.background is given
    _, dark = choose(areas=Given(background=aperture(make_field(), Circle(100.0, 100.0, 40.0))))
    assert dark.background is None
    assert dark.not_made == {"background": "the given background region is not exposed at all"}


@pytest.mark.parametrize(
    ("x", "y", "crosses"),
    [(748.5, 748.5, False), (905.0, 905.0, False), (919.0, 300.0, False), (330.0, 600.0, False),
     (320.0, 600.0, False), (300.0, 600.0, True), (260.0, 600.0, True), (1540.0, 1540.0, True)],
)  # fmt: skip
def test_edges_are_those_of_the_detector_and_no_gaps(make_field, x, y, crosses):
    field = make_field()
    sky = det_to_sky(DetPixels(np.array(x), np.array(y)), field.nominal.pa)
    assert crosses_edge(field, Circle(float(sky.x), float(sky.y), 67.9)) == crosses


def test_offsets_are_true_distances(choose):
    field, found = choose(shift=(0.1, 0.0))
    assert found.offset_arcmin == pytest.approx(6 * np.cos(np.radians(field.nominal.dec)), rel=1e-3)
    centre = found.source.around
    assert separation_arcmin(field.nominal, centre, field.nominal.ra + 0.1, field.nominal.dec) == (
        pytest.approx(0, abs=1e-6)
    )
