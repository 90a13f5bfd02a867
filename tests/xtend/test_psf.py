import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.xtend.geometry import PIXEL_ARCSEC
from tasks.xtend.psf import brightness, enclosed, radius_of


def test_sizes_are_the_published_ones():
    radii = np.linspace(0, 100, 10_001)
    half_power = 2 * np.interp(0.5, enclosed(radii), radii)
    assert 80 <= half_power <= 88
    fine = brightness(radii / PIXEL_ARCSEC)
    half_maximum = 2 * np.interp(-0.5, -fine / fine[0], radii)
    assert 7 <= half_maximum <= 10


def test_what_pixels_hold_adds_up_to_what_is_enclosed():
    axis = np.arange(-300.0, 301)
    distance = np.hypot(axis, axis[:, None])
    for radius in (20.0, 60.0, 250.0):
        held = brightness(distance)[distance <= radius].sum()
        assert held == pytest.approx(float(enclosed(radius * PIXEL_ARCSEC)), rel=0.01)


def test_all_light_is_enclosed_in_the_end():
    assert enclosed(1e7) == pytest.approx(1.0)
    assert enclosed(0.0) == 0


@given(st.floats(0.2, 2000))
def test_the_radius_of_a_brightness_is_where_it_has_it(radius):
    assert radius_of(float(brightness(radius))) == pytest.approx(radius, rel=0.02)


def test_what_is_brighter_than_the_peak_is_nowhere():
    assert radius_of(1.0) == 0
