"""Event columns put aside while a file is read: no list is too long for the memory.

The good-time intervals stand behind the events in their file, so events are first put aside and then counted.
"""

import tempfile
import weakref
from collections.abc import Callable, Iterator
from io import FileIO
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
Chunk = dict[str, Column]


_HELD: Final = 128 << 20
"""Bytes that are kept in memory, which is faster; what is beyond goes to the disk."""


class Spool:
    """Chunks of columns: the first in memory, the rest in an unnamed file of the working directory.

    It can be read as often as wanted, but not while another reading is under way.
    """

    def __init__(self) -> None:
        self._held: list[Chunk] = []
        self._room = _HELD
        self._file: FileIO | None = None
        self._layouts: list[dict[str, tuple[int, np.dtype[Any]]]] = []

    def append(self, chunk: Chunk) -> None:
        """Put a chunk at the end: upper-case name → ndarray of shape (rows,)."""
        self._room -= sum(values.nbytes for values in chunk.values())
        if self._room >= 0:
            self._held.append(chunk)
            return
        if self._file is None:
            # Without a buffer, so that a full disk shows here and not when the file is read or closed.
            self._file = tempfile.TemporaryFile(dir=".", buffering=0)  # noqa: SIM115 (open as long as this)
            weakref.finalize(self, self._file.close)
        for values in chunk.values():
            _through(self._file.write, values)
        self._layouts.append({name: (values.size, values.dtype) for name, values in chunk.items()})

    def chunks(self, names: tuple[str, ...]) -> Iterator[Chunk]:
        """The chunks as they were put in, with only these of their columns."""
        for chunk in chain(self._held, self._from_disk()):
            yield {name: chunk[name] for name in names}

    def _from_disk(self) -> Iterator[Chunk]:
        if self._file is None:
            return
        self._file.seek(0)
        for layout in self._layouts:
            chunk = {name: np.empty(*shape) for name, shape in layout.items()}
            for values in chunk.values():
                _through(self._file.readinto, values)
            yield chunk


def _through(move: Callable[[memoryview], int | None], values: Column) -> None:
    """Write or read all bytes of an array, however few the system moves at a time."""
    rest = values.view(np.uint8).data
    while rest:
        rest = rest[move(rest) :]
