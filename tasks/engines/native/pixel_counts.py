"""Counts on whole pixels of a plane whose extent shows only as the events come."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import Permanent

Integers = NDArray[np.intp]

_MOST_PIXELS: Final = 100_000_000


class PixelCounts:
    """Counts on whole pixels, in a frame that grows with the events.

    Parameters
    ----------
    name : str
        The event list's, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._first = 0, 0
        self._image = np.zeros((0, 0), np.int32)

    def add(self, x: Integers, y: Integers) -> None:
        """Count events on these pixels.

        Raises
        ------
        Permanent
            When the events lie too far apart.
        """
        if not x.size:
            return
        self._grow(int(x.min()), int(x.max()), int(y.min()), int(y.max()))
        place = (y - self._first[1]) * self._image.shape[1] + (x - self._first[0])
        np.add.at(self._image.reshape(-1), place, np.int32(1))

    def _grow(self, left: int, right: int, bottom: int, top: int) -> None:
        height, width = self._image.shape
        if height:
            left, bottom = min(left, self._first[0]), min(bottom, self._first[1])
            right, top = max(right, self._first[0] + width - 1), max(top, self._first[1] + height - 1)
        wide, high = right - left + 1, top - bottom + 1
        if (high, wide) == (height, width):
            return
        if high * wide > _MOST_PIXELS:
            raise Permanent(
                f"the events of {self._name} spread over {wide} × {high} pixels, too many for a map"
            )
        grown = self.on((left, bottom), (high, wide), np.int32)
        self._first, self._image = (left, bottom), grown

    def around(self, otherwise: tuple[int, int]) -> tuple[tuple[int, int], NDArray[np.float32]]:
        """First pixel and counts of the smallest frame around the events; one pixel where there are none."""
        if not self._image.size:
            return otherwise, np.zeros((1, 1), np.float32)
        return self._first, self._image.astype(np.float32)

    def on(
        self, first: tuple[int, int], shape: tuple[int, int], kind: type[np.number[Any]] = np.float32
    ) -> NDArray[Any]:
        """Counts on another frame; those outside of it are dropped."""
        image = np.zeros(shape, kind)
        (height, width), (x, y) = self._image.shape, (self._first[0] - first[0], self._first[1] - first[1])
        rows, columns = (
            slice(max(at, 0), max(at, 0, min(at + size, limit)))
            for at, size, limit in ((y, height, shape[0]), (x, width, shape[1]))
        )
        image[rows, columns] = self._image[
            rows.start - y : rows.stop - y, columns.start - x : columns.stop - x
        ]
        return image
