import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.xtend.field import Field
from tasks.xtend.geometry import CCD_ORIGIN, DetPixels, det_to_sky
from tasks.xtend.sources import Source, background_level, find_sources, li_ma

STARS = ((748.5, 748.5, 60_000.0), (1210.0, 640.0, 5000.0), (520.0, 1120.0, 3000.0), (400.0, 480.0, 800.0))


def sky(field, x, y):
    found = det_to_sky(DetPixels(np.array(x), np.array(y)), field.nominal.pa)
    return float(found.x), float(found.y)


def test_significance_of_the_published_example():
    # Li & Ma 1983: with as many counts on and off source and equal times nothing stands out.
    assert li_ma(10, 10, 1.0) == pytest.approx(0.0, abs=1e-6)
    # Many counts: Gaussian, (n - m) / √(n + m).
    assert li_ma(10_300, 10_000, 1.0) == pytest.approx(300 / np.sqrt(20_300), rel=1e-3)
    assert li_ma(0, 10, 1.0) < 0


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(1e-3, 10))
def test_significance_has_the_sign_of_the_excess(on, off, alpha):
    significance = float(li_ma(on, off, alpha))
    assert np.isfinite(significance)
    assert significance * (on - alpha * off) >= -1e-9


@pytest.mark.parametrize("pa", [0.0, 97.2])
def test_sources_are_found_where_they_are_with_their_counts(make_field, pa):
    field = make_field(STARS, pa=pa)
    found = find_sources(field)
    assert len(found) == len(STARS)
    assert [source.significance for source in found] == sorted(
        (source.significance for source in found), reverse=True
    )
    for x, y, counts in STARS:
        near = min(found, key=lambda one: np.hypot(one.x - sky(field, x, y)[0], one.y - sky(field, x, y)[1]))
        assert (near.x, near.y) == pytest.approx(sky(field, x, y), abs=1.5)
        assert near.counts == pytest.approx(counts, rel=0.15)
        assert near.significance > 5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("window", [False, True])
def test_an_empty_field_has_no_sources(make_field, seed, window):
    assert find_sources(make_field(window=window, seed=seed)) == ()


@pytest.mark.parametrize("level", [0.0, 1e-5, 0.001])
def test_few_events_make_no_sources(make_field, level):
    assert find_sources(make_field(level=level)) == ()


@pytest.mark.parametrize("window", [False, True])
def test_wings_of_a_very_bright_source_are_no_sources(make_field, window):
    [only] = find_sources(make_field([(748.5, 748.5, 3e6)], window=window))
    assert only.counts == pytest.approx(3e6, rel=0.02)


def test_a_source_at_the_edge_of_the_field_has_all_its_counts(make_field):
    field = make_field([(260.0, 600.0, 5000.0)])
    [only] = find_sources(field)
    assert only.counts == pytest.approx(5000, rel=0.15)
    assert (only.x, only.y) == pytest.approx(sky(field, 260.0, 600.0), abs=4)


@pytest.mark.parametrize("beside", [-8.0, 8.0])
def test_bad_pixels_beside_a_source_do_not_shift_it(make_field, beside):
    # Four columns without counts, the nearest of them 6.5 pixels away.
    at = CCD_ORIGIN[0][0] + 274 + 1.5 + beside, 600.0
    field = make_field([(*at, 300_000.0)])
    [only] = find_sources(field)
    assert (only.x, only.y) == pytest.approx(sky(field, *at), abs=0.1)


@pytest.mark.parametrize("counts", [3000.0, 1_000_000.0])
def test_something_extended_is_not_broken_into_sources(make_field, counts):
    assert len(find_sources(make_field(clusters=[(748.5, 748.5, counts)]))) <= 1


def test_a_calibration_source_is_no_source_and_hides_none_beside_it(make_field):
    [only] = find_sources(make_field([(919.0, 400.0, 2000.0)]))
    assert only.counts == pytest.approx(2000, rel=0.15)


def test_a_second_source_beside_a_bright_one_is_found(make_field):
    # 4′ apart.
    found = find_sources(make_field([(748.5, 748.5, 3000.0), (884.2, 748.5, 50_000.0)]))
    assert [source.counts for source in found] == pytest.approx([50_000, 3000], rel=0.15)


@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("counts", [0.0, 1000.0, 100_000.0])
def test_the_level_between_sources_is_that_of_the_background(make_field, window, counts):
    field = make_field([(748.5, 748.5, counts)] if counts else [], window=window)
    sources = find_sources(field)
    assert background_level(field, sources) == pytest.approx(0.011, rel=0.05)


def test_the_level_of_a_field_without_events_is_above_zero(make_field):
    field = make_field(level=0.0)
    assert 0 < background_level(field, ()) < 1e-5


def test_a_field_without_exposure_has_neither_sources_nor_a_level_of_zero(make_field):
    field = make_field()
    dark = Field(field.nominal, field.exposure * 0, field.counts, 0.0, field.calibration)
    assert find_sources(dark) == ()
    assert background_level(dark, ()) > 0


@given(st.floats(1, 1e7), st.floats(1e-6, 1.0))
def test_brighter_sources_reach_farther(counts, level):
    source = Source(0.0, 0.0, counts, 5.0)
    assert source.reach(level) <= Source(0.0, 0.0, 2 * counts, 5.0).reach(level)
    assert Source(0.0, 0.0, counts, 5.0, spread=500.0).reach(level) >= 500
