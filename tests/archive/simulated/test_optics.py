"""The simulated mirror."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tasks.archive.simulated.optics import draw_offsets, effective_area, enclosed, psf_density, vignetting
from tasks.xtend.geometry import PIXEL_ARCSEC


def test_half_power_diameter_is_that_of_the_instrument():
    radius = np.linspace(0.1, 300, 30000)
    assert 80 < 2 * np.interp(0.5, enclosed(radius), radius) < 88


@settings(deadline=None)
@given(st.floats(1, 600), st.floats(1, 600))
def test_more_is_enclosed_in_a_larger_circle(a, b):
    small, large = sorted((a, b))
    assert 0 < enclosed(small) <= enclosed(large) < 1


def test_density_sums_to_what_is_enclosed():
    y, x = np.mgrid[-100:101, -100:101]
    radius = np.hypot(x, y)
    inside = radius <= 80
    assert psf_density(radius)[inside].sum() == pytest.approx(float(enclosed(80 * PIXEL_ARCSEC)), rel=0.03)


def test_drawn_photons_follow_the_function():
    dx, dy = draw_offsets(np.random.default_rng(4), 100_000)
    radius = np.hypot(dx, dy) * PIXEL_ARCSEC
    for limit in (5.0, 42.0, 120.0):
        assert (radius < limit).mean() == pytest.approx(float(enclosed(limit)), abs=0.006)
    assert abs(np.median(dx)) < 0.2


def test_area_is_near_the_published_one_and_falls_off_axis():
    assert effective_area(np.array([1.5, 6.0])) == pytest.approx([420, 310])
    assert vignetting(0.0) == 1
    assert 0.4 < vignetting(13.0) < 0.6
