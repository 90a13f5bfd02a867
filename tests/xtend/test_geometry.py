import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    CCD_ORIGIN,
    CCD_SIZE,
    DET_AIM,
    DET_SIZE,
    DET_TO_FOC,
    PIXEL_ARCSEC,
    PIXEL_DEG,
    SKY_CENTRE,
    SKY_SIZE,
    DetPixels,
    binned_size,
    det_to_sky,
    sky_to_det,
)

angles = st.floats(-360, 720)
pixels = st.floats(1, DET_SIZE)


def test_a_pixel_is_a_detector_pixel_seen_from_the_mirror():
    assert pytest.approx(np.degrees(0.048 / 5600), rel=1e-6) == PIXEL_DEG
    assert pytest.approx(1.76798, abs=1e-5) == PIXEL_ARCSEC
    assert DET_AIM == 748.5
    assert SKY_CENTRE == (1 + SKY_SIZE) / 2
    assert DET_TO_FOC == (SKY_SIZE - DET_SIZE) / 2 + 157


def test_the_aim_point_stays_in_the_centre_at_every_angle():
    for pa in (0, 37.5, 90, 180, 300):
        sky = det_to_sky(DetPixels(np.array(DET_AIM), np.array(DET_AIM)), pa)
        assert (float(sky.x), float(sky.y)) == pytest.approx((SKY_CENTRE, SKY_CENTRE))


@pytest.mark.parametrize(("pa", "dx", "dy"), [(0, 0, 100), (90, -100, 0), (180, 0, -100), (270, 100, 0)])
def test_det_y_turns_from_north_to_east(pa, dx, dy):
    """East is towards smaller X."""
    sky = det_to_sky(DetPixels(np.array(DET_AIM), np.array(DET_AIM + 100)), pa)
    assert (sky.x - SKY_CENTRE, sky.y - SKY_CENTRE) == pytest.approx((dx, dy), abs=1e-9)


@settings(deadline=None)
@given(pixels, pixels, angles)
def test_there_and_back(x, y, pa):
    back = sky_to_det(det_to_sky(DetPixels(np.array([x]), np.array([y])), pa), pa)
    assert (back.x[0], back.y[0]) == pytest.approx((x, y), abs=1e-8)


@settings(deadline=None)
@given(pixels, pixels, pixels, pixels, angles)
def test_distances_stay(x1, y1, x2, y2, pa):
    sky = det_to_sky(DetPixels(np.array([x1, x2]), np.array([y1, y2])), pa)
    assert np.hypot(*(np.diff(axis)[0] for axis in (sky.x, sky.y))) == pytest.approx(
        np.hypot(x2 - x1, y2 - y1), abs=1e-8
    )


def test_ccds_lie_apart_inside_the_detector_and_hold_the_aim_point():
    corners = sorted(CCD_ORIGIN.values())
    assert len(set(corners)) == 4
    for x, y in corners:
        assert 1 <= x <= DET_SIZE - CCD_SIZE + 1
        assert 1 <= y <= DET_SIZE - CCD_SIZE + 1
    assert {a[0] - b[0] for a in corners for b in corners if a[0] > b[0]} == {CCD_SIZE + 17}
    aimed = [
        n for n, (x, y) in CCD_ORIGIN.items() if x <= DET_AIM < x + CCD_SIZE and y <= DET_AIM < y + CCD_SIZE
    ]
    assert aimed == [1]  # CCD2


def test_calibration_sources_lie_at_the_two_edges_in_y():
    (x1, y1, r1), (x2, y2, r2) = CALIBRATION_CIRCLES
    assert (x1, y1, r1, x2, y2, r2) == (920, 1530, 92, 919, 271, 91)


@pytest.mark.parametrize(("binning", "size"), [(1, 2430), (4, 607), (8, 303), (2430, 1)])
def test_a_partial_block_is_dropped(binning, size):
    assert binned_size(binning) == size


def test_detector_images_bin_too():
    assert binned_size(4, DET_SIZE) == 452


@pytest.mark.parametrize("binning", [0, -1, 2431])
def test_a_binning_that_leaves_nothing(binning):
    with pytest.raises(BadInput, match="is outside 1–2430"):
        binned_size(binning)
