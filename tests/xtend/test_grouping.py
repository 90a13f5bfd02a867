"""Groups of channels: laws of the minimum and of optimal bins."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.grouping import group_minimum, group_optimal, optimal_widths, width_at_half_maximum

spectra = st.lists(st.integers(0, 30), min_size=1, max_size=120).map(np.array)


def sums(counts, flags):
    return np.add.reduceat(counts, np.flatnonzero(flags.grouping == 1))


@settings(deadline=None)
@given(counts=spectra, minimum=st.integers(1, 80))
def test_every_group_reaches_the_minimum_and_no_sooner(counts, minimum):
    flags = group_minimum(counts, minimum)
    good = flags.quality == 0
    assert set(flags.grouping.tolist()) <= {1, -1}
    assert flags.grouping[0] == 1
    assert sums(counts, flags).sum() == counts.sum()
    # The doubtful ones are a tail of single channels that together stay below the minimum.
    assert (np.diff(good.astype(int)) <= 0).all()
    assert (flags.grouping[~good] == 1).all()
    assert (flags.quality[~good] == 2).all()
    assert counts[~good].sum() < minimum
    starts = np.flatnonzero((flags.grouping == 1) & good)
    for start, stop in zip(starts, [*starts, int(good.sum())][1:], strict=True):
        assert counts[start:stop].sum() >= minimum
        assert counts[start : stop - 1].sum() < minimum


def test_an_empty_tail_is_doubtful():
    flags = group_minimum(np.array([0, 2, 1, 0, 0]), 1)
    assert flags.grouping.tolist() == [1, -1, 1, 1, 1]
    assert flags.quality.tolist() == [0, 0, 0, 2, 2]


@settings(deadline=None)
@given(counts=spectra, fwhm=st.integers(1, 20))
def test_optimal_bins_are_never_wider_than_the_resolution(counts, fwhm):
    resolution = np.full(counts.size, fwhm)
    flags = group_optimal(counts, resolution)
    widths = np.diff([*np.flatnonzero(flags.grouping == 1), counts.size])
    assert sums(counts, flags).sum() == counts.sum()
    assert widths.max() <= fwhm
    assert (flags.quality == 0).all()
    assert (optimal_widths(counts + 1000, resolution) <= optimal_widths(counts, resolution)).all()
    assert (optimal_widths(counts * 0, resolution) == fwhm).all()


def test_a_bin_does_not_reach_beyond_a_narrower_one():
    fwhm = np.array([9, 9, 9, 2, 2, 2, 2, 2, 2, 9])
    flags = group_optimal(np.zeros(10, int), fwhm)
    assert np.flatnonzero(flags.grouping == 1).tolist() == [0, 5, 7, 9]


def test_the_width_of_a_response():
    assert width_at_half_maximum(np.array([0, 1, 4, 10, 6, 2, 0.0])) == 3
    # Cut off on the left: twice the other side.
    assert width_at_half_maximum(np.array([10, 9, 8, 2, 0.0])) == 6
    assert width_at_half_maximum(np.array([0, 0, 1.0])) == 2
    assert width_at_half_maximum(np.ones(5)) == 5
