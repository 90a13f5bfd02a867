"""Event lists to measure on: 25 columns and 60 bytes a row, drawn from the simulated archive's sources.

A list has four CCDs in full window, a bright target in a field of fainter ones, particle background, a roll
angle of 37° and times in frames of 3.96 s. The same number of events gives the same bytes.
"""

import gzip
import shutil
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from isal import igzip
from numpy.typing import NDArray

from tasks.archive.simulated import events, keywords
from tasks.archive.simulated.detector import MODES
from tasks.archive.simulated.fits_files import datasum, intervals_table, mark, with_checksum
from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.sources import POWER_LAW, STAR, THERMAL, Source
from tasks.archive.simulated.timeline import Intervals, frames, good_cycles, merged
from tasks.core.identifiers import DataClass, ObsID
from tasks.xtend.geometry import CCD_SIZE, DET_SIZE, PIXEL_DEG, SKY_CENTRE, SKY_SIZE

SEED: Final = 3
CLASS: Final = DataClass("30000010")
OBSERVATION: Final = Observation(
    ObsID("900099010"), "BENCH", "to measure on", (CLASS,), 187.7059, 12.3911, 37.0, 170000000.25, 330000.0,
    Source("target", 6.0, POWER_LAW),
    field=(Source("field 1", 0.6, THERMAL, (1210.0, 640.0)),
           Source("field 2", 0.3, STAR, (520.0, 1120.0))),
    background=3.0,
)  # fmt: skip
"""About 200 ks of good time in 330 ks."""
SOURCE: Final = (OBSERVATION.ra, OBSERVATION.dec, 120.0)
BACKGROUND: Final = (OBSERVATION.ra + 0.1, OBSERVATION.dec + 0.09, 180.0)
HOLE: Final = (OBSERVATION.ra + 0.12, OBSERVATION.dec + 0.1, 30.0)
"""Circles of the regions: RA and Dec in degrees, radius in arcsec; the last is cut out of the background."""
_GZIP_LEVEL: Final = 6
_CHUNK: Final = 4 << 20
_BLOCK: Final = 2880
_OTHERS: Final = [
    ("CATEGORY", "u1"), ("CATEGORY5X5", "u1"), ("ADU_CNT", "u1"),
    ("ADCAVE", ">i2"), ("P_OUTER_MOST", "u1", 2), ("SUM_OUTER_MOST", ">i2"),
]  # fmt: skip
"""Book-keeping and raw columns, which the simulated archive leaves out."""
_ROW: Final = np.dtype(events.DTYPE.descr + _OTHERS)
_FORMATS: Final = {">f8": "1D", "|u1": "1B", ">i2": "1I", ">i4": "1J"}
_BITS: Final = {"P_OUTER_MOST": "16X", "PROC_STATUS": "32X", "STATUS": "48X"}
_RANGES: Final = {
    **dict.fromkeys(("ACTX", "ACTY"), (1, CCD_SIZE)),
    **dict.fromkeys(("DETX", "DETY"), (1, DET_SIZE)),
    **dict.fromkeys(("FOCX", "FOCY", "X", "Y"), (1, SKY_SIZE)),
    **dict.fromkeys(("PHA", "PI"), (0, 4095)),
    "RAWX": (0, CCD_SIZE // 2 - 1), "RAWY": (0, CCD_SIZE - 1), "CCD_ID": (0, 3), "GRADE": (0, 11),
}  # fmt: skip


def write_list(path: Path, count: int) -> None:
    """Write a list of about `count` events."""
    observation = OBSERVATION
    exposures = frames(observation.start, good_cycles(observation.start, observation.span), MODES[CLASS])
    good_time = merged(exposures)
    parts = events.components(observation, CLASS, SEED)
    scale = count / good_time.total / sum(part.rate for part in parts)
    plan = events.draft(observation, CLASS, exposures, good_time.total, scale, SEED)
    rows = map(_filled, events.blocks(plan, slice(None)), range(count + 1))
    _write(path, int(plan.counts.sum()), rows, good_time)


def write_good_time(path: Path, good_time: Intervals) -> None:
    """Write a list without events that has a certain good time."""
    _write(path, 0, (), good_time)


def write_regions(folder: Path) -> None:
    """`source.reg` and `background.reg`, in equatorial coordinates."""
    for name, lines in (
        ("source", [_circle(SOURCE)]),
        ("background", [_circle(BACKGROUND), f"-{_circle(HOLE)}"]),
    ):
        text = "\n".join(["# Region file format: DS9 version 4.1", "fk5", *lines])
        (folder / f"{name}.reg").write_text(f"{text}\n")


def gzipped(path: Path) -> Path:
    """A copy beside a file, gzipped as the archive's are (gzip's own choice of level)."""
    packed = path.with_name(f"{path.name}.gz")
    with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=_GZIP_LEVEL) as stream:
        shutil.copyfileobj(plain, stream, _CHUNK)
    return packed


def gzipped_fast(path: Path) -> Path:
    """The same, soon done but larger."""
    packed = path.with_name(f"{path.name}.gz")
    with path.open("rb") as plain, igzip.open(packed, "wb", compresslevel=1) as stream:
        shutil.copyfileobj(plain, stream, _CHUNK)
    return packed


def _circle(circle: tuple[float, float, float]) -> str:
    ra, dec, radius = circle
    return f'circle({ra:.6f},{dec:.6f},{radius:g}")'


def _filled(block: NDArray[Any], number: int) -> NDArray[Any]:
    """A block of the simulated archive with the columns that it leaves out."""
    rng = np.random.default_rng([SEED, number])
    rows = np.zeros(block.size, _ROW)
    for name in events.DTYPE.names or ():
        rows[name] = block[name]
    rows["ADU_CNT"] = rng.integers(0, 256, block.size)
    rows["ADCAVE"] = rng.normal(600, 20, block.size)
    rows["P_OUTER_MOST"] = np.bitwise_and(*rng.integers(0, 256, (2, block.size, 2), np.uint8))
    rows["SUM_OUTER_MOST"] = rng.normal(0, 60, block.size)
    return rows


def _write(path: Path, count: int, blocks: Iterable[NDArray[Any]], good_time: Intervals) -> None:
    common = _common(good_time)
    primary = fits.PrimaryHDU().header
    mark(primary, common)
    header = _events_header(count, common)
    gti = intervals_table("GTI", good_time.start, good_time.stop)
    mark(gti.header, common)
    with path.open("wb") as file:
        file.write(with_checksum(primary, 0))
        place, total = file.tell(), 0
        file.write(with_checksum(header, 0))
        for block in blocks:
            data = block.tobytes()
            total += datasum(BytesIO(data))
            file.write(data)
        file.write(bytes(-count * _ROW.itemsize % _BLOCK))
        data = np.stack([good_time.start, good_time.stop], axis=1).astype(">f8").tobytes()
        file.write(with_checksum(gti.header, datasum(BytesIO(data))))
        file.write(data + bytes(-len(data) % _BLOCK))
        # The sum of the rows is known now.
        file.seek(place)
        file.write(with_checksum(header, total % 0xFFFFFFFF))


def _common(good_time: Intervals) -> dict[str, Any]:
    return {
        **keywords.of_observation(OBSERVATION),
        **keywords.of_mode(MODES[CLASS]),
        **keywords.of_exposure(good_time.total),
        **keywords.of_time(float(good_time.start[0]), float(good_time.stop[-1])),
    }


def _events_header(count: int, common: dict[str, Any]) -> fits.Header:
    columns = [
        fits.Column(name, _BITS.get(name) or _FORMATS[_ROW[name].str], null=_null(name))
        for name in _ROW.names or ()
    ]
    header = fits.BinTableHDU.from_columns(columns, nrows=0, name="EVENTS").header
    header["NAXIS2"] = count
    nominal = OBSERVATION.nominal
    for number, name in enumerate(_ROW.names or (), start=1):
        if name in _RANGES:
            header[f"TLMIN{number}"], header[f"TLMAX{number}"] = _RANGES[name]
        if name in ("X", "Y"):
            header[f"TCTYP{number}"] = "RA---TAN" if name == "X" else "DEC--TAN"
            header[f"TCUNI{number}"] = "deg"
            header[f"TCRPX{number}"] = SKY_CENTRE
            header[f"TCRVL{number}"] = nominal.ra if name == "X" else nominal.dec
            header[f"TCDLT{number}"] = -PIXEL_DEG if name == "X" else PIXEL_DEG
    header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "EVENTS", "HDUCLAS2": "ALL", "TIMEZERO": 0.0})
    mark(header, common)
    return header


def _null(name: str) -> int | None:
    return -999 if name in _RANGES and _ROW[name].itemsize > 1 else None
