"""Flickering pixels: single DET pixels with far more events than the pixels around them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.engines.native.selection import Chunk
from tasks.xtend.geometry import CALIBRATION_CIRCLES, DET_SIZE

DETECTOR: Final = ("DETX", "DETY")
_LEAST: Final = 10
"""Events below which a pixel is not looked at."""
_REACH: Final = 2
"""Pixels around that are compared: a square of 5×5."""
_ALIKE: Final = 3
"""Pixels around that may be as bright: a flickering pixel spills over where DET pixels are turned."""
_STEEP: Final = 2.0
"""How much brighter than the pixels around the middle of a point source may be."""
_UNLIKELY: Final = np.log(1e9)
"""Of three million pixels none is to be found by chance."""
_SHOWN: Final = 5


@dataclass(frozen=True, eq=False)
class Outliers:
    """Pixels that stick out.

    Parameters
    ----------
    x, y : ndarray of int, shape (n,)
        DETX and DETY, the brightest first.
    counts : ndarray of int, shape (n,)
        Their events.
    """

    x: NDArray[np.intp]
    y: NDArray[np.intp]
    counts: NDArray[np.int32]

    @property
    def facts(self) -> dict[str, Any]:
        """For reports: how many pixels and events, and the brightest as (DETX, DETY, events)."""
        brightest = [list(map(int, each)) for each in zip(self.x, self.y, self.counts, strict=True)]
        return {"pixels": self.x.size, "events": int(self.counts.sum()), "brightest": brightest[:_SHOWN]}


class OutlierCounter:
    """Counts on DET pixels that are filled chunk by chunk; it needs the columns DETX and DETY."""

    def __init__(self) -> None:
        self._counts = np.zeros((DET_SIZE, DET_SIZE), np.int32)

    def add(self, chunk: Chunk) -> None:
        """Count the events of a chunk, in good time or not: cleaned events all are."""
        x, y = (chunk.columns[name] for name in DETECTOR)
        known = (x >= 1) & (x <= DET_SIZE) & (y >= 1) & (y <= DET_SIZE)
        place = (y[known].astype(np.intp) - 1) * DET_SIZE + (x[known].astype(np.intp) - 1)
        np.add.at(self._counts.reshape(-1), place, np.int32(1))

    def outliers(self) -> Outliers:
        """The pixels that stick out."""
        return outliers(self._counts)


def outliers(counts: NDArray[np.int32]) -> Outliers:
    """Pixels whose events are too many for the pixels around, outside of the calibration sources.

    A pixel may have twice the events of its surroundings, which are the fourth brightest pixel of the 24
    around or the mean of the fainter ones, whichever is more; what is beyond must be no chance of a Poisson
    distribution (Chernoff's bound).

    Parameters
    ----------
    counts : ndarray of int32, shape (1810, 1810)
        Events, indexed [DETY − 1, DETX − 1].
    """
    y, x = np.nonzero(counts >= _LEAST)
    own = counts[y, x]
    around = np.sort(_around(counts, x, y), axis=0)
    fainter = around[:-_ALIKE]
    usual = np.maximum(fainter[-1], (fainter.sum(axis=0) + 1) / len(fainter))
    expected = _STEEP * usual
    surprise = own * np.log(own / expected) - own + expected
    found = (own > expected) & (surprise > _UNLIKELY) & ~_in_calibration(x + 1, y + 1)
    order = np.argsort(-own[found], kind="stable")
    return Outliers(x[found][order] + 1, y[found][order] + 1, own[found][order])


def _around(counts: NDArray[np.int32], x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.int32]:
    """The pixels around each, shape (24, n); what lies off the detector is empty."""
    padded = np.pad(counts, _REACH)
    steps = range(2 * _REACH + 1)
    places = [(down, right) for down in steps for right in steps if (down, right) != (_REACH, _REACH)]
    return np.array([padded[y + down, x + right] for down, right in places], np.int32)


def _in_calibration(x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.bool_]:
    inside = np.zeros(x.shape, np.bool_)
    for centre_x, centre_y, radius in CALIBRATION_CIRCLES:
        inside |= (x - centre_x) ** 2 + (y - centre_y) ** 2 <= radius**2
    return inside
