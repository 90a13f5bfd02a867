"""The simulated detector: modes, windows, bad pixels and where each DET pixel lies on its CCD."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.archive.simulated.optics import psf_density, vignetting
from tasks.core.identifiers import DataClass
from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    CCD_ORIGIN,
    CCD_SIZE,
    DET_AIM,
    DET_SIZE,
    PIXEL_ARCMIN,
    DetPixels,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.int16]
Causes = NDArray[np.uint8]

GOOD, CALIBRATION, BAD, OUTSIDE = 0, 1, 2, -1
"""Values of the bad-pixel image."""
CI_FIRST, CI_PERIOD = 36, 80
"""First row of charge injection (ACTY) and its period; the last two of every four rows trail."""
CAUSE_BITS: Final = {0: 6, 1: 16, 2: 17, 3: 7, 4: 8, 5: 11, 6: 12, 7: 19}
"""Bit of a cause (0-based) → STATUS bit (1-based): injection, trailing, preceding, bad pixel, bad column,
CCD boundary, window boundary, neighbour of a bad pixel or column."""
_INJECTED, _TRAILING, _PRECEDING, _PIXEL, _COLUMN, _EDGE, _WINDOW, _NEIGHBOUR = 1, 2, 4, 8, 16, 32, 64, 128
_BAD_PIXELS_PER_CCD: Final = 60
_FLIPPED: Final = (2, 3)
"""CCD_IDs whose rows and columns run against DETX and DETY."""


@dataclass(frozen=True)
class Mode:
    """How the CCDs of a data class are read.

    Parameters
    ----------
    dataclass : DataClass
        Its name.
    ccds : tuple of int
        CCD_ID of the CCDs.
    window : tuple of int
        First row (ACTY) and number of rows.
    datamode, detnam : str
        Header keywords.
    dead, exposure, last : float
        Seconds: before each exposure, an exposure, the last exposure of a cycle.
    exposures : int
        Exposures per cycle of 4 s.
    """

    dataclass: DataClass
    ccds: tuple[int, ...]
    window: tuple[int, int]
    datamode: str
    detnam: str
    dead: float
    exposure: float
    last: float
    exposures: int


def _full(name: str, ccds: tuple[int, ...], detnam: str) -> Mode:
    return Mode(DataClass(name), ccds, (1, CCD_SIZE), "WINDOW1", detnam, 0.04, 3.96, 3.96, 1)


MODES: Final = {
    mode.dataclass: mode
    for mode in (
        _full("30000010", (0, 1, 2, 3), "CCD"),
        _full("300000a0", (0, 1, 2, 3), "CCD"),
        _full("32000010", (2, 3), "CCD34"),
        # No such class flies: what readers make of it must come from the header.
        _full("37000010", (0, 1, 2, 3), "CCD"),
        Mode(DataClass("31100010"), (0, 1), (455, 80), "WINDOW2", "CCD12", 0.035, 0.46, 0.50, 8),
    )
}


@dataclass(frozen=True)
class Detector:
    """The detector in one mode.

    Parameters
    ----------
    flags : Flags
        The bad-pixel image, indexed [DETY − 1, DETX − 1], shape (1810, 1810).
    causes : Causes
        Why a pixel is bad, see `CAUSE_BITS`; same shape.
    """

    flags: Flags
    causes: Causes

    def pixels(self, flag: int) -> Ints:
        """Flat indices of the pixels with a flag."""
        return np.flatnonzero(self.flags == flag)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Whether a pixel gives cleaned events (good ones and those lit by a calibration source)."""
        return np.isin(self.flags, (GOOD, CALIBRATION))

    @cached_property
    def _places(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """DETX and DETY of the usable pixels."""
        y, x = np.nonzero(self.usable)
        return (x + 1).astype(np.float32), (y + 1).astype(np.float32)

    def share(self, det: tuple[float, float], radius: float = np.inf) -> float:
        """Share of a point source's photons that usable pixels within a radius (pixels) see."""
        x, y = self._places
        distance = np.hypot(x - det[0], y - det[1])
        return float(psf_density(distance[distance <= radius]).sum(dtype=float))


def off_axis_factor(det: tuple[float, float]) -> float:
    """Vignetting at a DET position."""
    return float(vignetting(np.hypot(det[0] - DET_AIM, det[1] - DET_AIM) * PIXEL_ARCMIN))


@lru_cache(maxsize=2)
def detector(mode: Mode, seed: int) -> Detector:
    """Bad-pixel image of a mode; bad pixels are those of the archive's seed, whatever the observation."""
    flags = np.full((DET_SIZE, DET_SIZE), OUTSIDE, np.int16)
    causes = np.zeros((DET_SIZE, DET_SIZE), np.uint8)
    for ccd in mode.ccds:
        x, y = CCD_ORIGIN[ccd]
        block = np.s_[y - 1 : y - 1 + CCD_SIZE, x - 1 : x - 1 + CCD_SIZE]
        first, rows = mode.window
        chip = _chip_causes(first, rows, np.random.default_rng([seed, ccd]))
        inside = np.zeros((CCD_SIZE, CCD_SIZE), bool)
        inside[first - 1 : first - 1 + rows] = True
        causes[block] = _to_det(np.where(inside, chip, 0), ccd)
        flags[block] = np.where(_to_det(inside, ccd), GOOD, OUTSIDE)
    for centre_x, centre_y, radius in CALIBRATION_CIRCLES:
        flags[(flags == GOOD) & _disc(centre_x, centre_y, radius)] = CALIBRATION
    flags[causes > 0] = BAD
    return Detector(flags, causes)


def ccd_of(det: DetPixels) -> Ints:
    """CCD_ID of DET pixels (each on a CCD)."""
    high_x, high_y = det.x >= CCD_ORIGIN[3][0], det.y >= CCD_ORIGIN[0][1]
    return np.where(high_x, np.where(high_y, 2, 3), np.where(high_y, 0, 1))


def act_of(det: DetPixels) -> tuple[Ints, Ints]:
    """ACTX and ACTY of integer DET pixels, each on a CCD."""
    ccd = ccd_of(det)
    origin = np.array([CCD_ORIGIN[number] for number in sorted(CCD_ORIGIN)])[ccd]
    flipped = np.isin(ccd, _FLIPPED)
    along_y, along_x = det.y.astype(int) - origin[:, 1] + 1, det.x.astype(int) - origin[:, 0] + 1
    return (
        np.where(flipped, CCD_SIZE + 1 - along_y, along_y),
        np.where(flipped, CCD_SIZE + 1 - along_x, along_x),
    )


def _to_det(chip: NDArray[Any], ccd: int) -> NDArray[Any]:
    """[ACTY, ACTX] → [DETY, DETX] of one CCD."""
    turned = chip.T
    return turned[::-1, ::-1] if ccd in _FLIPPED else turned


def _chip_causes(first: int, rows: int, rng: np.random.Generator) -> Causes:
    """Why pixels of a CCD are bad, indexed [ACTY − 1, ACTX − 1], shape (640, 640)."""
    causes = np.zeros((CCD_SIZE, CCD_SIZE), np.uint8)
    for row in range(CI_FIRST - 1, CCD_SIZE, CI_PERIOD):
        causes[row] |= _INJECTED
        causes[row + 1 : row + 3] |= _TRAILING
        causes[row - 1] |= _PRECEDING
    for y, x in rng.integers(2, CCD_SIZE - 2, (_BAD_PIXELS_PER_CCD, 2)):
        causes[y - 1 : y + 2, x - 1 : x + 2] |= _NEIGHBOUR
        causes[y, x] |= _PIXEL
    # Away from the inner edge, where the aim point lies.
    column = int(rng.integers(60, 400))
    causes[:, column - 1 : column + 2] |= _NEIGHBOUR
    causes[:, column] |= _COLUMN
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        causes[edge] |= _EDGE
    if rows < CCD_SIZE:
        causes[[first - 1, first + rows - 2]] |= _WINDOW
    return causes


def _disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[1 : DET_SIZE + 1, 1 : DET_SIZE + 1]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)
