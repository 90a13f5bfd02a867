"""Energy and PI channel of Xtend: the one place that turns one into the other."""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band

CHANNELS_PER_KEV = Decimal("166.7")
EV_PER_CHANNEL = 6
CHANNEL_COUNT = 4096

_SAME_ENERGY: Final = 0.01
"""Of a channel's width; a response keeps its energies in single precision."""

Edges = Literal["shared", "disjoint"]


class Channels(NamedTuple):
    """A closed range of PI channels."""

    low: int
    high: int

    @classmethod
    def parse(cls, text: str) -> "Channels":
        """The range written `LO:HI`, both inclusive.

        Raises
        ------
        BadInput
            When the text is no range or runs downwards.
        """
        low, _, high = text.partition(":")
        if not all(re.fullmatch("[0-9]{1,9}", part.strip()) for part in (low, high)):
            raise BadInput(f"{text!r} is not a channel range: give LO:HI, such as 100:334")
        if int(low) > int(high):
            raise BadInput(f"the channel range {text} is upside down: give LO:HI")
        return cls(int(low), int(high))


def channels(band: Band, edges: Edges = "shared") -> Channels:
    """The channels of a band: floor(166.7·E) to ceil(166.7·E), both inclusive, in decimal arithmetic.

    Parameters
    ----------
    band : Band
        Bounds in keV.
    edges : {"shared", "disjoint"}
        Neighbouring bands share their edge channels, or the upper one keeps them.

    Raises
    ------
    BadInput
        When no channel is left, or the band lies outside the detector's range.
    """
    low = _rounded(band.low, ROUND_FLOOR)
    high = _rounded(band.high, ROUND_CEILING) if edges == "shared" else _rounded(band.high, ROUND_FLOOR) - 1
    if high < low or low >= CHANNEL_COUNT:
        raise BadInput(f"the band {band} keV holds no channel of 0–{CHANNEL_COUNT - 1}")
    return Channels(low, min(high, CHANNEL_COUNT - 1))


def energies_kev(selection: Channels) -> tuple[float, float]:
    """True bounds in keV of a range of channels on the 6 eV grid of the RMF."""
    return selection.low * EV_PER_CHANNEL / 1000, (selection.high + 1) * EV_PER_CHANNEL / 1000


def why_other_channels(channel: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> str | None:
    """How the channels of a response (EBOUNDS) differ from those of the events; None when they do not.

    Parameters
    ----------
    channel : array (n,)
        CHANNEL.
    low, high : array (n,)
        E_MIN and E_MAX in keV. The lowest may be raised from zero, where nothing can be divided by.
    """
    if not np.array_equal(channel, np.arange(CHANNEL_COUNT)):
        return f"has not the channels 0 to {CHANNEL_COUNT - 1} in its EBOUNDS"
    edges = np.arange(CHANNEL_COUNT + 1) * EV_PER_CHANNEL / 1000
    given, wanted = np.concatenate([low[1:], high]), np.concatenate([edges[1:-1], edges[1:]])
    if not np.abs(given - wanted).max() <= _SAME_ENERGY * EV_PER_CHANNEL / 1000:
        return f"has not {EV_PER_CHANNEL} eV per channel in its EBOUNDS"
    return None


def _rounded(energy_kev: Decimal, rounding: str) -> int:
    return int((energy_kev * CHANNELS_PER_KEV).to_integral_value(rounding))
