"""Calls of the real tools as requests to the native engine."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astropy.io import fits
from calls import NONE, Call, Folder, Untranslated, events_of

_OTHER_OUTPUTS = ("eventsout", "unbinlc", "qdpfile", "gtitxt", "xronwn")
_FIXED = {
    "timefile": (NONE,),
    "adjustgti": ("no", "false"),
    "tcol": ("time",),
    "xcolf": ("x",),
    "ycolf": ("y",),
    "ecol": ("pi",),
    "events": ("events",),
    "gti": ("gti", "stdgti"),
    "gcol": (NONE,),
    "zcolf": (NONE,),
    "gstring": (NONE,),
}
_FIXED_OF = {
    "imgfile": {"fullimage": ("yes", "true"), "regionfile": (NONE,)},
    "fitsbinlc": {"lctzero": ("yes", "true")},
    "phafile": {"specbin": ("1", "1.0")},
}
"""What the native engine has no choice of, in general and for one kind of product."""
_FIXED_MAP = {
    "binh": ("1", "1.0"),
    "wtmapfix": ("yes", "true"),
    "swmapx": ("no", "false"),
    "swmapy": ("no", "false"),
}
_ENDING = re.compile(r"(\.[A-Za-z]+)?(\.gz)?$")
KINDS = {"imgfile": "image", "fitsbinlc": "light curve", "phafile": "spectrum"}


@dataclass(frozen=True)
class Wanted:
    """A product to make natively and to compare.

    Parameters
    ----------
    name : str
        The name that the call gives it.
    kind : str
        One of `KINDS`.
    reference : Path or None
        What the real tool made; None where only its figures are kept.
    events : tuple of Path
        The event files.
    request : dict
        For `extract`, without its name; `region` and `exposure_map` are paths.
    left_out : dict
        Keywords, or WMAP, that cannot be compared, and why.
    """

    name: str
    kind: str
    reference: Path | None
    events: tuple[Path, ...]
    request: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)


def key_of(name: str) -> str:
    """What products are known by, whatever a call's marks and endings."""
    return _ENDING.sub("", Path(name.strip().lstrip("!").partition("[")[0]).name)


def outputs_of(call: Call) -> Iterator[tuple[str, str]]:
    """Parameter and file of each product that a call of extractor made."""
    for parameter in (*KINDS, *_OTHER_OUTPUTS):
        if call.text(parameter) != NONE:
            yield parameter, call.text(parameter)


def extraction_of(folder: Folder, call: Call, parameter: str, name: str) -> Wanted:
    """One product of a call of extractor.

    Raises
    ------
    Untranslated
        When the native engine cannot be asked for the same.
    """
    if parameter not in KINDS:
        raise Untranslated(f"the native engine makes no {parameter}")
    _check(call, _FIXED | _FIXED_OF[parameter])
    events, channels = events_of(folder, call.text("filename"))
    region = None if call.text("regionfile") == NONE else folder.find(call.text("regionfile"))
    left_out = {} if len(events) == 1 else {"DATE-END": "the tool takes it from the first file alone"}
    request: dict[str, Any] = {"channels": channels}
    if parameter == "imgfile":
        request["binning"] = round(call.number("binf", 1))
    elif parameter == "fitsbinlc":
        if call.number("lcstart", -1) >= 0:
            raise Untranslated("lcstart")
        threshold, width = call.number("lcthresh", 1.0), call.number("binlc", 64)
        request |= {"region": region, "time_bin": width, "threshold": threshold}
    else:
        request = {"region": region, "exposure_map": None}
        left_out |= _left_out_of_spectrum(call, events, channels)
    return Wanted(name, KINDS[parameter], _reference(folder, name), events, request, left_out)


def _reference(folder: Folder, name: str) -> Path | None:
    try:
        return folder.find(name)
    except Untranslated:
        if folder.kept(key_of(name)):
            return None
        raise


def _check(call: Call, fixed: dict[str, tuple[str, ...]]) -> None:
    for parameter, allowed in fixed.items():
        value = call.text(parameter, allowed[0]).lower()
        if value not in allowed:
            raise Untranslated(f"{parameter}={value}")


def _left_out_of_spectrum(call: Call, events: tuple[Path, ...], channels: list[int] | None) -> dict[str, str]:
    left_out = {}
    if not call.flag("wtmapb", True):
        left_out["TOTCTS"] = "the tool gives 0 where it makes no map"
    if channels is not None:
        left_out["WMAP"] = left_out["keywords"] = (
            "not compared: native spectra hold all channels, the call a cut in PI"
        )
    try:
        axes = call.text("xcolh", "DETX").upper(), call.text("ycolh", "DETY").upper()
        if axes != ("DETX", "DETY") and not (axes == ("X", "Y") and not _on_detector(events[0])):
            raise Untranslated(f"xcolh={axes[0]}")
        _check(call, _FIXED_MAP)
    except Untranslated as exc:
        left_out["WMAP"] = f"not compared: {exc}"
    return left_out


def _on_detector(path: Path) -> bool:
    with fits.open(path) as hdus:
        return "DETX" in [name.upper() for name in hdus["EVENTS"].columns.names]
