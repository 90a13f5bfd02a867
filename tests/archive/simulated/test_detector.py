"""The simulated bad-pixel image."""

import numpy as np
import pytest

from tasks.archive.simulated.detector import BAD, CALIBRATION, GOOD, MODES, OUTSIDE, act_of, ccd_of, detector
from tasks.core.identifiers import DataClass
from tasks.xtend.geometry import CCD_ORIGIN, DetPixels


@pytest.fixture(scope="module")
def full():
    return detector(MODES[DataClass("30000010")], 1)


def test_the_four_ccds_and_nothing_else_are_read(full):
    inside = np.zeros_like(full.flags, bool)
    for x, y in CCD_ORIGIN.values():
        inside[y - 1 : y + 639, x - 1 : x + 639] = True
    assert ((full.flags != OUTSIDE) == inside).all()


def test_charge_injection_rows_are_columns_of_constant_detx(full):
    lower_left, right = full.flags[300:890], full.flags[914:1500]
    for number in range(8):
        row = 36 + 80 * number
        for act_y in range(row - 1, row + 3):
            assert (lower_left[:, 256 + act_y - 1] == BAD).all()
            assert (right[:, 1554 - act_y - 1] == BAD).all()
    assert (full.flags == BAD).sum() < 0.1 * (full.flags != OUTSIDE).sum()


def test_bad_wins_over_calibration_and_calibration_over_good(full):
    rows, columns = np.mgrid[1:1811, 1:1811]
    disc = np.hypot(columns - 920, rows - 1530) <= 92
    values = full.flags[disc]
    assert set(np.unique(values)) == {OUTSIDE, CALIBRATION, BAD}
    elsewhere = disc | (np.hypot(columns - 919, rows - 271) <= 91)
    assert not (full.flags[~elsewhere] == CALIBRATION).any()
    assert ((full.causes > 0) == (full.flags == BAD)).all()


@pytest.mark.parametrize("dataclass", ["31100010", "32000010", "300000a0"])
def test_bad_pixels_belong_to_the_detector_not_to_the_mode(full, dataclass):
    other = detector(MODES[DataClass(dataclass)], 1)
    read = other.flags != OUTSIDE
    assert read.any()
    bad_in_full = read & (full.flags == BAD)
    assert (other.flags[bad_in_full] == BAD).all()


def test_ccd_coordinates_cover_each_ccd_once():
    for ccd, (x, y) in CCD_ORIGIN.items():
        corner = DetPixels(np.array([x, x + 639.0]), np.array([y, y + 639.0]))
        assert ccd_of(corner).tolist() == [ccd, ccd]
        act_x, act_y = act_of(corner)
        assert sorted(act_x.tolist()) == sorted(act_y.tolist()) == [1, 640]


def test_share_of_a_source_follows_the_usable_area(full):
    everything = full.share((600.0, 600.0))
    assert 0.7 < everything < 1
    assert full.share((600.0, 600.0), 20.0) < full.share((600.0, 600.0), 60.0) < everything
    assert full.share((257.0, 600.0)) < 0.7 * everything
    assert (full.flags == GOOD).sum() > 1_400_000
