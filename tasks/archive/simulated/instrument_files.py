"""The smaller files of `xtend/`: bad-pixel image, pixel lists, exposures, mode good time, housekeeping."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.archive.simulated import keywords
from tasks.archive.simulated.detector import MODES, act_of, ccd_of, detector
from tasks.archive.simulated.fits_files import intervals_table, table, write
from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.timeline import CYCLE, frames
from tasks.core.identifiers import DataClass
from tasks.xtend.geometry import DetPixels

_HOT_PIXEL_CAUSE: Final = 3
_SEGMENTS: Final = 2


def write_bad_pixels(folder: Path, observation: Observation, dataclass: DataClass, seed: int) -> None:
    """Write the bad-pixel image of each file part, and the lists of hot and of flickering pixels."""
    mode = MODES[dataclass]
    common = keywords.of_observation(observation) | keywords.of_mode(mode)
    chip = detector(mode, seed)
    stem = f"xa{observation.obsid}xtd"
    for part in range(observation.parts):
        write(folder / f"{stem}_p{part}{dataclass}.bimg.gz", [fits.PrimaryHDU(chip.flags)], common)
    y, x = np.nonzero(chip.causes >> _HOT_PIXEL_CAUSE & 1)
    det = DetPixels((x + 1).astype(float), (y + 1).astype(float))
    write(folder / f"{stem}_a0{dataclass}.hpix.gz", [fits.PrimaryHDU(), _pixels(det)], common)
    nothing = DetPixels(np.zeros(0), np.zeros(0))
    flickering = [fits.PrimaryHDU(), _pixels(nothing, "EVENTS"), _pixels(nothing)]
    write(folder / f"{stem}_a0{dataclass}.fpix.gz", flickering, common)


def _pixels(det: DetPixels, name: str = "PIXELS") -> Any:
    act_x, act_y = act_of(det)
    return table(
        name,
        {
            "CCD_ID": ("1B", "", ccd_of(det).astype(np.uint8)),
            "ACTX": ("1I", "pixel", act_x),
            "ACTY": ("1I", "pixel", act_y),
            "DETX": ("1I", "pixel", det.x),
            "DETY": ("1I", "pixel", det.y),
        },
    )


def write_timing(folder: Path, observation: Observation) -> None:
    """Write the list of exposures, the telemetry good time and the mode good time of all classes."""
    common = keywords.of_observation(observation) | {"DETNAM": "CCD"}
    stem = f"xa{observation.obsid}xtd"
    start, stop = np.array([observation.start]), np.array([observation.start + observation.span])
    telemetry = intervals_table("GTITEL", start, stop)
    write(folder / f"{stem}_tel.gti.gz", [fits.PrimaryHDU(), telemetry], common)
    every = np.ones(int(observation.span // CYCLE), bool)
    modes = []
    for dataclass in observation.classes:
        exposures = frames(observation.start, every, MODES[dataclass])
        modes.append(intervals_table(f"GTI_{dataclass.upper()}", exposures.start, exposures.stop))
    write(folder / f"{stem}_mode.gti.gz", [fits.PrimaryHDU(), *modes], common)
    write(folder / f"{stem}_a0exp.fits.gz", [fits.PrimaryHDU(), _exposures(observation)], common)


def _exposures(observation: Observation) -> Any:
    """A row for each 4 s cycle and each segment of each CCD."""
    cycles = int(observation.span // CYCLE)
    readouts = [
        (ccd, segment, str(MODES[dataclass].dataclass), MODES[dataclass].detnam, MODES[dataclass].datamode)
        for dataclass in observation.classes
        for ccd in MODES[dataclass].ccds
        for segment in range(_SEGMENTS)
    ]
    ccd, segment, dataclass, detnam, datamode = (
        np.tile(np.asarray(column), cycles) for column in zip(*readouts, strict=True)
    )
    number = np.repeat(np.arange(cycles), len(readouts))
    return table(
        "EXPOSURE",
        {
            "TIME": ("1D", "s", observation.start + CYCLE * number),
            "CCD_ID": ("1B", "", ccd.astype(np.uint8)),
            "SEGMENT": ("1B", "", segment.astype(np.uint8)),
            "DATACLAS": ("8A", "", dataclass),
            "FRAMENUM": ("1J", "", number),
            "FRAMETYPE": ("1B", "", np.zeros(len(number), np.uint8)),
            "DETNAM": ("8A", "", detnam),
            "DATAMODE": ("12A", "", datamode),
        },
    )


def write_housekeeping(folder: Path, observation: Observation) -> None:
    """Write the instrument's housekeeping (temperatures only)."""
    time = observation.start + np.arange(0, observation.span, 60.0)
    values: NDArray[np.float64] = -110 + 0.1 * np.sin(time / 900)
    rows = {"TIME": ("1D", "s", time), "CCD1_TEMP": ("1E", "degC", values)}
    write(
        folder / f"xa{observation.obsid}xtd_a0.hk.gz",
        [fits.PrimaryHDU(), table("HK_SXI_USR_USER_HK1", rows)],
        keywords.of_observation(observation) | {"DETNAM": "CCD"},
    )
