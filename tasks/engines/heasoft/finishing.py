"""The last call of every plan: what the tools left becomes products with their names, headers and checksums.

Not a count changes here: headers are completed, and what files hold is told as the native engine tells it.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.core.errors import SoftwareFault
from tasks.engines.child import REPORT_FILE
from tasks.engines.native.events import read_events
from tasks.engines.native.extraction import selection_cautions
from tasks.engines.native.headers import SHARED, stamp
from tasks.engines.native.ogip import selection_history
from tasks.engines.native.outliers import DETECTOR, OutlierCounter
from tasks.engines.native.selection import Selection, select
from tasks.library.call import FileName, Report
from tasks.library.manifest import Kind
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region, read_region

ENGINE: Final = "heasoft"
_SAME_EXPOSURE: Final = 1e-4
"""Relative; the tools keep dead time in single precision."""


class Finished(BaseModel):
    """A product to finish.

    Parameters
    ----------
    name : str
        The product's file.
    file : str
        What a call before left.
    kind : Kind
        What it is.
    channels : Channels or None
        PI range that was selected; None where there was no cut.
    region : str or None
        Region file that was applied.
    history : tuple of str
        What was done, such as the tool's call; it goes to HISTORY.
    unit : str or None
        BUNIT of the image in the primary HDU, where the tool does not write it.
    linked : dict
        RESPFILE and the like of a grouped spectrum: in whose place the tool knew other names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: FileName
    file: FileName
    kind: Kind
    channels: Channels | None = None
    region: FileName | None = None
    history: tuple[str, ...] = ()
    unit: str | None = None
    linked: dict[str, str] = {}


@dataclass(frozen=True)
class _Told:
    """What a file holds: counts, BACKSCAL, sky pixels of its region and exposure, where it says so."""

    counts: int | None
    backscal: float | None
    pixels: int | None
    exposure: float | None


def finish(
    products: list[dict[str, Any]],
    recipe: str,
    events: Sequence[str] = (),
    identity: Mapping[str, Any] | None = None,
) -> Report:
    """Give products their names and headers, in the current directory.

    Parameters
    ----------
    products : list of dict
        See `Finished`. A file that a call before could not make is passed on as not made.
    recipe : str
        The recipe's hash.
    events : sequence of str
        The event files that products were selected from, whose identity keywords they get.
    identity : mapping, optional
        Identity keywords for what was not selected from events (see `planning.identity_of`). What a file
        says of itself is never replaced.

    Returns
    -------
    Report
        Of selections from events the facts `ontime`, `exposure`, `live_fraction`, by file name `counts`,
        `backscal` and `region_pixels`, and where the events have detector pixels `flickering`, as the native
        extraction tells it. A spectrum whose BACKSCAL is 0 is not made, and `not_made` says so.

    Raises
    ------
    SoftwareFault
        When a file cannot be finished, or images of one band count differently.
    """
    asked = TypeAdapter(list[Finished]).validate_python(products)
    selection = _selection(events, asked) if events else None
    not_made = {item.name: _why_missing(item) for item in asked if not Path(item.file).exists()}
    told = {item.name: _tell(item) for item in asked if item.name not in not_made}
    not_made |= {
        item.name: f"no exposure in the region {item.region}"
        for item in asked
        if item.name in told and item.kind == Kind.SPECTRUM and told[item.name].backscal == 0
    }
    made = [item for item in asked if item.name not in not_made]
    source = selection.events.keywords if selection else identity or {}
    for item in made:
        _write(item, _history(item, selection), source, recipe)
    if selection is None:
        return Report(not_made=not_made)
    _check_images(made)
    return Report(
        facts=_facts(selection, made, told),
        cautions=(*selection_cautions(selection), *_exposure_cautions(selection, made, told)),
        not_made=not_made,
    )


def _selection(events: Sequence[str], asked: Sequence[Finished]) -> Selection:
    """The events with their detector pixels, where the native engine looks at these too."""
    looked_at = any(item.kind in (Kind.IMAGE, Kind.SPECTRUM) for item in asked)
    return select(read_events([Path(name) for name in events], (), DETECTOR if looked_at else ()))


def _why_missing(item: Finished) -> str:
    """What the call that should have made a file told of it.

    Raises
    ------
    SoftwareFault
        When it told nothing.
    """
    link = Path(item.file)
    report = link.readlink().parent / REPORT_FILE if link.is_symlink() else Path(REPORT_FILE)
    try:
        content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return str(content["report"]["not_made"][item.file])
    except (OSError, ValueError, KeyError) as exc:
        raise SoftwareFault(f"{item.name} cannot be finished: no call made {item.file}") from exc


def _tell(item: Finished) -> _Told:
    """What a file that a tool left holds."""
    try:
        with fits.open(item.file, memmap=True) as hdus:
            headers = [hdu.header for hdu in hdus]
            return _Told(
                _counts(item.kind, hdus),
                _share(headers) if item.kind == Kind.SPECTRUM else None,
                _whole(_first(headers, "NPIXSOU")),
                _first(headers, "EXPOSURE"),
            )
    except (OSError, ValueError, KeyError) as exc:
        raise SoftwareFault(f"{item.file} is not the {item.kind} that was asked for: {exc}") from exc


def _counts(kind: Kind, hdus: fits.HDUList) -> int | None:
    """Events in an image, light curve or spectrum."""
    if kind == Kind.IMAGE:
        return int(hdus[0].data.sum(dtype=np.int64))
    if kind == Kind.SPECTRUM:
        return int(hdus["SPECTRUM"].data["COUNTS"].sum(dtype=np.int64))
    if kind == Kind.GROUPED_SPECTRUM and "GROUPING" not in hdus["SPECTRUM"].columns.names:
        raise KeyError("it has no column GROUPING")
    if kind == Kind.LIGHT_CURVE:
        table = hdus["RATE"]
        exposed = table.data["FRACEXP"].astype(float) * table.header["TIMEDEL"]
        return int(np.rint(np.nan_to_num(table.data["RATE"].astype(float) * exposed)).sum())
    return None


def _share(headers: Sequence[fits.Header]) -> float:
    """BACKSCAL of a spectrum: a share of the image, so neither negative nor more than all."""
    given = _first(headers, "BACKSCAL")
    if given is None or not 0 <= given <= 1:
        raise ValueError(f"its BACKSCAL is {given}")
    return given


def _first(headers: Sequence[fits.Header], key: str) -> float | None:
    """A number from the first header that gives it."""
    return next((float(header[key]) for header in headers if key in header), None)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _write(item: Finished, history: Sequence[str], source: Mapping[str, Any], recipe: str) -> None:
    """Copy a file under its product's name and complete the headers of all its HDUs."""
    shutil.copyfile(item.file, item.name)
    try:
        # Images are left in the numbers that the tool wrote; tables may be larger than the memory.
        with fits.open(item.name, mode="update", memmap=True, do_not_scale_image_data=True) as hdus:
            if item.unit:
                hdus[0].header["BUNIT"] = item.unit
            if item.linked:
                hdus["SPECTRUM"].header.update(item.linked)
            for hdu in hdus:
                stamp(hdu.header, source, () if hdu.name in SHARED else history, recipe, ENGINE)
                hdu.add_checksum()
            hdus.flush(output_verify="silentfix")
    except (OSError, ValueError, fits.VerifyError) as exc:
        raise SoftwareFault(f"{item.name} cannot be finished: {exc}") from exc


def _history(item: Finished, selection: Selection | None) -> list[str]:
    if selection is None:
        return list(item.history)
    return [*selection_history(selection, item.channels, _region(item)), *item.history]


def _region(item: Finished) -> Region | None:
    return read_region(Path(item.region)) if item.region else None


def _check_images(made: Sequence[Finished]) -> None:
    """See that images of one band come from the same number of events, whatever their binning.

    Raises
    ------
    SoftwareFault
        When they do not.
    """
    totals: dict[Channels | None, dict[str, int]] = {}
    for item in made:
        if item.kind == Kind.IMAGE:
            header = fits.getheader(item.name)
            if "TOTCTS" in header:
                totals.setdefault(item.channels, {})[item.name] = int(header["TOTCTS"])
    for counts in totals.values():
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{name}: {count}" for name, count in counts.items())
            raise SoftwareFault(f"images of one band were made of different numbers of events: {said}")


def _facts(selection: Selection, made: Sequence[Finished], told: Mapping[str, _Told]) -> dict[str, Any]:
    """The figures in the form of the native engine's."""
    kept = {item.name: told[item.name] for item in made}
    pixels = {item.region: kept[item.name].pixels for item in made if item.region}
    flickering = _flickering(selection)
    return {
        "ontime": selection.ontime,
        "exposure": selection.exposure,
        "live_fraction": selection.live_fraction,
        "counts": {name: each.counts for name, each in kept.items() if each.counts is not None},
        "backscal": {name: each.backscal for name, each in kept.items() if each.backscal is not None},
        "region_pixels": {name: count for name, count in pixels.items() if count is not None},
        **({"flickering": flickering} if flickering else {}),
    }


def _flickering(selection: Selection) -> dict[str, Any] | None:
    """Pixels that stick out among all events, which no tool looks for; None without detector pixels."""
    if not {*DETECTOR} <= selection.events.axes.keys():
        return None
    counter = OutlierCounter()
    for chunk in selection.chunks():
        counter.add(chunk)
    return counter.outliers().facts


def _exposure_cautions(
    selection: Selection, made: Sequence[Finished], told: Mapping[str, _Told]
) -> Iterator[Caution]:
    """A word where a tool's exposure is not the good time of the events."""
    for item in made:
        given = told[item.name].exposure
        if given is not None and abs(given - selection.exposure) > _SAME_EXPOSURE * selection.exposure:
            yield caution(
                "exposure-differs",
                f"{item.name} says EXPOSURE {given:.9g} s; the good time of its events is "
                f"{selection.exposure:.9g} s.",
            )
