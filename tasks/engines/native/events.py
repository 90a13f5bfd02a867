"""Event lists, read in one pass: the columns asked for, ranges and sky coordinates, good-time intervals.

A gzipped list is decompressed as it is read. Nothing holds a whole column: the wanted ones come in chunks of
some hundred thousand rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from tasks.core.errors import Permanent
from tasks.engines.native.axes import Axis, axes_of, sky_wcs
from tasks.engines.native.fits_stream import (
    Layout,
    headers,
    layout_of,
    opened,
    padded_size,
    skip,
    table_chunks,
    take,
)
from tasks.engines.native.gti import Gti, union
from tasks.engines.native.keywords import figure
from tasks.engines.native.spool import Chunk, Spool

_GTI_NAMES: Final = ("GTI", "STDGTI")
_FRAME: Final = ("TIMEZERO", "TIMEDEL", "TIMEPIXR")
_FIGURES: Final = (*_FRAME, "MJDREF", "MJDREFI", "MJDREFF", "TSTART", "TSTOP")


@dataclass(frozen=True)
class EventList:
    """One dataset's events, from one file or several.

    Parameters
    ----------
    names : tuple of str
        The files' names.
    header : astropy.io.fits.Header
        Header of the first file's EVENTS extension.
    parts : iterable of dict
        The events in the files' order, some hundred thousand at a time: upper-case name of a column → values
        in native byte order, shape (rows,). It can be gone through again and again.
    axes : dict of str to Axis
        The columns' names → their ranges, where the header gives them.
    gti : Gti
        Good time of all files.
    gti_given : bool
        False where a file has no good-time intervals, so that all its time counts as good.
    notes : tuple of str
        What was odd, for people.
    primary : astropy.io.fits.Header
        Header of the first file's primary HDU.
    size : int
        How many events.
    """

    names: tuple[str, ...]
    header: fits.Header
    parts: Iterable[Chunk]
    axes: dict[str, Axis]
    gti: Gti
    gti_given: bool = True
    notes: tuple[str, ...] = ()
    primary: fits.Header = field(default_factory=fits.Header)
    size: int = 0

    @property
    def name(self) -> str:
        """The first file's name, for messages."""
        return self.names[0]

    @cached_property
    def keywords(self) -> fits.Header:
        """What the list says of itself: `header`, and from `primary` what it lacks."""
        return _completed(self.header, self.primary)

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

    @cached_property
    def wcs(self) -> WCS | None:
        """Celestial WCS of the unbinned sky pixels X, Y (1-based); None when the list has none.

        Raises
        ------
        Permanent
            When the coordinates cannot be.
        """
        return sky_wcs(self.axis("X"), self.axis("Y"), self.name)


@dataclass(frozen=True)
class _Parts:
    """The columns of all files that go into a list, chunk by chunk."""

    spool: Spool
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[Chunk]:
        return self.spool.chunks(self.names)


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
    EnvironmentFault
        When there is no room to work.
    """
    needed, welcome = ([name.upper() for name in names] for names in (columns, optional))
    spool = Spool()
    files = [_read_file(path, needed, welcome, spool) for path in paths]
    first = files[0].events
    names = (*needed, *(name for name in welcome if all(name in file.columns for file in files)))
    lists = [file.events for file in files]
    if any(each.axes.get(name) != first.axes.get(name) for each in lists for name in names):
        raise Permanent(f"{', '.join(each.name for each in lists)} do not share ranges and sky coordinates")
    if any(each.header.get(key, 0.0) != first.header.get(key, 0.0) for each in lists for key in _FRAME):
        raise Permanent(f"{', '.join(each.name for each in lists)} do not share {', '.join(_FRAME)}")
    return replace(
        first,
        names=tuple(each.name for each in lists),
        parts=_Parts(spool, names),
        axes={name: first.axes[name] for name in names if name in first.axes},
        gti=union([each.gti for each in lists]),
        gti_given=all(each.gti_given for each in lists),
        notes=tuple(dict.fromkeys(note for each in lists for note in each.notes)),
        size=sum(each.size for each in lists),
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


@dataclass(frozen=True)
class _File:
    """One of the files: what it says, and which of the wanted columns it has."""

    events: EventList
    columns: Sequence[str]


def _read_file(path: Path, needed: Sequence[str], welcome: Sequence[str], spool: Spool) -> _File:
    primary: fits.Header | None = None
    header: fits.Header | None = None
    columns: list[str] = []
    tables: dict[str, list[fits.BinTableHDU]] = {name: [] for name in _GTI_NAMES}
    with opened(path) as stream:
        for hdu in headers(stream, path):
            primary, extension = hdu if primary is None else primary, _name(hdu)
            if _is_events(hdu) and header is None:
                header, layout = hdu, layout_of(hdu, path)
                columns = _columns(layout, needed, welcome, path)
                if not columns:
                    skip(stream, padded_size(hdu), path)
                    continue
                for chunk in table_chunks(stream, hdu, layout, columns, path):
                    spool.append(chunk)
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
    axes = axes_of(header, columns, path.name)
    return _File(
        EventList((path.name,), header, (), axes, gti, bool(found), notes, primary, int(header["NAXIS2"])),
        columns,
    )


def _columns(layout: Layout, needed: Sequence[str], welcome: Sequence[str], path: Path) -> list[str]:
    """Which of the wanted columns there are.

    Raises
    ------
    Permanent
        When a needed one is missing.
    """
    for name in needed:
        if name not in layout.columns:
            raise Permanent(f"{path.name} has no column {name} in its event list")
    return [name for name in (*needed, *welcome) if name in layout.columns]


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
