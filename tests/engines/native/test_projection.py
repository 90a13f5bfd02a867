"""Coverage of SKY pixels by detector masks: exact cases, laws, and the real exposure-map tool."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.native.attitude import Attitude
from tasks.engines.native.projection import coverage, nominal_coverage, sky_to_det_matrix
from tasks.xtend.geometry import DET_SIZE, DET_TO_FOC, SKY_SIZE, DetPixels, det_to_sky
from tasks.xtend.nominal import Nominal

NOMINAL = Nominal(187.70593, 12.39112, 273.4)
angles = st.floats(0, 360, allow_nan=False)


def block(left: int, bottom: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((DET_SIZE, DET_SIZE), bool)
    mask[bottom : bottom + height, left : left + width] = True
    return mask


def test_without_rotation_the_mask_is_only_shifted():
    mask = np.zeros((DET_SIZE, DET_SIZE), bool)
    mask[:300, :200] = np.random.default_rng(1).random((300, 200)) < 0.5
    shown = nominal_coverage(mask, Nominal(30.0, -45.0, 0.0))
    expected = np.zeros((SKY_SIZE, SKY_SIZE))
    shift = int(DET_TO_FOC)
    expected[shift : shift + 300, shift : shift + 200] = mask[:300, :200]
    assert shown.dtype == np.float32
    assert np.abs(shown - expected).max() < 1e-5


def test_a_square_turned_by_half_a_right_angle_has_the_area_of_its_overlaps():
    # Four pixels around the aim point become the diamond |u| + |v| ≤ √2 about a corner of SKY pixels: each
    # of the four pixels there loses a triangle of legs 2 − √2, each outer neighbour gains one of √2 − 1.
    shown = nominal_coverage(block(747, 747, 2, 2), Nominal(10.0, 0.0, 45.0))
    inner, outer = 1 - (2 - np.sqrt(2)) ** 2 / 2, (np.sqrt(2) - 1) ** 2 / 2
    corner, side = [0, outer, outer, 0], [outer, inner, inner, outer]
    assert shown[1213:1217, 1213:1217] == pytest.approx(np.array([corner, side, side, corner]), abs=1e-6)
    assert shown.sum(dtype=float) == pytest.approx(4, abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(
    angle=angles,
    left=st.integers(400, 1300),
    bottom=st.integers(400, 1300),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
)
def test_area_is_conserved(angle, left, bottom, width, height):
    shown = nominal_coverage(block(left, bottom, width, height), Nominal(100.0, 60.0, angle))
    assert shown.min() >= 0
    assert shown.max() <= 1 + 1e-6
    assert shown.sum(dtype=float) == pytest.approx(width * height, rel=1e-5)


def test_a_mask_that_is_nothing_but_edges_keeps_its_area():
    mask = np.zeros((DET_SIZE, DET_SIZE), bool)
    mask[300:700, 900:1300] = np.random.default_rng(2).random((400, 400)) < 0.5
    shown = nominal_coverage(mask, Nominal(100.0, 60.0, 37.0))
    assert ((shown > 0) & (shown < 1)).sum() > 100_000
    assert shown.sum(dtype=float) == pytest.approx(mask.sum(), rel=1e-6)
    # Half a turn shows the same pixels, the last first.
    turned = nominal_coverage(mask, Nominal(100.0, 60.0, 217.0))
    assert turned[::-1, ::-1] == pytest.approx(shown, abs=1e-5)


@settings(deadline=None, max_examples=10)
@given(angle=angles, seed=st.integers(0, 1000), offset=st.floats(-0.02, 0.02))
def test_sampling_each_pixel_finely_gives_the_same(angle, seed, offset):
    rng = np.random.default_rng(seed)
    mask = np.zeros((DET_SIZE, DET_SIZE), bool)
    mask[700:740, 700:740] = rng.random((40, 40)) < 0.6
    nominal, attitude = Nominal(83.6, 22.0, angle), Attitude(83.6 + offset, 22.0 - offset, angle + 0.1)
    shown = coverage(mask, attitude, nominal)
    rows, columns = np.nonzero(shown)
    steps = (np.arange(24) + 0.5) / 24 - 0.5
    x = columns[:, None, None] + 1 + steps[None, :, None]
    y = rows[:, None, None] + 1 + steps[None, None, :]
    h = sky_to_det_matrix(attitude, nominal)
    w = h[2, 0] * x + h[2, 1] * y + h[2, 2]
    det_x = np.rint((h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w).astype(int) - 1
    det_y = np.rint((h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w).astype(int) - 1
    sampled = mask[det_y, det_x].mean(axis=(1, 2))
    # A straight edge passes about 24 of 576 samples by up to half a sample.
    assert np.abs(shown[rows, columns] - sampled).max() < 0.05
    assert np.abs(shown[rows, columns] - sampled).mean() < 0.01
    assert shown.sum(dtype=float) == pytest.approx(mask.sum(), rel=1e-5)


def test_the_matrix_is_the_inverse_of_the_nominal_transform():
    det = DetPixels(np.array([1.0, 748.5, 1810.0]), np.array([1500.0, 748.5, 20.0]))
    sky = det_to_sky(det, NOMINAL.pa)
    matrix = sky_to_det_matrix(Attitude(NOMINAL.ra, NOMINAL.dec, NOMINAL.pa), NOMINAL)
    x, y, w = matrix @ np.array([sky.x, sky.y, np.ones(3)])
    assert x / w == pytest.approx(det.x, abs=1e-8)
    assert y / w == pytest.approx(det.y, abs=1e-8)


def test_another_attitude_carries_positions_over_the_sky():
    attitude = Attitude(NOMINAL.ra + 0.03, NOMINAL.dec - 0.02, 40.0)
    det = DetPixels(np.array([300.0, 1500.0]), np.array([300.0, 1200.0]))
    sky = Nominal(attitude.ra, attitude.dec, attitude.roll)
    ra, dec = sky.world(det_to_sky(det, attitude.roll))
    seen = NOMINAL.sky(ra, dec)
    x, y, w = sky_to_det_matrix(attitude, NOMINAL) @ np.array([seen.x, seen.y, np.ones(2)])
    assert x / w == pytest.approx(det.x, abs=1e-6)
    assert y / w == pytest.approx(det.y, abs=1e-6)


@pytest.mark.parametrize("attitude", [Attitude(187.7, 50.0, 0.0), Attitude(187.70593 - 180, -12.39112, 0.0)])
def test_a_telescope_that_points_elsewhere_covers_nothing(attitude):
    assert not coverage(block(700, 700, 50, 50), attitude, NOMINAL).any()


def test_an_empty_mask_covers_nothing():
    assert not nominal_coverage(np.zeros((DET_SIZE, DET_SIZE), bool), NOMINAL).any()


def test_edges_agree_with_the_exposure_map_tool(alpha):
    with fits.open(alpha / "ref" / "expmap.fits.gz") as hdus:
        row, reference = hdus["OFFAXISHIST"].data[0], hdus[0].data.astype(float)
    mask = fits.getdata(alpha / "xa900000010xtd_p030000010.bimg.gz") == 0
    attitude = Attitude(row["RANOMXP"], row["DECNOMXP"], row["PA_NOMXP"])
    fraction = reference / row["TIMEINTERVAL"]
    assert np.abs(coverage(mask, attitude, NOMINAL) - fraction).max() < 1e-5
