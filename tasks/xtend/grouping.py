"""Grouping of spectral channels: a minimum of counts as grppha, optimal binning, and both at once."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput

GroupingKind = Literal["min", "opt", "optmin", "bmin"]
Shorts = NDArray[np.int16]

GROUPING_PATTERN: Final = r"^(opt|(min|optmin|bmin):[1-9][0-9]{0,6})$"

_WITHIN_FWHM: Final = 1.314
"""Counts of a Gaussian line over those within its FWHM."""
_COARSEST: Final = 2.119
"""Up to this x (Kaastra & Bleeker 2016, eq. 36) a bin is one FWHM wide."""


@dataclass(frozen=True)
class GroupingRule:
    """How a source spectrum is grouped.

    Parameters
    ----------
    kind : {"min", "opt", "optmin", "bmin"}
        By a minimum of counts, optimally (Kaastra & Bleeker 2016), both at once, or by a minimum of counts
        of the background spectrum in the groups of the source, which W (wstat) wants.
    least : int or None
        That minimum, at least 1; None for `opt`.
    """

    kind: GroupingKind
    least: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rule written `min:N`, `opt`, `optmin:N` or `bmin:N`.

        Raises
        ------
        BadInput
            When the text is none of these.
        """
        if not re.fullmatch(GROUPING_PATTERN, text, re.ASCII):
            raise BadInput(
                f"{text!r} is not a grouping: give min:N, opt, optmin:N or bmin:N with N of 1 or more"
            )
        name, _, least = text.partition(":")
        kind = next(known for known in get_args(GroupingKind) if known == name)
        return cls(kind, int(least) if least else None)

    @property
    def needs_response(self) -> bool:
        """Whether it looks at the resolution, which the RMF tells."""
        return self.kind in ("opt", "optmin")

    @property
    def needs_background(self) -> bool:
        """Whether it looks at the counts of the background spectrum."""
        return self.kind == "bmin"

    def __str__(self) -> str:
        return self.kind if self.least is None else f"{self.kind}:{self.least}"


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


def group_optimal_minimum(counts: NDArray[Any], fwhm: NDArray[np.int64], minimum: int) -> Grouping:
    """Optimal bins, joined from the first one on until each group holds at least `minimum` counts.

    The bins of a tail that never reaches it stay as they are and are doubtful.

    Parameters
    ----------
    counts, fwhm
        As `group_optimal`.
    minimum : int
        At least 1.
    """
    starts = np.flatnonzero(group_optimal(counts, fwhm).grouping == 1)
    joined = group_minimum(np.add.reduceat(counts, starts), minimum)
    grouping = np.full(counts.size, -1, np.int16)
    grouping[starts[joined.grouping == 1]] = 1
    return Grouping(grouping, np.repeat(joined.quality, np.diff(starts, append=counts.size)))


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
