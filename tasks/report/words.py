"""Figures as people read them."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.core.identifiers import Band

_LINE = 100
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def band_words(band: str) -> str:
    """A band as text: `0.6–10 keV`."""
    bounds = Band.parse(band)
    return f"{float(bounds.low):g}–{float(bounds.high):g} keV"


def entry_words(entry: Mapping[str, Any]) -> str:
    """The recipe's entry that a product answers: `0.6–10 keV, channels 100–1667, binning 4`."""
    if "files" in entry:  # of a loader script
        return band_words("-".join(map(str, entry["kev"])))
    known: dict[str, Callable[[Any], str | None]] = {
        "band": band_words,
        "channels": lambda value: f"channels {value[0]}–{value[1]}",
        "kev": lambda value: f"truly {value[0]:g}–{value[1]:g} keV",
        "binning": lambda value: f"binning {value}",
        "time_bin": lambda value: f"{value:g} s bins",
        "grouping": lambda value: f"grouped {value}",
        "frame": {"skypix": "in sky pixels", "radec": "in RA and Dec"}.get,
        "source": lambda value: f"from {value}",
        "energy_kev": lambda value: f"at {value:g} keV",
        "erange": lambda value: f"{value[0]:g}–{value[1]:g} keV",
        "source_type": lambda value: f"source type {value}",
        "key": lambda value: f"key {value[:12]}",
    }
    said = [known[key](value) if key in known else f"{key} {value}" for key, value in entry.items()]
    return ", ".join(filter(None, said))


def size_words(size: int) -> str:
    """A number of bytes: `1.2 MB`."""
    if size < 1000:
        return f"{size} B"
    value, units = float(size), ["TB", "GB", "MB", "kB"]
    while value >= 999.5 and units:
        value, unit = value / 1000, units.pop()
    return f"{value:.3g} {unit}"


def figure_words(value: float, digits: int = 5) -> str:
    """A figure with so many digits at most: `1.75`, `3.41 × 10⁻¹²`."""
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}" if exponent else mantissa


def range_words(value: float, low: float | None, high: float | None) -> tuple[str, str]:
    """A value and its range, with digits down to a tenth of the narrower side; an open end is a `?`."""
    sides = [abs(end - value) for end in (low, high) if end is not None and end != value]
    digits = 5
    if sides and value:
        digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(min(sides))) + 2
        digits = min(max(digits, 2), 10)
    ends = ("?" if end is None else figure_words(end, digits) for end in (low, high))
    return figure_words(value, digits), " to ".join(ends)


def sentence(text: str) -> str:
    """A text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def time_words(time: datetime) -> str:
    """A time in UTC: `2026-11-21 05:30:12 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration_words(seconds: float) -> str:
    """A duration: `2 h 05 min`, `3 min 07 s`, `4.2 s`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {rest:02d} s"


def json_words(value: Any) -> str:
    """A value as JSON, in one line where it is short; a text stands for itself."""
    if isinstance(value, str):
        return value
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _LINE else json.dumps(value, indent=2, ensure_ascii=False)
