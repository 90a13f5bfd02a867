"""Processing with the native engine: the archive's cleaned events are checked and adopted as they are."""

import math
import shutil
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from tasks.core.errors import NoData, Permanent
from tasks.core.identifiers import DataClass
from tasks.engines.native.gti import Gti, union
from tasks.library.call import Report
from tasks.xtend.cautions import Caution, caution, notice, severe
from tasks.xtend.data_class import Mode, mode_of
from tasks.xtend.geometry import DET_SIZE, PIXEL_DEG, Nominal

ORIGIN_OF_TARGET: Final = "RA_OBJ/DEC_OBJ of the events"
_COLUMNS: Final = ("TIME", "X", "Y", "DETX", "DETY", "PI")
_LIMITED: Final = ("X", "Y", "DETX", "DETY", "PI")
_PROVENANCE: Final = (
    "PROCVER", "SOFTVER", "CALDBVER", "SEQPNUM", "DATE", "ORIGIN", "DATAMODE", "DETNAM", "TIMEDEL",
    "TIMEPIXR",
)  # fmt: skip
_LIVE_TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class EventFile:
    """What one cleaned event file says of itself.

    Parameters
    ----------
    name : str
        Its name, for messages.
    header : fits.Header
        The EVENTS header, with keywords that it lacks taken from the primary one.
    good_times : Gti
        Its good-time intervals.
    """

    name: str
    header: fits.Header
    good_times: Gti


def adopt(
    obsid: str, dataclass: str, events: list[str], bad_pixels: str | None, adopted_names: dict[str, str]
) -> Report:
    """Check the archive's cleaned events and bad-pixel image of a dataset, and hand them on unchanged.

    Parameters
    ----------
    obsid, dataclass : str
        Which dataset the files must belong to.
    events : list of str
        Its cleaned event files, one per split.
    bad_pixels : str or None
        Its bad-pixel image.
    adopted_names : dict
        Name of an input → name it is handed on under.

    Returns
    -------
    Report
        Facts: `archive` (versions and mode keywords), `simulated`, `target` {name, ra, dec, origin},
        `nominal` {ra, dec, pa}, `exposure_s`, `events`, `mode` {description, ccds, window, burst, frame_s,
        live_fraction}.

    Raises
    ------
    Permanent
        When a file is unreadable, belongs to another dataset, or lacks what every step needs.
    NoData
        When there is no good time or no event.
    """
    files = [read_event_file(Path(name)) for name in events]
    for file in files:
        _check_identity(file, obsid, dataclass)
        _check_columns(file)
        _check_sky(file, files[0])
    if bad_pixels:
        _check_bad_pixels(Path(bad_pixels))
    facts = _facts(files, obsid)
    if facts["exposure_s"] <= 0:
        raise NoData(f"no good time in the cleaned events of {obsid} {dataclass}")
    if facts["events"] == 0:
        raise NoData(f"no event in the cleaned event list of {obsid} {dataclass}")
    mode, mode_cautions = mode_of(DataClass(dataclass), files[0].header)
    for name, adopted in adopted_names.items():
        _hand_on(Path(name), Path(adopted))
    return Report(
        facts={**facts, "mode": _mode_facts(mode)},
        cautions=(*_cautions(files[0].header, bad_pixels), *mode_cautions),
    )


def read_event_file(path: Path) -> EventFile:
    """Header and good time of a cleaned event file.

    Raises
    ------
    Permanent
        When it is no whole FITS file or has no EVENTS or GTI extension.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
        try:
            with fits.open(path) as hdus:
                header = hdus["EVENTS"].header.copy()
                header.extend(hdus[0].header, unique=True, update=False)
                start, stop = (np.array(hdus["GTI"].data[name], float) for name in ("START", "STOP"))
        except KeyError as exc:
            raise Permanent(f"{path.name} is no cleaned event file: {exc.args[0]}") from exc
        except (OSError, EOFError, ValueError, zlib.error, AstropyUserWarning, fits.VerifyError) as exc:
            raise Permanent(f"{path.name} is no whole FITS file: {exc}") from exc
    if not np.isfinite([start, stop]).all():
        raise Permanent(f"{path.name} has good-time intervals without a start or an end")
    return EventFile(path.name, header, Gti.merged(start, stop))


def nominal_of(header: Mapping[str, Any], name: str) -> Nominal:
    """The aspect in a header of the file `name`.

    Raises
    ------
    Permanent
        When RA_NOM, DEC_NOM or PA_NOM is missing or no figure.
    """
    return Nominal(*(_figure(header, key, name) for key in ("RA_NOM", "DEC_NOM", "PA_NOM")))


def _facts(files: Sequence[EventFile], obsid: str) -> dict[str, Any]:
    """What the event files of a dataset say, the first one where they all say the same."""
    header = files[0].header
    return {
        "archive": {key: header[key] for key in _PROVENANCE if key in header},
        "simulated": bool(header.get("SIMULATD", False)),
        "target": _target(files[0], obsid),
        "nominal": asdict(nominal_of(header, files[0].name)),
        "exposure_s": union([file.good_times for file in files]).total,
        "events": sum(file.header["NAXIS2"] for file in files),
    }


def _hand_on(source: Path, target: Path) -> None:
    """Link where the file system can, else copy; either way not a byte changes."""
    try:
        target.hardlink_to(source.resolve(strict=True))
    except OSError:
        shutil.copyfile(source, target)


def _check_identity(file: EventFile, obsid: str, dataclass: str) -> None:
    expected = {"INSTRUME": "XTEND", "OBS_ID": obsid}
    # A header without the data class is taken at its file's word, with a caution.
    if "DATACLAS" in file.header:
        expected["DATACLAS"] = dataclass
    for key, value in expected.items():
        said = str(file.header.get(key, "not given")).strip()
        if said != value:
            raise Permanent(f"{file.name} does not belong to {obsid} {dataclass}: its {key} is {said}")


def _check_columns(file: EventFile) -> None:
    numbers = _column_numbers(file.header)
    missing = [name for name in _COLUMNS if name not in numbers]
    if missing:
        raise Permanent(f"{file.name} lacks the column {', '.join(missing)}")
    for name in _LIMITED:
        limits = [file.header.get(f"{key}{numbers[name]}") for key in ("TLMIN", "TLMAX")]
        if None in limits or limits[0] >= limits[1]:
            raise Permanent(f"{file.name} does not give the limits of {name} (TLMIN, TLMAX)")


def _check_sky(file: EventFile, first: EventFile) -> None:
    """X and Y must be centred on RA_NOM, DEC_NOM, and those of split files must mean the same."""
    numbers, nominal = _column_numbers(file.header), nominal_of(file.header, file.name)
    for column, expected in (("X", nominal.ra), ("Y", nominal.dec)):
        if abs(_figure(file.header, f"TCRVL{numbers[column]}", file.name) - expected) > PIXEL_DEG:
            raise Permanent(f"{file.name} has {column} pixels that are not centred on its RA_NOM, DEC_NOM")
    if nominal != nominal_of(first.header, first.name):
        raise Permanent(f"{first.name} and {file.name} are split from one list but differ in aspect")


def _check_bad_pixels(path: Path) -> None:
    try:
        shape = fits.getheader(path)["NAXIS?"].values()
    except (OSError, EOFError, zlib.error, fits.VerifyError) as exc:
        raise Permanent(f"{path.name} is no whole FITS file: {exc}") from exc
    if list(shape) != [DET_SIZE, DET_SIZE]:
        raise Permanent(f"{path.name} is no bad-pixel image of {DET_SIZE}×{DET_SIZE} DET pixels")


def _column_numbers(header: fits.Header) -> dict[str, int]:
    count = header.get("TFIELDS", 0)
    return {str(header.get(f"TTYPE{number}", "")).strip(): number for number in range(1, count + 1)}


def _figure(header: Mapping[str, Any], key: str, name: str) -> float:
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Permanent(f"{name} does not give {key}")
    return float(value)


def _target(file: EventFile, obsid: str) -> dict[str, Any]:
    """The proposal's target: RA_OBJ, DEC_OBJ, never the pointing."""
    ra, dec = (_figure(file.header, key, file.name) for key in ("RA_OBJ", "DEC_OBJ"))
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise Permanent(f"{file.name} names no place on the sky: RA_OBJ {ra}, DEC_OBJ {dec}")
    name = str(file.header.get("OBJECT", "")).strip()
    return {"name": name or obsid, "ra": ra, "dec": dec, "origin": ORIGIN_OF_TARGET}


def _mode_facts(mode: Mode) -> dict[str, Any]:
    return {"description": str(mode), **asdict(mode), "live_fraction": mode.live_fraction}


def _cautions(header: fits.Header, bad_pixels: str | None) -> Sequence[Caution]:
    found = [_adopted(header)]
    if not str(header.get("CALDBVER", "")).strip():
        found.append(
            caution("stale-calibration", "The events do not say with which CALDB they were calibrated.")
        )
    if "TIMEPIXR" not in header:
        found.append(
            severe(
                "timepixr-missing",
                "TIMEPIXR is missing, so event times are taken as the start of their frame, as extractor "
                "does; on Xtend they are its middle.",
            )
        )
    live = _live_time(header)
    if abs(live - 1) > _LIVE_TOLERANCE:
        found.append(
            caution(
                "dead-time",
                f"The header asks for a dead-time correction: live time is {live:g} of good time.",
            )
        )
    if "DATACLAS" not in header:
        found.append(
            caution(
                "class-unstated", "The events do not say their data class; that of the file name is taken."
            )
        )
    if bad_pixels is None:
        found.append(
            caution(
                "no-bad-pixels",
                "The archive has no bad-pixel image: no exposure map, no rate images, areas not corrected.",
            )
        )
    return found


def _adopted(header: fits.Header) -> Caution:
    versions = ", ".join(f"{key} {header.get(key, 'unknown')}" for key in ("PROCVER", "CALDBVER"))
    return notice(
        "adopted-events",
        f"The archive's cleaned events are used as they are, not reprocessed ({versions}).",
    )


def _live_time(header: fits.Header) -> float:
    """Live fraction in extractor's order: DEADC, DTCOR, LIVETIME/ONTIME, else 1."""
    for key in ("DEADC", "DTCOR"):
        if key in header:
            return float(header[key])
    live, on = header.get("LIVETIME"), header.get("ONTIME")
    return float(live / on) if live is not None and on else 1.0
