"""Groups of channels: laws of the minimum and of optimal bins."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.xtend.grouping import (
    GroupingRule,
    group_minimum,
    group_optimal,
    group_optimal_minimum,
    optimal_widths,
    width_at_half_maximum,
)

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


RULES = st.just(GroupingRule("opt")) | st.builds(
    GroupingRule, st.sampled_from(["min", "optmin", "bmin"]), st.integers(1, 9_999_999)
)


@settings(deadline=None)
@given(rule=RULES)
def test_a_rule_is_read_as_it_is_written(rule):
    assert GroupingRule.parse(str(rule)) == rule


@pytest.mark.parametrize(
    "text",
    ["", "min", "min:", "min:0", "min:-1", "min:1.5", "min:01", "min:٣", "opt:3", "optmin", "snmin:3", "Opt",
     " opt", "opt\n", "min:5 ", "bmin:10000000"],
)  # fmt: skip
def test_what_is_no_rule_is_told(text):
    with pytest.raises(BadInput, match=r"is not a grouping: give min:N, opt, optmin:N or bmin:N"):
        GroupingRule.parse(text)


def test_what_a_rule_looks_at():
    rules = [GroupingRule.parse(text) for text in ("min:1", "opt", "optmin:2", "bmin:3")]
    assert [rule.needs_response for rule in rules] == [False, True, True, False]
    assert [rule.needs_background for rule in rules] == [False, False, False, True]


@settings(deadline=None)
@given(counts=spectra, fwhm=st.integers(1, 20), minimum=st.integers(1, 80))
def test_both_at_once_joins_optimal_bins_until_the_minimum_holds(counts, fwhm, minimum):
    resolution = np.full(counts.size, fwhm)
    optimal = group_optimal(counts, resolution)
    flags = group_optimal_minimum(counts, resolution, minimum)
    good = flags.quality == 0
    assert set(flags.grouping.tolist()) <= {1, -1}
    # No group begins or ends within an optimal bin.
    assert (optimal.grouping[flags.grouping == 1] == 1).all()
    # Good groups come first and reach the minimum; without their last optimal bin they do not.
    assert (np.diff(good.astype(int)) <= 0).all()
    starts = [*np.flatnonzero((flags.grouping == 1) & good), int(good.sum())]
    bins = np.flatnonzero(optimal.grouping == 1)
    for start, stop in pairwise(starts):
        assert counts[start:stop].sum() >= minimum
        last = bins[bins < stop][-1]
        assert last == start or counts[start:last].sum() < minimum
    # What is left stays in its optimal bins and is doubtful.
    assert (flags.grouping[~good] == optimal.grouping[~good]).all()
    assert counts[~good].sum() < minimum


@settings(deadline=None)
@given(counts=spectra, fwhm=st.integers(1, 20))
def test_a_greater_minimum_never_makes_more_groups(counts, fwhm):
    resolution = np.full(counts.size, fwhm)
    numbers = []
    for minimum in (1, 2, 5, 20, 80):
        flags = group_optimal_minimum(counts, resolution, minimum)
        numbers.append(int(((flags.grouping == 1) & (flags.quality == 0)).sum()))
    assert numbers == sorted(numbers, reverse=True)


def test_a_minimum_that_every_bin_holds_changes_nothing():
    counts, fwhm = np.full(60, 3), np.full(60, 6)
    assert (group_optimal_minimum(counts, fwhm, 1).grouping == group_optimal(counts, fwhm).grouping).all()
