"""Good-time intervals: laws that hold for any intervals, and bounds that are inclusive."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.native.gti import Gti, union

whole = st.integers(0, 60).map(float)
intervals = st.lists(st.tuples(whole, whole), max_size=12).map(
    lambda pairs: Gti.merged([a for a, _ in pairs], [b for _, b in pairs])
)
POINTS = np.arange(-1, 62) + 0.5


@settings(deadline=None)
@given(st.lists(st.tuples(whole, whole), max_size=12))
def test_merging_keeps_the_union(pairs: list[tuple[float, float]]) -> None:
    gti = Gti.merged([a for a, _ in pairs], [b for _, b in pairs])
    inside = np.array([any(a <= point <= b for a, b in pairs) for point in POINTS])
    assert np.array_equal(gti.contains(POINTS), inside)
    assert np.all(gti.stop > gti.start)
    assert np.all(gti.start[1:] > gti.stop[:-1])
    assert gti.total == inside.sum()


@settings(deadline=None)
@given(intervals, intervals)
def test_a_union_holds_what_either_holds(one: Gti, other: Gti) -> None:
    both = union((one, other))
    assert np.array_equal(both.contains(POINTS), one.contains(POINTS) | other.contains(POINTS))
    assert max(one.total, other.total) <= both.total <= one.total + other.total


@settings(deadline=None)
@given(intervals, st.lists(whole, min_size=2, max_size=20, unique=True))
def test_overlap_is_the_good_time_of_each_bin(gti: Gti, edges: list[float]) -> None:
    bounds = np.sort(np.array(edges))
    expected = [
        np.clip(np.minimum(gti.stop, b) - np.maximum(gti.start, a), 0, None).sum()
        for a, b in pairwise(bounds)
    ]
    assert np.allclose(gti.overlap(bounds[:-1], bounds[1:]), expected, atol=1e-9)


@settings(deadline=None)
@given(intervals, st.integers(0, 60))
def test_closing_fills_short_gaps_alone(gti: Gti, gap: int) -> None:
    closed = gti.closed(gap)
    gaps = gti.start[1:] - gti.stop[:-1]
    assert closed.total == gti.total + gaps[gaps <= gap].sum()
    assert np.all(closed.start[1:] - closed.stop[:-1] > gap)
    assert np.all(closed.contains(POINTS)[gti.contains(POINTS)])


def test_both_ends_are_inclusive() -> None:
    gti = Gti.merged([10.0, 30.0], [20.0, 40.0])
    times = [9.999, 10.0, 20.0, 20.001, 30.0, 40.0, 40.001]
    assert gti.contains(times).tolist() == [False, True, True, False, True, True, False]


def test_touching_intervals_become_one() -> None:
    gti = Gti.merged([20.0, 10.0], [30.0, 20.0])
    assert gti.start.tolist() == [10.0]
    assert gti.stop.tolist() == [30.0]


def test_no_interval_is_no_good_time() -> None:
    nothing = Gti.merged([], [])
    assert nothing.total == 0
    assert not nothing.contains([0.0, 1.0]).any()
    assert nothing.overlap(np.array([0.0, 1.0]), np.array([1.0, 2.0])).tolist() == [0.0, 0.0]
    assert union([nothing, Gti.merged([1.0], [2.0])]).total == 1


def test_one_row_per_frame() -> None:
    start = 1.7e8 + 4.0 * np.arange(100_000)
    gti = Gti.merged(start, start + 3.96)
    assert gti.start.size == 100_000
    begin = 1.7e8 + 200.0 * np.arange(2000)
    assert gti.overlap(begin, begin + 200.0) == pytest.approx(50 * 3.96, abs=1e-5)
