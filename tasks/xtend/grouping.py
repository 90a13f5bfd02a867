"""Grouping of spectral channels: a minimum of counts as grppha, and optimal binning."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Shorts = NDArray[np.int16]

_WITHIN_FWHM: Final = 1.314
"""Counts of a Gaussian line over those within its FWHM."""
_COARSEST: Final = 2.119
"""Up to this x (Kaastra & Bleeker 2016, eq. 36) a bin is one FWHM wide."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """OGIP flags of each channel.

    Parameters
    ----------
    grouping : ndarray of int16, shape (n,)
        1 where a group starts, −1 within it.
    quality : ndarray of int16, shape (n,)
        0 good, 2 doubtful.
    """

    grouping: Shorts
    quality: Shorts


def group_minimum(counts: NDArray[Any], minimum: int) -> Grouping:
    """Groups of at least `minimum` counts, greedily from the first channel.

    The channels of a tail that never reaches it stay alone and are doubtful, as in grppha.

    Parameters
    ----------
    counts : array (n,)
        Counts of each channel.
    minimum : int
        At least 1.
    """
    reached = np.cumsum(counts, dtype=np.int64)
    grouping, quality = np.full(counts.size, -1, np.int16), np.zeros(counts.size, np.int16)
    start, before = 0, 0
    while start < counts.size:
        last = int(np.searchsorted(reached, before + minimum))
        if last == counts.size:
            grouping[start:], quality[start:] = 1, 2
            break
        grouping[start] = 1
        start, before = last + 1, int(reached[last])
    return Grouping(grouping, quality)


def group_optimal(counts: NDArray[Any], fwhm: NDArray[np.int64]) -> Grouping:
    """Bins after Kaastra & Bleeker (2016): as wide as the resolution and the counts within it allow.

    Parameters
    ----------
    counts : array (n,)
        Counts of each channel.
    fwhm : array (n,)
        Resolution in channels.
    """
    width = optimal_widths(counts, fwhm)
    ends = np.arange(counts.size) + width
    grouping = np.full(counts.size, -1, np.int16)
    start = 0
    while start < counts.size:
        grouping[start] = 1
        # A bin does not reach beyond one that would start within it.
        start = int(ends[start : ends[start]].min())
    return Grouping(grouping, np.zeros(counts.size, np.int16))


def optimal_widths(counts: NDArray[Any], fwhm: NDArray[np.int64]) -> NDArray[np.int64]:
    """Width in channels, shape (n,), of the optimal bin that starts at each; arguments as `group_optimal`."""
    elements = 1 + (1 / fwhm).sum()
    channel = np.arange(counts.size)
    reached = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    low = np.clip(channel - fwhm // 2, 0, counts.size)
    high = np.clip(channel + fwhm // 2 + 2, 0, counts.size)
    within = (reached[high] - reached[low]) * _WITHIN_FWHM * (1 + 0.2 * np.log(elements))
    x = np.log(np.maximum(within, 1.0))
    # Where x is small the fraction is not used; the floor keeps it from dividing by zero.
    y = np.maximum(x, _COARSEST)
    fraction = np.where(x > _COARSEST, (0.08 * y + 7 + 1.8 / y) / (y + 5.9), 1.0)
    return np.maximum((fwhm * fraction).astype(np.int64), 1)


def width_at_half_maximum(response: NDArray[np.float64]) -> int:
    """Resolution that a row of a matrix shows, in channels, at least 1.

    The first channels below half of the peak on its two sides are that far apart; where one side is cut off
    by the end of the channels, it is twice the other.
    """
    peak = int(response.argmax())
    low = response < response[peak] / 2
    below, above = np.flatnonzero(low[:peak]), np.flatnonzero(low[peak:])
    left = peak - int(below[-1]) if below.size else None
    right = int(above[0]) if above.size else None
    if left is None and right is None:
        return int(response.size)
    return max((left or right or 0) + (right or left or 0), 1)
