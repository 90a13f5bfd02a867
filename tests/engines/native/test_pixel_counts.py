"""Counts in a frame that grows, whatever the order in which events come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Permanent
from tasks.engines.native.pixel_counts import PixelCounts

POINTS = st.lists(st.tuples(st.integers(-6, 9), st.integers(-3, 12)), max_size=20)


@settings(deadline=None)
@given(
    st.lists(POINTS, max_size=4), st.integers(-8, 8), st.integers(-8, 8), st.integers(1, 9), st.integers(1, 9)
)
def test_every_event_within_a_frame_is_counted(
    parts: list[list[tuple[int, int]]], left: int, bottom: int, width: int, height: int
) -> None:
    counts = PixelCounts("a.evt")
    for part in parts:
        counts.add(*(np.array([point[axis] for point in part], np.intp) for axis in (0, 1)))
    points = [point for part in parts for point in part]
    image = counts.on((left, bottom), (height, width))
    assert image.dtype == np.float32
    expected = np.zeros((height, width))
    for x, y in points:
        if left <= x < left + width and bottom <= y < bottom + height:
            expected[y - bottom, x - left] += 1
    assert np.array_equal(image, expected)
    first, around = counts.around((5, 6))
    if points:
        assert first == (min(x for x, _ in points), min(y for _, y in points))
        assert around.sum() == len(points)
    else:
        assert (first, around.tolist()) == ((5, 6), [[0]])


def test_events_too_far_apart_for_a_map() -> None:
    counts = PixelCounts("wide.evt")
    with pytest.raises(Permanent, match=r"wide\.evt spread over 100001 × 2001 pixels"):
        counts.add(np.array([0, 100_000]), np.array([0, 2000]))
