"""Exposure maps: one attitude, fifty, and good time in a hundred thousand pieces."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from event_lists import CLASS, OBSERVATION, SEED, write_good_time
from rows import Row, at_most, below
from timing import alternated, shortest

from tasks.archive.simulated.detector import MODES, detector
from tasks.archive.simulated.timeline import Intervals
from tasks.engines.native.exposure import make

_SPAN = 400_000.0
_WEDGES = 50
_RING_ARCMIN = 0.1
_INTERVALS = 100_000
_FRAME, _CYCLE = 3.96, 4.0


def rows(folder: Path) -> Iterator[Row]:
    """Whole runs of `make`, files read and written included."""
    bad_pixels = folder / "bench.bimg"
    flags = detector(MODES[CLASS], SEED).flags
    fits.PrimaryHDU(flags).writeto(bad_pixels)
    few, many = folder / "few.evt", folder / "many.evt"
    write_good_time(few, _good_time(10))
    write_good_time(many, _good_time(_INTERVALS))
    steady, drifting = folder / "steady.ehk", folder / "drifting.ehk"
    _write_attitude(steady, 0.0)
    _write_attitude(drifting, (_WEDGES - 0.5) * _RING_ARCMIN)

    def run(ehk: Path, events: Path, delta: float) -> Callable[[], None]:
        return lambda: _run(folder, str(ehk), str(events), str(bad_pixels), delta)

    one, pieces = run(steady, few, 20.0), run(steady, many, 20.0)
    one()
    name = "exposure map of 2430² and its mean over 4×4, files read and written:"
    yield below(f"{name} one wedge", shortest("one wedge", one, 5), "s", 1.0)
    fifty = shortest("50 wedges", run(drifting, few, _RING_ARCMIN), 2)
    yield below(f"{name} 50 wedges", fifty, "s", 10.0)
    slow, quick = alternated("1e5 / 10 good-time intervals", pieces, one, 5)
    yield at_most("exposure map with 1e5 rows of good time, against 10 rows", slow, "s", quick, 2.0)


def _run(folder: Path, ehk: str, events: str, bad_pixels: str, delta: float) -> None:
    maps = {binning: folder / f"map_{binning}.fits" for binning in (1, 4)}
    names = {str(binning): str(path) for binning, path in maps.items()}
    report = make(
        ehk=ehk, events=[events], bad_pixels=bad_pixels, maps=names, delta_arcmin=delta, numphi=1,
        mask_calibration=True, recipe="none",
    )  # fmt: skip
    expected = _WEDGES if delta == _RING_ARCMIN else 1
    if report.facts["wedges"] != expected:
        raise RuntimeError(f"the map has {report.facts['wedges']} wedges instead of {expected}")
    for path in maps.values():
        path.unlink()


def _good_time(pieces: int) -> Intervals:
    """The same time in frames of 3.96 s, or as long a time in a few pieces."""
    start = OBSERVATION.start + np.linspace(0, _CYCLE * _INTERVALS, pieces, endpoint=False)
    return Intervals(start, start + _FRAME * _INTERVALS / pieces)


def _write_attitude(path: Path, drift_arcmin: float) -> None:
    """Extended housekeeping once a second, with an axis that moves northward at a steady pace."""
    nominal = OBSERVATION.nominal
    time = OBSERVATION.start + np.arange(-10.0, _SPAN + 10)
    steady = np.zeros(time.size)
    dec = nominal.dec + np.linspace(0, drift_arcmin, time.size) / 60
    columns: dict[str, Any] = {
        "TIME": time, "RA": steady + nominal.ra, "DEC": dec, "ROLL": steady + nominal.pa,
        "XTD_RA_PNT": steady + nominal.ra, "XTD_DEC_PNT": dec,
    }  # fmt: skip
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(name, "1D", array=values) for name, values in columns.items()], name="EHK"
    )
    hdu.header.update({"RA_OBJ": nominal.ra, "DEC_OBJ": nominal.dec})
    hdu.writeto(path)
