"""Which events count, and for how long: HEASoft's rules of frame centres, good time, dead time and regions.

Observed with extractor 5.31; newer releases may differ in detail, so the rules stand here only.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import NoData
from tasks.engines.native.events import EventList
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EVENTS_AT_ONCE: Final = 500_000
_DEAD_TIME: Final = ("DEADC", "DTCOR", "LIVETIME", "ONTIME")


@dataclass(frozen=True)
class Selection:
    """An event list with what its header says of time.

    Parameters
    ----------
    events : EventList
        With the columns TIME, X, Y and PI.
    """

    events: EventList

    @cached_property
    def times(self) -> Floats:
        """Centres of the events' frames in seconds, shape (n,)."""
        return self.events.columns["TIME"].astype(np.float64, copy=False) + frame_shift(self.events.header)

    @cached_property
    def good(self) -> Mask:
        """Which events lie in good time, shape (n,)."""
        return self.events.gti.contains(self.times)

    @cached_property
    def on_sky(self) -> Mask:
        """Which events have a sky pixel, shape (n,)."""
        columns = self.events.columns
        return self.events.axis("X").valid(columns["X"]) & self.events.axis("Y").valid(columns["Y"])

    @cached_property
    def live_fraction(self) -> float:
        """Fraction of the good time in which photons were taken."""
        return live_fraction(self.events.header)

    @property
    def ontime(self) -> float:
        """Sum of the good time in seconds."""
        return self.events.gti.total

    @property
    def exposure(self) -> float:
        """Live part of the good time in seconds."""
        return self.ontime * self.live_fraction

    def within(self, channels: Channels | None) -> Mask:
        """Which events have a PI channel in a range, shape (n,); all of them without one."""
        pi = self.events.columns["PI"]
        if channels is None:
            return np.ones(pi.shape, bool)
        chosen = np.asarray((pi >= channels.low) & (pi <= channels.high))
        return chosen & self.events.axis("PI").known(pi)

    def inside(self, region: Region | None) -> Mask:
        """Which events lie in a region, in good time or not, shape (n,); all of them without one.

        Positions that are no whole pixels, or lie beyond the range of sky pixels, are taken as they are.
        """
        columns = self.events.columns
        if region is None:
            return np.ones(self.events.size, bool)
        inside = np.zeros(self.events.size, bool)
        wcs = self.events.wcs()
        for begin in range(0, self.events.size, _EVENTS_AT_ONCE):
            part = slice(begin, begin + _EVENTS_AT_ONCE)
            inside[part] = region.contains(columns["X"][part], columns["Y"][part], wcs)
        x, y = self.events.axis("X"), self.events.axis("Y")
        return inside & x.known(columns["X"]) & y.known(columns["Y"])


def select(events: EventList) -> Selection:
    """The selection of an event list.

    Raises
    ------
    NoData
        When there is no event or no good time.
    """
    if not events.size:
        raise NoData(f"{events.name} holds no event")
    if not events.gti.total:
        raise NoData(f"{events.name} holds no good time")
    return Selection(events)


def frame_shift(header: Mapping[str, Any]) -> float:
    """Seconds from an event's TIME to the centre of its frame; a missing TIMEPIXR counts as 0."""
    zero = header.get("TIMEZERO", header.get("TIMEZERI", 0.0) + header.get("TIMEZERF", 0.0))
    frame = float(header.get("TIMEDEL", 0.0))
    return float(zero) - ((float(header.get("TIMEPIXR", 0.0)) - 0.5) * frame if frame > 0 else 0.0)


def live_fraction(header: Mapping[str, Any]) -> float:
    """DEADC, else DTCOR, else LIVETIME/ONTIME, else 1; in single precision, as HEASoft keeps it.

    What is no positive number counts as missing.
    """
    given = {key: np.float32(header[key]) for key in _DEAD_TIME if _is_positive(header.get(key))}
    for key in ("DEADC", "DTCOR"):
        if key in given:
            return float(given[key])
    if "LIVETIME" in given and "ONTIME" in given:
        return float(given["LIVETIME"] / given["ONTIME"])
    return 1.0


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
