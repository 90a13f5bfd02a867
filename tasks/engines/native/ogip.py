"""What images, light curves and spectra have in common: header keywords, GTI and region extensions."""

import re
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.engines.native.axes import Axis
from tasks.engines.native.events import EventList
from tasks.engines.native.selection import Selection, frame_shift
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region
from tasks.xtend.shapes import PixelShape

REGION_EXTENSION = "REG00101"
_SECONDS_PER_DAY = 86400.0
_OWN = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|THEAP|EXTNAME|EXTVER|EXTLEVEL|"
    r"T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|LMIN|LMAX|DMIN|DMAX|CTYP|CRPX|CRVL|CDLT|CUNI|CROT|CNA|DBIN)\d+|"
    r"(LON|LAT)P\d+|DS(TYP|VAL|FORM|UNIT|REF)\d+|M(TYPE|FORM)\d+|METYP\d+|"
    r"HDUNAME|HDUCLAS.|HDUVERS\d?|HDUDOC|HDUSPEC|CONTENT|CHECKSUM|DATASUM|LONGSTRN|"
    r"HISTORY|COMMENT|CREATOR|DATE|FILIN\d+|DEADC|DEADAPP|"
)
_TIME_FRAME = ("MJDREF", "MJDREFI", "MJDREFF", "TIMESYS", "TIMEREF", "TIMEUNIT", "DATE-OBS", "DATE-END")
_INSTRUMENT = ("TELESCOP", "INSTRUME", "DETNAM", "FILTER", "DATAMODE", "OBJECT", "RADECSYS", "EQUINOX")


def set_observation(header: fits.Header, selection: Selection) -> None:
    """Copy what describes the observation from the events, and say how long it was exposed."""
    for card in selection.once("observation", lambda: _observation(selection)):
        if card.keyword not in header:
            header.append(card, end=True)


def _observation(selection: Selection) -> list[fits.Card]:
    """The cards that describe the observation; products share them."""
    events, header = selection.events, fits.Header()
    for card in events.header.cards:
        if not (_OWN.fullmatch(card.keyword) or card.keyword in header or _is_partial(card.keyword, events)):
            header.append((card.keyword, card.value, card.comment))
    set_times(header, selection)
    if "DEADC" in events.header and "DEADC" not in header:
        header["DEADC"] = (1.0, "live fraction")
    for number, name in enumerate(events.names, start=1):
        header[f"FILIN{number:03d}"] = (name, "Input file name")
    return list(header.cards)


def set_times(header: fits.Header, selection: Selection) -> None:
    """Say when the good time lies and how long it is."""
    gti = selection.events.gti
    start, stop = float(gti.start[0]), float(gti.stop[-1])
    header["ONTIME"] = (selection.ontime, "[s] sum of the good-time intervals")
    header["LIVETIME"] = (selection.exposure, "[s] on-source time without dead time")
    header["EXPOSURE"] = (selection.exposure, "[s] on-source time without dead time")
    header["TSTART"] = (start, "[s] time start")
    header["TSTOP"] = (stop, "[s] time stop")
    header["TELAPSE"] = (stop - start, "[s] elapsed time")
    if selection.live_fraction != 1:
        header["DEADC"] = (selection.live_fraction, "live fraction")
        header["DEADAPP"] = (False, "whether DEADC has been applied to the data")
    reference = reference_mjd(selection.events.header)
    if reference is not None:
        header["MJD-OBS"] = (reference + start / _SECONDS_PER_DAY, "MJD of data start time")


def reference_mjd(header: fits.Header) -> float | None:
    """The MJD that times count from, where the header gives it."""
    if "MJDREF" in header:
        return float(header["MJDREF"])
    if "MJDREFI" in header:
        return float(header["MJDREFI"]) + float(header.get("MJDREFF", 0.0))
    return None


def set_region_reference(header: fits.Header, region: Region | None) -> None:
    """Point to the extension that holds the region."""
    if region is not None:
        header["DSTYP1"] = ("POS(X,Y)", "Data subspace descriptor: name")
        header["DSREF1"] = (f":{REGION_EXTENSION}", "Data subspace descriptor: reference")
        header["DSVAL1"] = ("TABLE", "Data subspace descriptor: value")


def set_axes(header: fits.Header, axes: tuple[Axis, Axis], first: tuple[int, int], binning: int) -> None:
    """World and physical coordinates of an image; extractor writes neither CUNIT nor CD.

    Parameters
    ----------
    header : astropy.io.fits.Header
        The image's.
    axes : tuple of Axis
        The columns that it was binned from.
    first : tuple of int
        Where in these columns its first pixel begins.
    binning : int
        Pixels of the columns per pixel of the image.
    """
    for number, (axis, low) in enumerate(zip(axes, first, strict=True), start=1):
        reference = (axis.crpix - (low - 1)) / binning + (binning - 1) / (2 * binning)
        header[f"CTYPE{number}"] = axis.ctype
        header[f"CRPIX{number}"] = (reference, "reference pixel")
        header[f"DRPIX{number}"] = (axis.crpix, "original reference pixel")
        header[f"CRVAL{number}"] = (axis.crval, "coordinate of the reference pixel")
        header[f"CDELT{number}"] = (axis.cdelt * binning, "increment")
        header[f"DDELT{number}"] = (axis.cdelt, "original increment")
    header["WCSNAMEP"] = "PHYSICAL"
    for number, (axis, low) in enumerate(zip(axes, first, strict=True), start=1):
        _set_physical(header, number, axis, low, binning)


def _set_physical(header: fits.Header, number: int, axis: Axis, first: int, binning: int) -> None:
    """Physical coordinates of an image axis whose first pixel begins at pixel `first` of a column."""
    centre = first + (binning - 1) / 2
    header[f"LTV{number}"] = (1 - centre / binning, "offset for logical to physical pixel")
    header[f"LTM{number}_{number}"] = (1 / binning, "slope for logical to physical pixel")
    header[f"WCSTY{number}P"] = "PHYSICAL"
    header[f"CTYPE{number}P"] = (axis.name, "source of the axis")
    header[f"CRPIX{number}P"] = (1.0, "reference pixel")
    header[f"CRVAL{number}P"] = (centre, "its place in the column")
    header[f"CDELT{number}P"] = (float(binning), "increment")


def gti_hdu(selection: Selection) -> fits.BinTableHDU:
    """The merged good-time intervals, as a GTI extension; products share it."""
    return selection.once("gti", lambda: _gti_hdu(selection))


def _gti_hdu(selection: Selection) -> fits.BinTableHDU:
    gti = selection.events.gti
    columns = [
        fits.Column("START", "D", unit="s", array=gti.start),
        fits.Column("STOP", "D", unit="s", array=gti.stop),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    hdu.header.update(
        {
            "HDUCLASS": ("OGIP", "file conforms to OGIP/GSFC conventions"),
            "HDUCLAS1": ("GTI", "good-time intervals"),
            "HDUCLAS2": "STANDARD",
            "HDUNAME": "GTI",
            "MTYPE1": "TIME",
            "MFORM1": "START,STOP",
            "METYP1": "R",
        }
    )
    _set_identity(hdu.header, selection)
    return hdu


def region_hdu(region: Region, selection: Selection) -> fits.BinTableHDU:
    """The region in sky pixels, as the FITS region table that ds9 and the FTOOLS read; products share it."""
    return selection.once((region, "table"), lambda: _region_hdu(region, selection))


def _region_hdu(region: Region, selection: Selection) -> fits.BinTableHDU:
    rows = list(region.components(selection.events.wcs))
    points = max(len(shape.x) for _, shape in rows)
    radii = max(1, *(len(shape.sizes) for _, shape in rows))
    columns = [
        fits.Column("X", f"{points}D", unit="pixel", array=_vertices([s.x for _, s in rows], points)),
        fits.Column("Y", f"{points}D", unit="pixel", array=_vertices([s.y for _, s in rows], points)),
        fits.Column("SHAPE", "16A", array=np.array([_shape_name(s) for _, s in rows])),
        fits.Column("R", f"{radii}D", unit="pixel", array=_radii([s.sizes for _, s in rows], radii)),
        fits.Column("ROTANG", "D", unit="degree", array=np.array([s.angle for _, s in rows])),
        fits.Column("COMPONENT", "I", array=np.array([number for number, _ in rows])),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name=REGION_EXTENSION)
    hdu.header.update(
        {
            "HDUNAME": "REGION",
            "HDUCLASS": "ASC",
            "HDUCLAS1": "REGION",
            "HDUCLAS2": "STANDARD",
            "HDUVERS": "1.0.0",
            "CONTENT": "REGION",
            "MTYPE1": "pos",
            "MFORM1": "X,Y",
        }
    )
    for number, name in enumerate(("X", "Y"), start=1):
        axis = selection.events.axis(name)
        if axis.ctype:
            hdu.header.update({f"TC{ending}{number}": value for ending, value in axis.world.items()})
    _set_identity(hdu.header, selection)
    return hdu


def selection_history(selection: Selection, channels: Channels | None, region: Region | None) -> list[str]:
    """The exact selection in words, for HISTORY."""
    events = selection.events
    shift = frame_shift(events.header)
    lines = [
        f"Events of {', '.join(events.names)}",
        f"whose frame centre (TIME{f' {shift:+.6g} s' if shift else ''}) lies in one of",
        f"{events.gti.start.size} good-time intervals, {selection.ontime} s in all, ends included,",
        f"PI {channels.low}:{channels.high}, both included" if channels else "no cut in PI",
    ]
    if region is None:
        lines.append("no region: the whole field")
    else:
        lines.append(f"in the region of {Path(region.name).name}, edges included:")
        lines.extend(f"  {line}" for line in region.text())
    return [*lines, *events.notes]


def _is_partial(keyword: str, events: EventList) -> bool:
    """Whether the first file's value does not hold for a list that is split in several."""
    return keyword == "DATE-END" and len(events.names) > 1


def _set_identity(header: fits.Header, selection: Selection) -> None:
    source = selection.events.header
    for key in (*_INSTRUMENT, *_TIME_FRAME):
        if key in source and not _is_partial(key, selection.events):
            header[key] = (source[key], source.comments[key])
    set_times(header, selection)


def _shape_name(shape: PixelShape) -> str:
    return f"{'' if shape.include else '!'}{shape.kind.upper()}"


def _vertices(rows: list[tuple[float, ...]], width: int) -> NDArray[np.float64]:
    """Rows of equal length: the last vertex is repeated."""
    return np.array([(*row, *row[-1:] * (width - len(row))) for row in rows])


def _radii(rows: list[tuple[float, ...]], width: int) -> NDArray[np.float64]:
    """Rows of equal length: sizes that a shape does not have are 0."""
    return np.array([(*row, *(0.0,) * (width - len(row))) for row in rows])
