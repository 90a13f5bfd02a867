"""Flickering pixels are found among sources, rows without pixels and noise, and nothing else is."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.archive.simulated.optics import psf_density
from tasks.engines.native.outliers import OutlierCounter, outliers
from tasks.xtend.geometry import CALIBRATION_CIRCLES, DET_SIZE

PLACE = (1000, 600)


def field(level=0.0, source=0.0, seed=1, at=PLACE):
    """Poisson counts of a level field and a point source; charge-injection rows are without."""
    y, x = np.mgrid[1 : DET_SIZE + 1, 1 : DET_SIZE + 1]
    expected = np.full((DET_SIZE, DET_SIZE), float(level))
    if source:
        expected += source * psf_density(np.hypot(x - at[0] - 0.3, y - at[1] + 0.2))
    expected[:, 35::80] = 0
    expected[:, 36::80] = 0
    return np.random.default_rng(seed).poisson(expected).astype(np.int32)


@pytest.mark.parametrize("level", [0.0, 0.01, 0.3, 5.0])
@pytest.mark.parametrize("source", [0.0, 1e3, 1e5, 3e6])
def test_fields_and_sources_hold_none(level, source):
    # One source beside charge-injection rows, whose pixels have dark ones around.
    for at in (PLACE, (1077, 600)):
        assert outliers(field(level, source, at=at)).counts.size == 0


@pytest.mark.parametrize(("level", "events"), [(0.0, 10), (0.01, 10), (0.3, 25), (5.0, 60)])
def test_a_bright_pixel_is_found_wherever_it_is(level, events):
    counts = field(level)
    for x, y in ((1, 1), (1810, 1810), (700, 333), (37, 500)):
        counts[y - 1, x - 1] = events
    found = outliers(counts)
    assert set(zip(found.x.tolist(), found.y.tolist(), strict=True)) == {
        (1, 1), (1810, 1810), (700, 333), (37, 500)
    }  # fmt: skip
    assert (found.counts == events).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(3, 1800), st.integers(3, 1800))
def test_pixels_that_share_their_events_are_found_together(x, y):
    counts = np.zeros((DET_SIZE, DET_SIZE), np.int32)
    counts[y - 1 : y + 1, x - 1 : x + 1] = 40
    found = outliers(counts)
    in_calibration = any(np.hypot(x - a, y - b) < r + 2 for a, b, r in CALIBRATION_CIRCLES)
    assert found.counts.tolist() == [40] * 4 or in_calibration


def test_a_few_events_are_nothing():
    counts = np.zeros((DET_SIZE, DET_SIZE), np.int32)
    counts[500, 500] = 9
    assert outliers(counts).counts.size == 0


def test_calibration_sources_are_left_out():
    counts = np.zeros((DET_SIZE, DET_SIZE), np.int32)
    for x, y, _ in CALIBRATION_CIRCLES:
        counts[int(y) - 1, int(x) - 1] = 1000
    assert outliers(counts).counts.size == 0


def test_chunks_add_up_and_what_is_off_the_detector_does_not_count():
    counter = OutlierCounter()
    x, y = np.full(8, 700, np.int16), np.full(8, 333, np.int16)
    for _ in range(2):
        counter.add(SimpleNamespace(columns={"DETX": x, "DETY": y}))
    counter.add(SimpleNamespace(columns={"DETX": np.array([-999, 0, 1811]), "DETY": np.array([5, 5, 5])}))
    counter.add(SimpleNamespace(columns={"DETX": np.full(20, 9), "DETY": np.full(20, 8)}))
    assert counter.outliers().facts == {
        "pixels": 2, "events": 36, "brightest": [[9, 8, 20], [700, 333, 16]]
    }  # fmt: skip
