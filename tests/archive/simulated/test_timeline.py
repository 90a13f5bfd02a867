"""Orbit and good time of the simulated satellite."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tasks.archive.simulated.detector import MODES
from tasks.archive.simulated.timeline import (
    CYCLE,
    each_frame,
    frames,
    good_cycles,
    ground_track,
    in_saa,
    merged,
)
from tasks.core.identifiers import DataClass

FULL, EIGHTH = MODES[DataClass("30000010")], MODES[DataClass("31100010")]


@pytest.mark.parametrize(
    ("longitude", "latitude", "inside"),
    [
        (-50, -25, True),
        (-20, -30, True),
        (0, 10, False),
        (140, -25, False),
        (-100, -30, False),
        (15, -25, True),
    ],
)
def test_the_anomaly_lies_over_the_south_atlantic(longitude, latitude, inside):
    assert bool(in_saa(np.array([float(longitude)]), np.array([float(latitude)]))[0]) is inside


def test_the_ground_track_stays_within_the_inclination():
    longitude, latitude = ground_track(np.arange(0, 1e5, 10.0))
    assert np.abs(latitude).max() == pytest.approx(31, abs=0.01)
    assert ((longitude >= -180) & (longitude < 180)).all()


def test_about_six_tenths_of_an_orbit_are_good():
    assert 0.5 < good_cycles(1.5e8, 10 * 5700).mean() < 0.63


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60))
def test_merged_and_single_intervals_cover_the_same_frames(cycles):
    good = np.array(cycles, bool)
    for mode, live in ((FULL, 3.96), (EIGHTH, 3.72)):
        exposures = frames(1.5e8, good, mode)
        whole, single = merged(exposures), each_frame(exposures)
        assert single.total == pytest.approx(live * good.sum())
        assert len(single.start) == mode.exposures * good.sum()
        assert len(whole.start) == (np.diff(np.r_[0, good.astype(int)]) == 1).sum()
        assert whole.total == pytest.approx(CYCLE * good.sum() - mode.dead * len(whole.start))
        assert ((exposures.middle > exposures.start) & (exposures.middle < exposures.stop)).all()
        assert (np.diff(exposures.start) > 0).all()
