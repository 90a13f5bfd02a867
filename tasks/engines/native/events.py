"""Event lists, read in one pass: the columns asked for, ranges and sky coordinates, good-time intervals.

A gzipped list is decompressed as it is read; of the event table only the wanted columns are kept, a few
megabytes of rows at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from tasks.core.errors import Permanent
from tasks.engines.native.axes import Axis, axes_of, sky_wcs
from tasks.engines.native.fits_stream import Column, headers, opened, padded_size, read_columns, skip, take
from tasks.engines.native.gti import Gti, union
from tasks.engines.native.keywords import figure

_GTI_NAMES: Final = ("GTI", "STDGTI")
_FRAME: Final = ("TIMEZERO", "TIMEDEL", "TIMEPIXR")
_FIGURES: Final = (*_FRAME, "TIMEZERI", "TIMEZERF", "MJDREF", "MJDREFI", "MJDREFF", "TSTART", "TSTOP")


@dataclass(frozen=True)
class EventList:
    """One dataset's events, from one file or several.

    Parameters
    ----------
    names : tuple of str
        The files' names.
    header : astropy.io.fits.Header
        Header of the first file's EVENTS extension.
    columns : dict of str to ndarray, shape (n,)
        Upper-case name → values in native byte order.
    axes : dict of str to Axis
        The same names → their ranges, where the header gives them.
    gti : Gti
        Good time of all files.
    gti_given : bool
        False where a file has no good-time intervals, so that all its time counts as good.
    notes : tuple of str
        What was odd, for people.
    primary : astropy.io.fits.Header
        Header of the first file's primary HDU.
    """

    names: tuple[str, ...]
    header: fits.Header
    columns: dict[str, Column]
    axes: dict[str, Axis]
    gti: Gti
    gti_given: bool = True
    notes: tuple[str, ...] = ()
    primary: fits.Header = field(default_factory=fits.Header)

    @property
    def name(self) -> str:
        """The first file's name, for messages."""
        return self.names[0]

    @cached_property
    def keywords(self) -> fits.Header:
        """What the list says of itself: `header`, and from `primary` what it lacks."""
        return _completed(self.header, self.primary)

    @property
    def size(self) -> int:
        """How many events, where a column was read."""
        return next(iter(self.columns.values())).size

    def axis(self, name: str) -> Axis:
        """The range of a column.

        Raises
        ------
        Permanent
            When the header does not give it.
        """
        if name not in self.axes:
            raise Permanent(f"{self.name} gives no range (TLMIN, TLMAX) of its column {name}")
        return self.axes[name]

    def wcs(self) -> WCS | None:
        """Celestial WCS of the unbinned sky pixels X, Y (1-based); None when the list has none.

        Raises
        ------
        Permanent
            When the coordinates cannot be.
        """
        return sky_wcs(self.axis("X"), self.axis("Y"), self.name)


def read_events(paths: Sequence[Path], columns: Sequence[str], optional: Sequence[str] = ()) -> EventList:
    """Read the event files of one dataset.

    Parameters
    ----------
    paths : sequence of Path
        FITS files, gzipped or not; events are joined in this order, good time is OR-ed.
    columns : sequence of str
        Names of the columns to read, in any case.
    optional : sequence of str
        Columns to read only where every file has them.

    Raises
    ------
    BadInput
        When a file is not there.
    Permanent
        When a file is broken, is no event list, lacks a column, or does not belong to the first.
    """
    files = [_read_file(path, [name.upper() for name in (*columns, *optional)]) for path in paths]
    wanted = [name.upper() for name in optional if all(name.upper() in each.columns for each in files)]
    for each in files:
        for name in (*columns, *wanted):
            if name.upper() not in each.columns:
                raise Permanent(f"{each.name} has no column {name.upper()} in its event list")
    first = files[0]
    names = [*map(str.upper, columns), *wanted]
    if any(each.axes.get(name) != first.axes.get(name) for each in files for name in names):
        raise Permanent(f"{', '.join(each.name for each in files)} do not share ranges and sky coordinates")
    if any(each.header.get(key) != first.header.get(key) for each in files for key in _FRAME):
        raise Permanent(f"{', '.join(each.name for each in files)} do not share {', '.join(_FRAME)}")
    return EventList(
        tuple(each.name for each in files),
        first.header,
        {name: _joined([each.columns[name] for each in files]) for name in names},
        {name: first.axes[name] for name in names if name in first.axes},
        union([each.gti for each in files]),
        all(each.gti_given for each in files),
        tuple(dict.fromkeys(note for each in files for note in each.notes)),
        first.primary,
    )


def read_header(path: Path) -> fits.Header:
    """Keywords of an event list, as `EventList.keywords`; the file is read up to them.

    Raises
    ------
    BadInput, Permanent
        As `read_events`.
    """
    primary: fits.Header | None = None
    with opened(path) as stream:
        for header in headers(stream, path):
            primary = header if primary is None else primary
            if _is_events(header):
                return _completed(header, primary)
            skip(stream, padded_size(header), path)
    raise Permanent(f"{path.name} has no EVENTS extension")


def _completed(header: fits.Header, primary: fits.Header) -> fits.Header:
    whole = header.copy()
    whole.extend(primary, unique=True, update=False)
    return whole


def _name(header: fits.Header) -> str:
    return str(header.get("EXTNAME", "")).strip().upper()


def _is_events(header: fits.Header) -> bool:
    return _name(header) == "EVENTS" and header.get("XTENSION") == "BINTABLE"


def _read_file(path: Path, names: Sequence[str]) -> EventList:
    primary: fits.Header | None = None
    header: fits.Header | None = None
    columns: dict[str, Column] = {}
    tables: dict[str, list[fits.BinTableHDU]] = {name: [] for name in _GTI_NAMES}
    with opened(path) as stream:
        for hdu in headers(stream, path):
            primary, extension = hdu if primary is None else primary, _name(hdu)
            if _is_events(hdu) and header is None:
                header, columns = hdu, read_columns(stream, hdu, names, path)
            elif extension in tables:
                data = take(stream, padded_size(hdu), path)
                tables[extension].append(fits.BinTableHDU.fromstring(hdu.tostring().encode() + data))
            else:
                skip(stream, padded_size(hdu), path)
    if header is None or primary is None:
        raise Permanent(f"{path.name} has no EVENTS extension")
    for key in _FIGURES:
        if key in header:
            figure(header, key, path.name)
    found = [hdu for name in _GTI_NAMES for hdu in tables[name]]
    gti, notes = _intervals(found, path) if found else _whole_time(header, path)
    axes = axes_of(header, names, path.name)
    return EventList((path.name,), header, columns, axes, gti, bool(found), notes, primary)


def _intervals(tables: Sequence[fits.BinTableHDU], path: Path) -> tuple[Gti, tuple[str, ...]]:
    """The first table's intervals: GTI comes before STDGTI."""
    table = tables[0]
    try:
        start, stop = (np.asarray(table.data[name], float) for name in ("START", "STOP"))
    except (KeyError, ValueError) as exc:
        raise Permanent(
            f"the extension {table.name} of {path.name} has no START and STOP in seconds"
        ) from exc
    if not np.isfinite([start, stop]).all():
        raise Permanent(f"{path.name} has good-time intervals without a start or an end")
    several = sum(other.name == table.name for other in tables)
    note = f"{path.name} has {several} extensions {table.name}; the first was used"
    # HEASoft adds the extension's own TIMEZERO, whatever that of the events is.
    zero = figure(table.header, "TIMEZERO", path.name) if "TIMEZERO" in table.header else 0.0
    return Gti.merged(start + zero, stop + zero), (note,) if several > 1 else ()


def _whole_time(header: fits.Header, path: Path) -> tuple[Gti, tuple[str, ...]]:
    """From the header's start to its stop, where there are no intervals."""
    if "TSTART" not in header or "TSTOP" not in header:
        raise Permanent(f"{path.name} has neither good-time intervals nor TSTART and TSTOP")
    note = f"{path.name} has no good-time intervals; all time from TSTART to TSTOP counts as good"
    return Gti.merged([header["TSTART"]], [header["TSTOP"]]), (note,)


def _joined(parts: Sequence[Column]) -> Column:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
