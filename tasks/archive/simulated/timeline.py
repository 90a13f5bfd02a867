"""When the simulated satellite observes: orbit, good cycles, frames and good-time intervals.

Mission time is in seconds since 2019-01-01T00:00:00 UTC.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.archive.simulated.detector import Mode

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CYCLE: Final = 4.0
ORBIT: Final = 5700.0
MISSION_START_MJD: Final = 58484
INCLINATION_DEG: Final = 31.0
ALTITUDE_KM: Final = 575.0
_GOOD_SHARE: Final = 0.62
_NOON_PHASE: Final = 0.35
_LEAST_ELEVATION_DEG: Final = 5.0
_EARTH_TURN_DEG_PER_S: Final = 360 / 86164.1
_SAA: Final = np.array(
    [(-84, -35), (-92, -24), (-92, -12), (-66, 0), (-36, 0), (0, -20), (4, -22), (20, -22), (20, -35)], float
)
"""South Atlantic Anomaly: longitude and latitude of a polygon's corners in degrees."""


@dataclass(frozen=True)
class Frames:
    """Exposures in time order.

    Parameters
    ----------
    start, stop : Floats
        Bounds of the exposures in seconds, shape (frames,).
    cycle : NDArray[np.int64]
        Number of the 4 s cycle that each belongs to, same shape.
    """

    start: Floats
    stop: Floats
    cycle: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, part: slice) -> "Frames":
        return Frames(self.start[part], self.stop[part], self.cycle[part])

    @property
    def middle(self) -> Floats:
        """Middles of the exposures: the TIME of their events."""
        return (self.start + self.stop) / 2


@dataclass(frozen=True)
class Intervals:
    """Good-time intervals, shape (rows,) each, in seconds."""

    start: Floats
    stop: Floats

    @property
    def total(self) -> float:
        """Sum of the lengths in seconds."""
        return float((self.stop - self.start).sum())


def mjd(time: float) -> float:
    """UTC as a modified Julian date (no leap second has come since the mission's zero point)."""
    return MISSION_START_MJD + time / 86400


def elevation(time: Floats, start: float) -> Floats:
    """Angle in degrees between the target and the Earth's limb."""
    phase = (time - start) / ORBIT - _NOON_PHASE
    height = np.cos(2 * np.pi * phase) - np.cos(np.pi * _GOOD_SHARE)
    return np.asarray(_LEAST_ELEVATION_DEG + 60 * height)


def ground_track(time: Floats) -> tuple[Floats, Floats]:
    """Longitude (−180…180) and latitude under the satellite in degrees."""
    angle = 2 * np.pi * (time % ORBIT) / ORBIT
    tilt = np.radians(INCLINATION_DEG)
    latitude = np.degrees(np.arcsin(np.sin(tilt) * np.sin(angle)))
    along = np.degrees(np.arctan2(np.cos(tilt) * np.sin(angle), np.cos(angle)))
    return (along - _EARTH_TURN_DEG_PER_S * time + 180) % 360 - 180, latitude


def in_saa(longitude: Floats, latitude: Floats) -> Bools:
    """Whether positions lie in the South Atlantic Anomaly (even-odd rule)."""
    inside = np.zeros(np.shape(longitude), bool)
    for (x1, y1), (x2, y2) in zip(_SAA, np.roll(_SAA, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crosses = (latitude >= min(y1, y2)) & (latitude < max(y1, y2))
        inside ^= crosses & (longitude < x1 + (latitude - y1) / (y2 - y1) * (x2 - x1))
    return inside


def good_cycles(start: float, span: float) -> Bools:
    """Which 4 s cycles of an observation are good: target above the Earth's limb, outside the SAA."""
    time = start + CYCLE * (np.arange(int(span // CYCLE), dtype=float) + 0.5)
    return np.asarray((elevation(time, start) > _LEAST_ELEVATION_DEG) & ~in_saa(*ground_track(time)))


def frames(start: float, cycles: Bools, mode: Mode) -> Frames:
    """The exposures of the chosen cycles."""
    number = np.flatnonzero(cycles)
    offset = mode.dead + np.arange(mode.exposures) * (mode.dead + mode.exposure)
    length = np.full(mode.exposures, mode.exposure)
    length[-1] = mode.last
    begin = (start + CYCLE * number[:, None] + offset).ravel()
    return Frames(begin, begin + np.tile(length, len(number)), np.repeat(number, mode.exposures))


def merged(exposures: Frames) -> Intervals:
    """One interval for each run of neighbouring cycles, dead time between frames included."""
    breaks = np.flatnonzero(np.diff(exposures.cycle) > 1)
    first = np.concatenate([[0], breaks + 1]) if len(exposures) else breaks
    last = np.concatenate([breaks, [len(exposures) - 1]]) if len(exposures) else breaks
    return Intervals(exposures.start[first.astype(int)], exposures.stop[last.astype(int)])


def each_frame(exposures: Frames) -> Intervals:
    """One interval for each exposure, so that dead time is left out."""
    return Intervals(exposures.start, exposures.stop)
