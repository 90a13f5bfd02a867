"""Processing with the native engine: the archive's cleaned events are checked and adopted as they are."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from tasks.core.errors import NoData, Permanent
from tasks.core.identifiers import DataClass
from tasks.engines.native.detector import read_bad_pixels
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.gti import Gti, union
from tasks.engines.native.keywords import figure, nominal_of
from tasks.engines.native.selection import live_fraction
from tasks.library.call import Report
from tasks.xtend.cautions import Caution, caution, notice
from tasks.xtend.data_class import CYCLE_S, Mode, mode_of
from tasks.xtend.geometry import PIXEL_DEG

ORIGIN_OF_TARGET: Final = "RA_OBJ/DEC_OBJ of the events"
_COLUMNS: Final = ("TIME", "X", "Y", "DETX", "DETY", "PI")
_LIMITED: Final = ("X", "Y", "DETX", "DETY", "PI")
_ABOUT: Final = 1.1
"""How much longer than nominal the time from frame to frame may be."""
_PROVENANCE: Final = (
    "PROCVER", "SOFTVER", "CALDBVER", "SEQPNUM", "DATE", "ORIGIN", "DATAMODE", "DETNAM", "TIMEDEL",
    "TIMEPIXR",
)  # fmt: skip


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
        live_fraction}, `good_time` {intervals, span_s, live_fraction, longest_gap_s}.

    Raises
    ------
    Permanent
        When a file is no whole event list or bad-pixel image, belongs to another dataset, or lacks what
        every step needs.
    NoData
        When there is no good time or no event.
    """
    examined = examine(obsid, dataclass, events, bad_pixels)
    for name, adopted in adopted_names.items():
        hand_on(Path(name), Path(adopted))
    return Report(facts=examined.facts, cautions=(_adopted(examined.header), *examined.cautions))


@dataclass(frozen=True)
class Examined:
    """What cleaned events say of themselves: facts as `adopt` reports them, cautions, the first header."""

    facts: dict[str, Any]
    cautions: tuple[Caution, ...]
    header: fits.Header


def examine(obsid: str, dataclass: str, events: Sequence[str], bad_pixels: str | None) -> Examined:
    """Check cleaned events and a bad-pixel image, whoever cleaned them.

    Raises
    ------
    Permanent, NoData
        As `adopt`.
    """
    files = [read_events([Path(name)], ()) for name in events]
    for file in files:
        _check_identity(file, obsid, dataclass)
        _check_good_time(file)
        _check_columns(file)
        _check_sky(file, files[0])
    if bad_pixels:
        read_bad_pixels(Path(bad_pixels))
    facts, header = _facts(files, obsid), files[0].keywords
    if facts["exposure_s"] <= 0:
        raise NoData(f"no good time in the cleaned events of {obsid} {dataclass}")
    if facts["events"] == 0:
        raise NoData(f"no event in the cleaned event list of {obsid} {dataclass}")
    mode, mode_cautions = mode_of(DataClass(dataclass), header)
    good_time = good_time_facts(union([file.gti for file in files]), mode, live_fraction(header))
    return Examined(
        {**facts, "mode": _mode_facts(mode), "good_time": good_time},
        (*_cautions(header, bad_pixels), *mode_cautions),
        header,
    )


def _facts(files: Sequence[EventList], obsid: str) -> dict[str, Any]:
    """What the event files of a dataset say, the first one where they all say the same."""
    header = files[0].keywords
    return {
        "archive": {key: header[key] for key in _PROVENANCE if key in header},
        "simulated": bool(header.get("SIMULATD", False)),
        "target": _target(files[0], obsid),
        "nominal": asdict(nominal_of(header, files[0].name)),
        "exposure_s": union([file.gti for file in files]).total,
        "events": sum(file.keywords["NAXIS2"] for file in files),
    }


def good_time_facts(gti: Gti, mode: Mode, live: float) -> dict[str, Any]:
    """What good time is like: rows, whole span, live part of it where only frames part it, longest gap.

    Parameters
    ----------
    gti : Gti
        Good time; it may have a row for each frame.
    mode : Mode
        Gaps shorter than the time from frame to frame are the read-out's.
    live : float
        Part of the good time that the header says is live.
    """
    whole = gti.closed(_ABOUT * CYCLE_S / mode.frames_per_cycle)
    gaps = whole.start[1:] - whole.stop[:-1]
    return {
        "intervals": int(gti.start.size),
        "span_s": float(gti.stop[-1] - gti.start[0]),
        "live_fraction": gti.total * live / whole.total,
        "longest_gap_s": float(gaps.max(initial=0.0)),
    }


def hand_on(source: Path, target: Path) -> None:
    """Link where the file system can, else copy; either way not a byte changes."""
    try:
        target.hardlink_to(source.resolve(strict=True))
    except OSError:
        shutil.copyfile(source, target)


def _check_identity(file: EventList, obsid: str, dataclass: str) -> None:
    expected = {"INSTRUME": "XTEND", "OBS_ID": obsid}
    # A header without the data class is taken at its file's word, with a caution.
    if "DATACLAS" in file.keywords:
        expected["DATACLAS"] = dataclass
    for key, value in expected.items():
        said = str(file.keywords.get(key, "not given")).strip()
        if said != value:
            raise Permanent(f"{file.name} does not belong to {obsid} {dataclass}: its {key} is {said}")


def _check_good_time(file: EventList) -> None:
    # All of the time from start to stop would be wrong for screened events.
    if not file.gti_given:
        raise Permanent(f"{file.name} is no cleaned event file: it has no good-time intervals")


def _check_columns(file: EventList) -> None:
    numbers = _column_numbers(file.keywords)
    missing = [name for name in _COLUMNS if name not in numbers]
    if missing:
        raise Permanent(f"{file.name} lacks the column {', '.join(missing)}")
    for name in _LIMITED:
        limits = [file.keywords.get(f"{key}{numbers[name]}") for key in ("TLMIN", "TLMAX")]
        if None in limits or limits[0] >= limits[1]:
            raise Permanent(f"{file.name} does not give the limits of {name} (TLMIN, TLMAX)")


def _check_sky(file: EventList, first: EventList) -> None:
    """X and Y must be centred on RA_NOM, DEC_NOM, and those of split files must mean the same."""
    numbers, nominal = _column_numbers(file.keywords), nominal_of(file.keywords, file.name)
    for column, expected in (("X", nominal.ra), ("Y", nominal.dec)):
        if abs(figure(file.keywords, f"TCRVL{numbers[column]}", file.name) - expected) > PIXEL_DEG:
            raise Permanent(f"{file.name} has {column} pixels that are not centred on its RA_NOM, DEC_NOM")
    if nominal != nominal_of(first.keywords, first.name):
        raise Permanent(f"{first.name} and {file.name} are split from one list but differ in aspect")


def _column_numbers(header: fits.Header) -> dict[str, int]:
    count = header.get("TFIELDS", 0)
    return {str(header.get(f"TTYPE{number}", "")).strip(): number for number in range(1, count + 1)}


def _target(file: EventList, obsid: str) -> dict[str, Any]:
    """The proposal's target: RA_OBJ, DEC_OBJ, never the pointing."""
    ra, dec = (figure(file.keywords, key, file.name) for key in ("RA_OBJ", "DEC_OBJ"))
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise Permanent(f"{file.name} names no place on the sky: RA_OBJ {ra}, DEC_OBJ {dec}")
    name = str(file.keywords.get("OBJECT", "")).strip()
    return {"name": name or obsid, "ra": ra, "dec": dec, "origin": ORIGIN_OF_TARGET}


def _mode_facts(mode: Mode) -> dict[str, Any]:
    return {"description": str(mode), **asdict(mode), "live_fraction": mode.live_fraction}


def _cautions(header: fits.Header, bad_pixels: str | None) -> Sequence[Caution]:
    found: list[Caution] = []
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
