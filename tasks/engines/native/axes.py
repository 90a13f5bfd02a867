"""What an event list's header says of its columns: legal ranges, nulls and sky coordinates."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, WcsError
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.fits_stream import Column
from tasks.engines.native.keywords import figure

_WIDEST: Final = 1_000_000
"""Pixels or channels; a wider range is a mistake and would fill the memory."""


@dataclass(frozen=True)
class Axis:
    """What the header says of a column: its legal range and, for sky pixels, its world coordinate.

    Parameters
    ----------
    name : str
        The column's name, upper-case.
    low, high : int
        TLMIN (1 where it is missing) and TLMAX, rounded to whole pixels or channels.
    null : float or None
        The value that stands for none.
    ctype, crpix, crval, cdelt
        TCTYP, TCRPX, TCRVL, TCDLT; an empty type where there are none.
    """

    name: str
    low: int
    high: int
    null: float | None = None
    ctype: str = ""
    crpix: float = 0.0
    crval: float = 0.0
    cdelt: float = 1.0

    @property
    def world(self) -> dict[str, Any]:
        """The world coordinate by the endings of its keywords: TYP, RPX, RVL, DLT."""
        return {"TYP": self.ctype, "RPX": self.crpix, "RVL": self.crval, "DLT": self.cdelt}

    @property
    def size(self) -> int:
        """How many pixels or channels."""
        return self.high - self.low + 1

    def valid(self, values: Column) -> NDArray[np.bool_]:
        """Which values are known and lie in the range once rounded."""
        whole = nearest(values)
        inside = (whole >= self.low) & (whole <= self.high)
        return inside & self.known(values)

    def known(self, values: Column) -> NDArray[np.bool_]:
        """Which values are neither null nor NaN."""
        # Whole numbers cannot be NaN, and to ask takes longer than all the rest.
        whole = values.dtype.kind in "iu"
        known = np.ones(values.shape, bool) if whole else ~np.isnan(values)
        return known if self.null is None else known & (values != self.null)


def nearest(values: Column) -> Column:
    """Values rounded to whole pixels, halves away from 0 (Fortran's NINT); whole numbers as they are."""
    return values if values.dtype.kind in "iu" else np.trunc(values + np.copysign(0.5, values))


def sky_wcs(x: Axis, y: Axis, file: str) -> WCS | None:
    """Celestial WCS of two columns (1-based); None when they have no celestial coordinates.

    Raises
    ------
    Permanent
        When the coordinates cannot be; it names the file.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [x.ctype, y.ctype]
    wcs.wcs.crpix = [x.crpix, y.crpix]
    wcs.wcs.crval = [x.crval, y.crval]
    wcs.wcs.cdelt = [x.cdelt, y.cdelt]
    try:
        if not wcs.has_celestial:
            return None
        wcs.wcs.set()
    except (WcsError, ValueError) as exc:
        # wcslib tells where in its code it stopped, a line each, and in between why.
        why = next((line for line in str(exc).splitlines() if not line.startswith("ERROR")), "")
        raise Permanent(f"{file}: the sky coordinates of {x.name} and {y.name} cannot be: {why}") from exc
    return wcs


def axes_of(header: fits.Header, columns: Collection[str], file: str) -> dict[str, Axis]:
    """Upper-case name → axis of those columns whose range the header gives.

    Parameters
    ----------
    header : astropy.io.fits.Header
        A table's.
    columns : collection of str
        Upper-case names.
    file : str
        Its name, for messages.

    Raises
    ------
    Permanent
        When a keyword of one of the columns is no number, or the range is impossible.
    """
    axes = {}
    for number in range(1, int(figure(header, "TFIELDS", file)) + 1):
        name = str(header.get(f"TTYPE{number}", "")).strip().upper()
        if name in columns and f"TLMAX{number}" in header:
            axes[name] = _axis(header, number, name, file)
    return axes


def _axis(header: fits.Header, number: int, name: str, file: str) -> Axis:
    def given(key: str, default: float) -> float:
        return figure(header, f"{key}{number}", file) if f"{key}{number}" in header else default

    # HEASoft counts from 1 where TLMIN is missing, and cannot do without TLMAX.
    low, high = (int(nearest(np.array(given(key, 1.0)))) for key in ("TLMIN", "TLMAX"))
    if not 0 <= high - low < _WIDEST:
        raise Permanent(f"{file} gives an impossible range of its column {name}: {low} to {high}")
    null = given("TNULL", 0.0) * given("TSCAL", 1.0) + given("TZERO", 0.0)
    return Axis(
        name,
        low,
        high,
        null if f"TNULL{number}" in header else None,
        str(header.get(f"TCTYP{number}", "")).strip(),
        given("TCRPX", 0.0),
        given("TCRVL", 0.0),
        given("TCDLT", 1.0),
    )
