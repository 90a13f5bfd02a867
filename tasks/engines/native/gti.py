"""Good-time intervals: sorted, disjoint, and vectorised, for a list may hold one row per frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gti:
    """Disjoint closed intervals in ascending order; make them with `merged`.

    Parameters
    ----------
    start, stop : ndarray of float64, shape (n,)
        Bounds in seconds, both inclusive.
    """

    start: Floats
    stop: Floats

    @classmethod
    def merged(cls, start: ArrayLike, stop: ArrayLike) -> Self:
        """Intervals in any order, overlapping or not; those without length are left out.

        Parameters
        ----------
        start, stop : array_like, shape (n,)
            Bounds in seconds.
        """
        begin, end = np.asarray(start, float).ravel(), np.asarray(stop, float).ravel()
        real = end > begin
        order = np.argsort(begin[real], kind="stable")
        begin, end = begin[real][order], np.maximum.accumulate(end[real][order])
        opens = np.ones(begin.size, bool)
        opens[1:] = begin[1:] > end[:-1]
        closes = np.roll(opens, -1)
        return cls(begin[opens], end[closes])

    @property
    def total(self) -> float:
        """Sum of the lengths in seconds."""
        return float((self.stop - self.start).sum())

    def closed(self, gap: float) -> Self:
        """The same without the gaps of at most this many seconds."""
        opens = np.ones(self.start.size, bool)
        opens[1:] = self.start[1:] - self.stop[:-1] > gap
        return type(self)(self.start[opens], self.stop[np.roll(opens, -1)])

    def contains(self, times: ArrayLike) -> NDArray[np.bool_]:
        """Which times (seconds, any shape) lie inside or on a bound; bool of the same shape."""
        time = np.asarray(times, float)
        if not self.start.size:
            return np.zeros(time.shape, bool)
        index = np.searchsorted(self.start, time, side="right") - 1
        return (index >= 0) & (time <= self.stop[np.maximum(index, 0)])

    def overlap(self, begin: Floats, end: Floats) -> Floats:
        """Good time within each bin in seconds, shape (m,).

        It is added up interval by interval and rounded as HEASoft does, so that the same bins are full.

        Parameters
        ----------
        begin, end : ndarray of float64, shape (m,)
            Bounds of bins in ascending order.
        """
        first = np.searchsorted(end, self.start, side="right")
        count = np.maximum(np.searchsorted(begin, self.stop, side="left") - first, 0)
        interval = np.repeat(np.arange(count.size), count)
        place = np.arange(interval.size) - np.repeat(np.cumsum(count) - count - first, count)
        lower = np.maximum(self.start[interval], begin[place])
        upper = np.minimum(self.stop[interval], end[place])
        shared = np.bincount(place, upper - lower, minlength=begin.size).astype(np.float64)
        several = np.flatnonzero((np.bincount(place, minlength=begin.size) > 1)[place])
        place, lower, upper = place[several], lower[several], upper[several]
        within = (lower > begin[place]) & (upper < end[place])
        sums = dict.fromkeys(place.tolist(), 0.0)
        for number, low, high, whole in zip(
            *(part.tolist() for part in (place, lower, upper, within)), strict=True
        ):
            # An interval within the bin is added bound by bound, one that is cut by its length.
            sums[number] = sums[number] + high - low if whole else high - low + sums[number]
        shared[list(sums)] = list(sums.values())
        return shared


def union(parts: Sequence[Gti]) -> Gti:
    """Everything that is good in one of the lists."""
    return Gti.merged(
        np.concatenate([part.start for part in parts]), np.concatenate([part.stop for part in parts])
    )
