import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.geometry import (
    DET_AIM,
    PIXEL_ARCSEC,
    PIXEL_DEG,
    SKY_CENTRE,
    SKY_SIZE,
    DetPixels,
    SkyPixels,
    det_to_sky,
)
from tasks.xtend.nominal import Nominal


@settings(deadline=None)
@given(st.floats(0, 359.99), st.floats(-80, 80), st.floats(0, 360))
def test_pa_is_the_position_angle_of_det_y_on_the_real_sky(ra, dec, pa):
    nominal = Nominal(ra, dec, pa)
    sky = det_to_sky(DetPixels(np.array([DET_AIM, DET_AIM]), np.array([DET_AIM, DET_AIM + 300])), pa)
    here, there = SkyCoord(*nominal.world(sky), unit="deg")
    turned = (here.position_angle(there).deg - pa + 180) % 360 - 180
    assert turned == pytest.approx(0, abs=1e-6)
    assert here.separation(there).arcsec == pytest.approx(300 * PIXEL_ARCSEC, rel=1e-5)


@settings(deadline=None)
@given(st.floats(0, 359.99), st.floats(-89, 89), st.floats(1, SKY_SIZE), st.floats(1, SKY_SIZE))
def test_sky_pixels_there_and_back(ra, dec, x, y):
    nominal = Nominal(ra, dec, 0.0)
    back = nominal.sky(*nominal.world(SkyPixels(np.array(x), np.array(y))))
    assert (float(back.x), float(back.y)) == pytest.approx((x, y), abs=1e-6)


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (359.9999, -30.0), (81.259, -69.643), (10.0, 89.9)])
def test_the_nominal_position_is_the_centre(ra, dec):
    nominal = Nominal(ra, dec, 12.0)
    sky = nominal.sky(ra, dec)
    assert (float(sky.x), float(sky.y)) == pytest.approx((SKY_CENTRE, SKY_CENTRE))
    north = nominal.sky(ra, dec + 0.01)
    assert float(north.y) == pytest.approx(SKY_CENTRE + 0.01 / PIXEL_DEG, rel=1e-6)


def test_east_is_left():
    east = SkyCoord(40 * u.deg, 20 * u.deg).directional_offset_by(90 * u.deg, 1 * u.arcmin)
    sky = Nominal(40.0, 20.0, 77.0).sky(east.ra.deg, east.dec.deg)
    assert float(sky.x) == pytest.approx(SKY_CENTRE - 60 / PIXEL_ARCSEC, rel=1e-4)
