import numpy as np
import pytest

from tasks.xtend.apertures import source_circle
from tasks.xtend.field import Circle
from tasks.xtend.sources import find_sources
from tasks.xtend.target import assess_target

AIM = (748.5, 748.5)


@pytest.fixture
def assess(make_field, at_det):
    """What is at the aim point, or elsewhere, in a field of these sources."""

    def assessed(*, at=AIM, **given):
        field = make_field(**given)
        return assess_target(
            field, source_circle(field.nominal, *at_det(field, *at), 2.0), find_sources(field)
        )

    return assessed


@pytest.mark.parametrize("window", [False, True])
def test_a_point_source_is_detected_where_it_is(assess, window):
    view, source, level = assess(stars=[(*AIM, 20_000.0)], window=window)
    assert view.detected
    assert view.peak_offset_arcsec < 2
    assert view.extent_ratio == pytest.approx(1.0, abs=4 * view.extent_error)
    assert view.extent_error < 0.05
    assert level == pytest.approx(0.011, rel=0.05)
    assert source.counts == pytest.approx(20_000, rel=0.05)
    if not window:
        # 82 % of the light falls in 2′, 95 % of which has no charge injection.
        assert view.net_rate == pytest.approx(0.82 * 0.95, rel=0.03)


@pytest.mark.parametrize("window", [False, True])
def test_a_cluster_is_extended_and_reaches_far(assess, window):
    view, source, level = assess(clusters=[(*AIM, 50_000.0)], window=window)
    assert view.detected
    assert view.extent_ratio > 8
    assert view.extent_ratio / view.extent_error > 20
    assert source.spread * 1.768 > 240
    assert level == pytest.approx(0.011, rel=0.1)


def test_an_extended_target_that_is_faint_is_still_known_for_it(assess):
    view, _, _ = assess(clusters=[(*AIM, 2000.0)])
    assert view.detected
    assert view.extent_ratio - 1 > 3 * view.extent_error


def test_a_faint_target_of_60_counts_is_detected_in_nearly_all_observations(assess):
    assert sum(assess(stars=[(*AIM, 60.0)], seed=seed)[0].detected for seed in range(6)) >= 5


def test_an_empty_field_has_no_target(assess):
    views = [assess(seed=seed)[0] for seed in range(6)]
    assert not any(view.detected for view in views)
    assert all(view.extent_ratio is None and view.extent_error is None for view in views)
    assert np.mean([view.net_rate for view in views]) == pytest.approx(0, abs=0.002)


def test_without_events_nothing_is_detected(assess):
    view, source, level = assess(level=0.0)
    assert not view.detected
    assert level > 0
    assert source.reach(level) < 10


def test_a_source_beside_the_target_is_not_the_target(assess):
    # 75″ off, in the source circle.
    view, _, _ = assess(stars=[(AIM[0] + 42.4, AIM[1], 2000.0)])
    assert not view.detected
    assert view.peak_offset_arcsec == pytest.approx(75, abs=3)


def test_wings_of_a_bright_source_4_arcmin_away_are_not_the_target(assess):
    view, _, _ = assess(stars=[(AIM[0] + 135.7, AIM[1], 100_000.0)])
    assert view.significance < 3
    view, _, _ = assess(stars=[(AIM[0] + 135.7, AIM[1], 100_000.0), (*AIM, 1000.0)])
    assert view.detected


def test_a_target_that_is_10_arcsec_off_is_measured_so(assess):
    view, _, _ = assess(stars=[(AIM[0] + 5.66, AIM[1], 3000.0)])
    assert view.detected
    assert view.peak_offset_arcsec == pytest.approx(10, abs=1.5)


def test_a_place_without_exposure_has_nothing(make_field):
    view, _, _ = assess_target(make_field(), Circle(50.0, 50.0, 60.0), ())
    assert (view.significance, view.peak_offset_arcsec, view.net_rate) == (0, None, 0)
