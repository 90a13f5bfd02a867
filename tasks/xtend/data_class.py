"""What a data class means: CCDs, window, burst and frame time, from its digits or from header keywords.

Digits (ABC guide, Hitomi's SXI manual): the second names the CCDs, the third window and burst; the rest is
processing detail, so `300000a0` observes as `30000010` does.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tasks.core.identifiers import DataClass
from tasks.xtend.cautions import Caution, caution

CYCLE_S: Final = 4.0
"""One read-out cycle; a window of 1/N is exposed N times in it."""
DEAD_S: Final = 0.04
"""Time per frame that is lost to flushing and transfer, so that a full frame lasts 3.96 s."""
_BURST_S: Final = 0.06
_PARTS: Final = {640: "full", 160: "1/4", 80: "1/8", 40: "1/16"}
"""WIN_SIZE in rows → window, as in the instrument's table of windows."""
_ALL_CCDS: Final = (1, 2, 3, 4)
_CCDS: Final = {"0": _ALL_CCDS, "1": (1, 2), "2": (3, 4)}
_IN_NAME: Final = re.compile(r"xtd_[psa](?:[0-9]|[1-9][0-9])([0-9a-f]{8})(?![0-9A-Za-z])")
_WINDOWS: Final = {"0": ("full", False), "1": ("1/8", False), "2": ("full", True), "3": ("1/8", True)}


@dataclass(frozen=True)
class Mode:
    """How a data class observes.

    Parameters
    ----------
    ccds : tuple of int
        CCD numbers, 1 to 4 (CCD_ID is one less).
    window : str
        `full`, or the part of the rows that is read: `1/8`.
    burst : bool
        Whether most of each frame is thrown away (0.1 s burst).
    frame_s : float
        Exposure of a frame in seconds (TIMEDEL).
    """

    ccds: tuple[int, ...]
    window: str
    burst: bool
    frame_s: float

    @property
    def live_fraction(self) -> float:
        """Part of the time that is exposed, 0 to 1: the fractional exposure a light curve can reach."""
        return min(1.0, self.frames_per_cycle * self.frame_s / CYCLE_S)

    @property
    def frames_per_cycle(self) -> int:
        """How often the window is read in a cycle."""
        return _frames_per_cycle(self.window)

    def __str__(self) -> str:
        ccds = "+".join(f"CCD{ccd}" for ccd in self.ccds)
        burst = ", burst" if self.burst else ""
        return f"{ccds}, {self.window} window{burst}, {self.frame_s:g} s frames"


def mode_of(dataclass_: DataClass, header: Mapping[str, Any]) -> tuple[Mode, tuple[Caution, ...]]:
    """The mode of a dataset; where digits and header disagree the header wins.

    Parameters
    ----------
    dataclass_ : DataClass
        Its eight digits.
    header : mapping
        The events' header: DETNAM, DATAMODE, WIN_SIZE, WIN_ST and TIMEDEL are looked at.

    Returns
    -------
    Mode
        What is known, with CCD1–4 and the full window where nothing tells.
    tuple of Caution
        `unknown-class` when the digits say nothing, `class-disagrees` when the header says otherwise.
    """
    digits = _from_digits(dataclass_)
    ccds, rows = _header_ccds(header), _header_window(header)
    said = digits or (_ALL_CCDS, ("full", False))
    window, burst = rows or said[1]
    mode = Mode(ccds or said[0], window, burst, _frame(header, window, burst))
    if digits is None:
        return mode, (_unknown(dataclass_, mode, header, guessed=not (ccds and rows)),)
    if digits != (mode.ccds, (window, burst)):
        return mode, (_disagreement(dataclass_, digits, mode),)
    return mode, ()


def class_in(name: str) -> DataClass | None:
    """The data class that the name of an archive file holds (`xa300049010xtd_p031100010_src.rmf`)."""
    match = _IN_NAME.search(name)
    return DataClass(match[1]) if match else None


def why_other_class(dataclass_: DataClass, header: Mapping[str, Any], name: str) -> str | None:
    """What tells that a file was made for another data class; None when nothing does.

    Parameters
    ----------
    dataclass_ : DataClass
        The class it should be for.
    header : mapping
        Its header: DATACLAS counts first, then the class in the name, then DETNAM.
    name : str
        Its name.
    """
    said, named = str(header.get("DATACLAS", "")).strip(), class_in(name)
    if said or named:
        told = f"DATACLAS {said}" if said else f"the name {name}"
        return None if (said or named) == dataclass_ else told
    ccds = _header_ccds(header)
    mine = _from_digits(dataclass_)
    return f"DETNAM {header['DETNAM']}" if ccds and mine and ccds != mine[0] else None


def _from_digits(dataclass_: DataClass) -> tuple[tuple[int, ...], tuple[str, bool]] | None:
    in_flight, ccds, window = tuple(dataclass_[:3])
    if in_flight != "3" or ccds not in _CCDS or window not in _WINDOWS:
        return None
    return _CCDS[ccds], _WINDOWS[window]


def _header_ccds(header: Mapping[str, Any]) -> tuple[int, ...] | None:
    """CCDs of DETNAM: `CCD` is all four, `CCD12` two of them."""
    match = re.fullmatch(r"CCD([1-4]*)", str(header.get("DETNAM", "")).strip())
    return tuple(sorted({int(digit) for digit in match[1]})) or _ALL_CCDS if match else None


def _header_window(header: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Window and burst of DATAMODE (`WINDOW2BURST`); its rows where the name does not tell."""
    datamode = str(header.get("DATAMODE", "")).strip().upper()
    burst = "BURST" in datamode
    match = re.match(r"WINDOW([12])(?!\d)", datamode)
    if match:
        return "full" if match[1] == "1" else "1/8", burst
    rows = header.get("WIN_SIZE")
    return (_PARTS[rows], burst) if rows in _PARTS else None


def _frames_per_cycle(window: str) -> int:
    """A window of 1/N is read N times a cycle."""
    return int(window.partition("/")[2] or 1)


def _frame(header: Mapping[str, Any], window: str, burst: bool) -> float:
    said = header.get("TIMEDEL")
    if isinstance(said, int | float) and math.isfinite(said) and said > 0:
        return float(said)
    return _BURST_S if burst else CYCLE_S / _frames_per_cycle(window) - DEAD_S


def _unknown(dataclass_: DataClass, mode: Mode, header: Mapping[str, Any], *, guessed: bool) -> Caution:
    keys = ("DETNAM", "DATAMODE", "WIN_ST", "WIN_SIZE")
    said = ", ".join(f"{key} {header[key]}" for key in keys if key in header) or "no keyword that tells"
    doubt = "; what it does not say is assumed" if guessed else ""
    return caution(
        "unknown-class",
        f"The data class {dataclass_} is unknown; its header ({said}) is taken to mean {mode}{doubt}.",
    )


def _disagreement(
    dataclass_: DataClass, digits: tuple[tuple[int, ...], tuple[str, bool]], mode: Mode
) -> Caution:
    (ccds, (window, burst)) = digits
    digits_say = Mode(ccds, window, burst, mode.frame_s)
    return caution(
        "class-disagrees",
        f"The digits of the data class {dataclass_} say {digits_say}, the header says {mode}; "
        "the header is followed.",
    )
