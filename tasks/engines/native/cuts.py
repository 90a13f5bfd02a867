"""The PI axis cut at the edges of all bands, so that an event is looked up once for all of them."""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.engines.native.axes import Axis
from tasks.engines.native.fits_stream import Column
from tasks.xtend.channels import Channels

_WIDEST_TABLE: Final = 1 << 20


class Cuts:
    """Pieces of the PI axis of which each band holds some whole ones.

    Parameters
    ----------
    bands : iterable of Channels or None
        The bands, both ends included; None takes every event, with a PI or not.
    axis : Axis
        Of PI.

    Attributes
    ----------
    count : int
        How many pieces there are; what belongs to no band is none.
    """

    def __init__(self, bands: Iterable[Channels | None], axis: Axis) -> None:
        wanted = set(bands)
        self._null = axis.null
        # Where a piece begins: at a lower bound, or just above an upper one.
        self._edges = np.unique(
            [edge for band in wanted if band for edge in (band.low, np.nextafter(band.high, np.inf))]
        )
        # Piece 0 is what lies outside of all edges, or has no PI.
        members = [band for band in wanted if band]
        held = [None in wanted]
        held += [
            None in wanted or any(band.low <= edge <= band.high for band in members)
            for edge in self._edges[:-1].tolist()
        ]
        self.count = sum(held)
        self._numbers = np.where(held, np.cumsum(held) - 1, -1).astype(np.int16)
        self._table = self._tabulated()

    def piece(self, pi: Column) -> NDArray[np.int16]:
        """The piece that each event lies in, shape (n,); −1 for those of no band."""
        if self._table is not None and pi.dtype.kind in "iu":
            low, high = self._bounds()
            piece = self._table[np.clip(pi.astype(np.intp), low, high) - low]
        else:
            piece = self._searched(pi)
        if self._null is not None:
            piece[pi == self._null] = self._numbers[0]
        return piece

    def pieces(self, band: Channels | None) -> list[int]:
        """The pieces that a band holds."""
        if band is None:
            return list(range(self.count))
        inside = (self._edges[:-1] >= band.low) & (self._edges[:-1] <= band.high)
        return [int(number) for number in self._numbers[1:][inside]]

    def _tabulated(self) -> NDArray[np.int16] | None:
        """The piece of each channel from the one below the first edge to the one above the last.

        To look into a table is ten times as fast as to search.
        """
        if not self._edges.size or self._edges[-1] - self._edges[0] > _WIDEST_TABLE:
            return None
        low, high = self._bounds()
        return self._searched(np.arange(low, high + 1))

    def _bounds(self) -> tuple[int, int]:
        """The first and the last channel of the table."""
        return int(self._edges[0]) - 1, int(self._edges[-1]) + 1

    def _searched(self, pi: Column) -> NDArray[np.int16]:
        if not self._edges.size:
            return np.full(pi.size, self._numbers[0])
        found = np.searchsorted(self._edges, pi, side="right")
        # What lies beyond the last edge, and NaN, belongs to piece 0.
        return self._numbers[np.where(found == self._edges.size, 0, found)]
