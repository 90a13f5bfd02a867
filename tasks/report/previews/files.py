"""Reading products for a picture: what is needed of them, or one clear sentence."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from tasks.core.errors import Permanent
from tasks.report.previews.canvas import Floats


@dataclass(frozen=True)
class Table:
    """A table's columns as numbers and its keywords."""

    columns: Mapping[str, Floats]
    keywords: Mapping[str, Any]


def read_table(path: Path, extension: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Table:
    """The columns of an extension.

    Raises
    ------
    Permanent
        When the file cannot be read or lacks the extension or a needed column.
    """
    with _reading(path), fits.open(path, memmap=False) as hdus:
        hdu = hdus[extension]
        names = (*needed, *(name for name in optional if name in hdu.columns.names))
        return Table({name: np.array(hdu.data[name], float) for name in names}, dict(hdu.header))


def read_image(path: Path) -> tuple[Floats, Mapping[str, Any]]:
    """Pixels and keywords of the primary image.

    Raises
    ------
    Permanent
        When the file cannot be read or holds no two-dimensional image.
    """
    with _reading(path), fits.open(path, memmap=False) as hdus:
        pixels = hdus[0].data
        if pixels is None or pixels.ndim != 2:
            raise ValueError("the primary HDU holds no two-dimensional image")
        return np.array(pixels, float), dict(hdus[0].header)


def is_simulated(keywords: Mapping[str, Any]) -> bool:
    """Whether a header says that its data are simulated."""
    return bool(keywords.get("SIMULATD", False))


def says_simulated(path: Path) -> bool:
    """Whether any header of a FITS file says that its data are simulated; False when it cannot be read."""
    try:
        with _reading(path), fits.open(path, memmap=False) as hdus:
            return any(is_simulated(hdu.header) for hdu in hdus)
    except Permanent:
        return False


def keyword(path: Path, keywords: Mapping[str, Any], name: str) -> float:
    """A keyword's value as a number.

    Raises
    ------
    Permanent
        When it is missing or no number.
    """
    with _reading(path):
        return float(keywords[name])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError) as exc:
        reason = f"{exc.args[0]} is missing" if isinstance(exc, KeyError) else exc
        raise Permanent(f"{path.name} cannot be drawn: {reason}") from exc
