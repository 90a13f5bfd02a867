"""Event lists as FITS files: EVENTS with its WCS and legal ranges, then GTI; written as they are drawn."""

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.archive.simulated import keywords
from tasks.archive.simulated.events import DTYPE
from tasks.archive.simulated.fits_files import (
    Keywords,
    copy_padded,
    datasum,
    gzipped,
    intervals_table,
    mark,
    with_checksum,
)
from tasks.archive.simulated.timeline import Intervals
from tasks.xtend.channels import CHANNEL_COUNT
from tasks.xtend.geometry import CCD_SIZE, DET_SIZE, PIXEL_DEG, SKY_CENTRE, SKY_SIZE
from tasks.xtend.nominal import Nominal

_NULL: Final = -999
_COLUMNS: Final[tuple[tuple[str, str, str | None, int | None, tuple[int, int] | None], ...]] = (
    ("TIME", "1D", "s", None, None),
    ("CCD_ID", "1B", None, 255, (0, 3)),
    ("SEGMENT", "1B", None, 255, (0, 1)),
    ("READNODE", "1B", None, 255, (0, 1)),
    ("RAWX", "1I", "pixel", _NULL, (0, CCD_SIZE // 2 - 1)),
    ("RAWY", "1I", "pixel", _NULL, (0, CCD_SIZE - 1)),
    ("ACTX", "1I", "pixel", _NULL, (1, CCD_SIZE)),
    ("ACTY", "1I", "pixel", _NULL, (1, CCD_SIZE)),
    ("DETX", "1I", "pixel", _NULL, (1, DET_SIZE)),
    ("DETY", "1I", "pixel", _NULL, (1, DET_SIZE)),
    ("FOCX", "1I", "pixel", _NULL, (1, SKY_SIZE)),
    ("FOCY", "1I", "pixel", _NULL, (1, SKY_SIZE)),
    ("X", "1I", "pixel", _NULL, (1, SKY_SIZE)),
    ("Y", "1I", "pixel", _NULL, (1, SKY_SIZE)),
    ("PHA", "1J", "chan", _NULL, (0, CHANNEL_COUNT - 1)),
    ("PI", "1J", "chan", _NULL, (0, CHANNEL_COUNT - 1)),
    ("GRADE", "1I", None, _NULL, (0, 11)),
    ("PROC_STATUS", "32X", None, None, None),
    ("STATUS", "48X", None, None, None),
)
"""Name, TFORM, unit, TNULL, legal range; in the order of `events.DTYPE`."""


def write_events(
    path: Path,
    common: Keywords,
    blocks: Iterable[NDArray[Any]],
    good_time: Intervals,
    nominal: Nominal,
    history: Iterable[str] = (),
) -> int:
    """Write a gzipped event list and say how many events it has.

    The rows pass through an unnamed scratch file, because the header before them holds their number and
    checksum.

    Parameters
    ----------
    path : Path
        Where to.
    common : mapping
        Keywords of every header; good time is added here.
    blocks : iterable of arrays of `events.DTYPE`
        The rows.
    good_time : Intervals
        The GTI extension; its sum is the exposure.
    nominal : Nominal
        What the SKY columns are made for.
    history : iterable of str
        Lines for the primary header.
    """
    common = dict(common) | keywords.of_exposure(good_time.total)
    if len(good_time.start):
        common |= keywords.of_time(float(good_time.start[0]), float(good_time.stop[-1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent) as rows:
        for block in blocks:
            # numpy gives up the file's byte order when it joins arrays.
            rows.write(block.astype(DTYPE, copy=False).tobytes())
        count = rows.tell() // DTYPE.itemsize
        rows.seek(0)
        rows_sum = datasum(rows)
        rows.seek(0)
        with gzipped(path) as stream:
            stream.write(_primary(common, history))
            stream.write(with_checksum(_events_header(common, nominal, count), rows_sum))
            copy_padded(rows, stream)
            stream.write(_good_time(common, good_time))
    return count


def _primary(common: Keywords, history: Iterable[str]) -> bytes:
    header = fits.PrimaryHDU().header
    mark(header, common)
    for line in history:
        header.add_history(line)
    return with_checksum(header, 0)


def _events_header(common: Keywords, nominal: Nominal, count: int) -> fits.Header:
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(name, tform, unit=unit, null=null) for name, tform, unit, null, _ in _COLUMNS],
        nrows=0,
        name="EVENTS",
    )
    header = hdu.header
    header["NAXIS2"] = count
    for number, (name, *_, legal) in enumerate(_COLUMNS, start=1):
        if legal is not None:
            header[f"TLMIN{number}"], header[f"TLMAX{number}"] = legal
        if name in ("ACTX", "ACTY", "X", "Y"):
            header.update(_axis(number, name, nominal))
    header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "HDUCLAS2": "ALL", "TIMEZERO": 0.0})
    for number, (kind, axes) in enumerate((("EQPOS", "X,Y"), ("DET", "DETX,DETY")), start=1):
        header[f"MTYPE{number}"], header[f"MFORM{number}"] = kind, axes
    mark(header, common)
    return header


def _axis(number: int, name: str, nominal: Nominal) -> dict[str, Any]:
    """How a column counts: on the sky, or by its own pixels, which searchflickpix wants to be told."""
    kind, unit, reference, value, step = {
        "X": ("RA---TAN", "deg", SKY_CENTRE, nominal.ra, -PIXEL_DEG),
        "Y": ("DEC--TAN", "deg", SKY_CENTRE, nominal.dec, PIXEL_DEG),
    }.get(name, (name, "pixel", 1.0, 1.0, 1.0))
    return {
        f"TCTYP{number}": kind,
        f"TCUNI{number}": unit,
        f"TCRPX{number}": reference,
        f"TCRVL{number}": value,
        f"TCDLT{number}": step,
    }


def _good_time(common: Keywords, good_time: Intervals) -> bytes:
    header = intervals_table("GTI", good_time.start, good_time.stop).header
    mark(header, common)
    padded = io.BytesIO()
    copy_padded(
        io.BytesIO(np.stack([good_time.start, good_time.stop], axis=1).astype(">f8").tobytes()), padded
    )
    padded.seek(0)
    return with_checksum(header, datasum(padded)) + padded.getvalue()
