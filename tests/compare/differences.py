"""How a product of the native engine differs from that of the real tools, quantity by quantity."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from astropy.io import fits

FLOAT32 = 2.5e-7
"""Relative: two steps of a single-precision number."""
NUMBER = 1e-12
"""Relative: the same number, as headers print it."""
WORLD = re.compile(
    r"(CTYPE|CRPIX|CRVAL|CDELT|CROTA|DRPIX|DDELT|LTV|LTM|CUNIT)\d.*|WCSNAMEP?|WCSTY\dP|RADECSYS|EQUINOX"
)
TIMES = (
    "EXPOSURE", "ONTIME", "LIVETIME", "TSTART", "TSTOP", "TELAPSE", "MJD-OBS", "MJDREF", "MJDREFI", "MJDREFF",
    "TIMEZERO", "TIMEZERI", "TIMEZERF", "TIMEDEL", "TIMEPIXR",
)  # fmt: skip
LAYOUT = re.compile(r"HDU.*|CONTENT|TCNA\d+|(LON|LAT)P\d+")
"""What an event list says of itself; extractor copies it where it has nothing of its own to say."""
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|TFORM\d+|TTYPE\d+|TUNIT\d+|TNULL\d+|"
    r"CREATOR|DATE|USER|ORIGIN|CHECKSUM|DATASUM|HISTORY|COMMENT|FILIN\d+|HDUCLASS|LONGSTRN|BZERO|BSCALE|"
    r"DS(TYP|VAL|REF|FORM|UNIT)\d+|M(TYPE|FORM)\d+|"
)
"""What says how the file is laid out or who wrote it, rather than what it holds."""
_SINGLE = {"DEADC": FLOAT32, "BACKSCAL": 1e-6}
"""What the tools have in single precision, or print with few digits."""
_SIZES = {"CIRCLE": 1, "POINT": 0, "POLYGON": 0}
"""How many sizes a shape has, where they are not all that the table holds."""


@dataclass(frozen=True)
class Row:
    """One quantity of one product.

    Parameters
    ----------
    product, quantity : str
        What was compared.
    difference : float or None
        The largest one; None where nothing could be compared.
    limit : float
        The largest that is allowed.
    note : str
        Why there is no difference, or where it lies.
    """

    product: str
    quantity: str
    difference: float | None = None
    limit: float = 0.0
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether the limit does not hold; a difference that is no number misses it."""
        return self.difference is not None and not self.difference <= self.limit


def largest(ours: Any, theirs: Any) -> float:
    """Largest absolute difference of two arrays; infinite when they cannot be laid over each other."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape:
        return math.inf
    blank = np.isnan(ours.astype(float)), np.isnan(theirs.astype(float))
    if (blank[0] != blank[1]).any():
        return math.inf
    gaps = np.abs(ours.astype(float) - theirs.astype(float))[~blank[0]]
    return float(gaps.max(initial=0.0))


def relative(ours: Any, theirs: Any, floor: float = 0.0) -> float:
    """Largest difference relative to the reference, or to `floor` where that is less."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if ours.shape != theirs.shape:
        return math.inf
    scale = np.maximum(np.abs(theirs), floor)
    return largest(ours / np.where(scale > 0, scale, 1), theirs / np.where(scale > 0, scale, 1))


def off_headers(ours: fits.Header, theirs: fits.Header, keys: Iterable[str]) -> tuple[float, str]:
    """Largest relative difference of the keywords that the reference has, and where it lies."""
    worst, where = 0.0, ""
    for key in keys:
        gap = _gap(_value(ours, key), theirs[key])
        if not gap <= worst:
            worst, where = gap, f"{key}: {ours.get(key)!r} for {theirs[key]!r}"
    return worst, where


def _value(header: fits.Header, key: str) -> Any:
    """A keyword; the frame also under the name that the standard gives it today."""
    return header.get(key, header.get("RADESYS") if key == "RADECSYS" else None)


def is_blank(key: str, value: Any) -> bool:
    """Whether a keyword of the tools says that nothing is known."""
    return value == "" or (key == "EQUINOX" and value == 0)


def _gap(ours: Any, theirs: Any) -> float:
    if isinstance(theirs, str | bool) or ours is None or isinstance(ours, str):
        return 0.0 if ours == theirs else math.inf
    return abs(ours - theirs) / (abs(theirs) or 1.0)


class Comparison:
    """Rows of one product.

    Parameters
    ----------
    product : str
        Its name.
    ours, theirs : Path
        The native engine's file and the real tools'.
    left_out : mapping
        What cannot be compared, and why.
    copied : mapping
        Keywords of the event list.
    """

    def __init__(
        self,
        product: str,
        ours: Path,
        theirs: Path,
        left_out: Mapping[str, str] = MappingProxyType({}),
        copied: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.product, self.left_out, self.copied = product, left_out, copied
        self.ours, self.theirs = _by_name(ours), _by_name(theirs)

    def row(self, quantity: str, difference: float | None, limit: float = 0.0, note: str = "") -> Row:
        return Row(self.product, quantity, difference, limit, note)

    def pair(self, name: str) -> tuple[Any, Any]:
        return self.ours[name], self.theirs[name]

    def lacks(self, name: str) -> bool:
        return name not in self.ours

    def image(self, limit: float = 0.0) -> Iterator[Row]:
        """Size and pixels of the primary HDU."""
        ours, theirs = self.pair("PRIMARY")
        sizes = [np.array(hdu.data.shape if hdu.data is not None else (0, 0)) for hdu in (ours, theirs)]
        yield self.row("size", largest(*sizes))
        if not (sizes[0] != sizes[1]).any():
            off = np.count_nonzero(ours.data != theirs.data)
            yield self.row("pixels", largest(ours.data, theirs.data), limit, f"{off} pixels" if off else "")

    def world(self, name: str = "PRIMARY", limit: float = NUMBER) -> Iterator[Row]:
        """World and physical coordinates."""
        ours, theirs = (hdu.header for hdu in self.pair(name))
        keys = [key for key in theirs if WORLD.fullmatch(key) and not is_blank(key, theirs[key])]
        yield self.row("WCS", *_limited(off_headers(ours, theirs, keys), limit))

    def times(self, name: str, limit: float = NUMBER) -> Iterator[Row]:
        """EXPOSURE and the like."""
        ours, theirs = (hdu.header for hdu in self.pair(name))
        yield self.row(
            "EXPOSURE, times", *_limited(off_headers(ours, theirs, [k for k in TIMES if k in theirs]), limit)
        )

    def keywords(self, name: str) -> Iterator[Row]:
        """Number of all other keywords of the reference that ours lacks or gives otherwise."""
        if "keywords" in self.left_out:
            yield self.row(f"keywords of {name}", None, note=self.left_out["keywords"])
            return
        ours, theirs = (hdu.header for hdu in self.pair(name))
        wrong = [key for key in theirs if self._says(key, theirs[key]) and not _agree(key, ours, theirs)]
        told = ", ".join(f"{key} {ours.get(key)!r} for {theirs[key]!r}" for key in wrong[:4])
        yield self.row(f"keywords of {name}", len(wrong), 0, told)

    def _says(self, key: str, value: Any) -> bool:
        """Whether a keyword of the reference says something that no other row compares."""
        elsewhere = WORLD.fullmatch(key) or key in TIMES or _STRUCTURE.fullmatch(key) or key in self.left_out
        copied = LAYOUT.fullmatch(key) and self.copied.get(key) == value
        return not (elsewhere or copied or is_blank(key, value))

    def column(
        self, table: str, name: str, limit: float, quantity: str = "", floor: float | None = None
    ) -> Row:
        """A column: the largest difference, relative where a floor is given."""
        ours, theirs = (hdu.data[name] for hdu in self.pair(table))
        gap = largest(ours, theirs) if floor is None else relative(ours, theirs, floor)
        return self.row(quantity or name, gap, limit)

    def gti(self) -> Iterator[Row]:
        """Good-time intervals."""
        if "GTI" in self.theirs:
            gap = (
                math.inf
                if self.lacks("GTI")
                else max(largest(*(hdu.data[name] for hdu in self.pair("GTI"))) for name in ("START", "STOP"))
            )
            yield self.row("GTI", gap, 0, "" if gap < math.inf else "other intervals")

    def region(self) -> Iterator[Row]:
        """The region extension, its shapes in order and their figures."""
        name = next((name for name in self.theirs if name.startswith("REG")), None)
        if name is None:
            return
        if self.lacks(name):
            yield self.row("REG", math.inf, note=f"no {name}")
            return
        ours, theirs = (hdu.data for hdu in self.pair(name))
        if [s.strip() for s in ours["SHAPE"]] != [s.strip() for s in theirs["SHAPE"]]:
            yield self.row("REG", math.inf, note="other shapes")
            return
        linked = [hdu.header.get(f"DSREF{n}") for hdu in self.ours.values() for n in range(1, 10)]
        if f":{name}" not in linked:
            yield self.row("REG", math.inf, note="no DSREF points to it")
            return
        columns = [column for column in ("X", "Y", "R", "ROTANG", "COMPONENT") if column in theirs.names]
        gaps = {
            column: max(_shape_gap(*rows, column) for rows in zip(ours, theirs, strict=True))
            for column in columns
        }
        worst = max(gaps, key=lambda column: gaps[column])
        yield self.row("REG", gaps[worst], 1e-5, f"{worst}" if gaps[worst] else "")


def _by_name(path: Path) -> dict[str, Any]:
    with fits.open(path, memmap=False) as hdus:
        return {hdu.name: hdu.copy() for hdu in hdus}


def _limited(found: tuple[float, str], limit: float) -> tuple[float, float, str]:
    return found[0], limit, found[1]


def _shape_gap(ours: Any, theirs: Any, column: str) -> float:
    """Difference of a column of two shapes, as far as both hold what belongs to the shape."""
    ours_, theirs_ = (np.atleast_1d(np.asarray(row[column], float)) for row in (ours, theirs))
    size = min(ours_.size, theirs_.size)
    if column == "R":
        size = min(size, _SIZES.get(str(theirs["SHAPE"]).strip().lstrip("!"), size))
    return largest(ours_[:size], theirs_[:size])


def _agree(key: str, ours: fits.Header, theirs: fits.Header) -> bool:
    return _gap(ours.get(key), theirs[key]) <= _SINGLE.get(key, NUMBER)
