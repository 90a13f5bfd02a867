"""Which events count, and for how long: HEASoft's rules of frame centres, good time, dead time and regions.

Observed with extractor 5.31; newer releases may differ in detail, so the rules stand here only.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import NoData
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.events import EventList
from tasks.engines.native.fits_stream import Column
from tasks.xtend.regions import Region

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
T = TypeVar("T")

_DEAD_TIME: Final = ("DEADC", "DTCOR", "LIVETIME", "ONTIME")


@dataclass(frozen=True, eq=False)
class _Memory:
    """Something that keeps what was worked out from it."""

    _known: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make` returns; it is asked only the first time that something of this key is wanted."""
        if key not in self._known:
            self._known[key] = make()
        known: T = self._known[key]
        return known


@dataclass(frozen=True, eq=False)
class Selection(_Memory):
    """An event list with what its header says of time.

    Parameters
    ----------
    events : EventList
        With the columns TIME, X, Y and PI.
    """

    events: EventList

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

    def chunks(self) -> Iterator["Chunk"]:
        """The events, some hundred thousand at a time."""
        for columns in self.events.parts:
            yield Chunk(self.events, columns)


@dataclass(frozen=True, eq=False)
class Chunk(_Memory):
    """Some of a list's events, and which of them count.

    Parameters
    ----------
    events : EventList
        The list.
    columns : dict of str to ndarray, shape (n,)
        Upper-case name → values.
    """

    events: EventList
    columns: dict[str, Column]

    @property
    def size(self) -> int:
        """How many events."""
        return next(iter(self.columns.values())).size

    @cached_property
    def times(self) -> Floats:
        """Centres of the events' frames in seconds, shape (n,)."""
        return self.columns["TIME"].astype(np.float64, copy=False) + frame_shift(self.events.header)

    @cached_property
    def good(self) -> Mask:
        """Which events lie in good time, shape (n,)."""
        return self.events.gti.contains(self.times)

    @cached_property
    def on_sky(self) -> Mask:
        """Which events have a sky pixel, shape (n,)."""
        x, y = self.events.axis("X"), self.events.axis("Y")
        return x.valid(self.columns["X"]) & y.valid(self.columns["Y"])

    def piece(self, cuts: Cuts) -> NDArray[np.int16]:
        """The piece of the PI axis that each event lies in, shape (n,); −1 where it belongs to no band."""
        return self.once(cuts, lambda: cuts.piece(self.columns["PI"]))

    def cut(self, region: Region | None) -> "Chunk":
        """The events that lie in a region, in good time or not; all of them without one.

        Positions that are no whole pixels, or lie beyond the range of sky pixels, are taken as they are.
        """
        return self if region is None else self.once(region, lambda: self._cut(region))

    def _cut(self, region: Region) -> "Chunk":
        x, y = self.columns["X"], self.columns["Y"]
        near = np.flatnonzero(self._near(region))
        inside = near[region.contains(x[near], y[near], self.events.wcs)]
        return Chunk(self.events, {name: values[inside] for name, values in self.columns.items()})

    def _near(self, region: Region) -> Mask:
        """Events with a position that are not surely outside."""
        x, y = self.columns["X"], self.columns["Y"]
        known = self.events.axis("X").known(x) & self.events.axis("Y").known(y)
        box = region.bounding_box(self.events.wcs)
        if box is None:
            return known
        left, right = math.floor(box[0]) - 1, math.ceil(box[1]) + 1
        bottom, top = math.floor(box[2]) - 1, math.ceil(box[3]) + 1
        return known & (x >= left) & (x <= right) & (y >= bottom) & (y <= top)


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
    """Seconds from an event's TIME to the centre of its frame; a missing TIMEPIXR counts as 0.

    TIMEZERI and TIMEZERF are passed over, as in HEASoft, for events as for good time.
    """
    zero = float(header.get("TIMEZERO", 0.0))
    frame = float(header.get("TIMEDEL", 0.0))
    return zero - ((float(header.get("TIMEPIXR", 0.0)) - 0.5) * frame if frame > 0 else 0.0)


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
