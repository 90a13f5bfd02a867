"""Grouped copies of spectra."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.headers import write_product
from tasks.engines.native.responses import read_fwhm
from tasks.xtend.grouping import (
    Grouping,
    GroupingRule,
    group_minimum,
    group_optimal,
    group_optimal_minimum,
)


@dataclass(frozen=True)
class Beside:
    """What a grouping may need besides the spectrum.

    Parameters
    ----------
    rmf : Path or None
        The response, for optimal bins.
    background : Path or None
        The background spectrum, for a minimum of its counts.
    """

    rmf: Path | None = None
    background: Path | None = None


def write_grouped(
    target: Path,
    spectrum: Path,
    rule: GroupingRule,
    recipe: str,
    beside: Beside | None = None,
    linked: Mapping[str, str] | None = None,
) -> None:
    """Write a grouped copy of a spectrum; its map, GTI and region extensions stay.

    Parameters
    ----------
    target, spectrum : Path
        The grouped file and the one it is made of.
    rule : GroupingRule
        How.
    recipe : str
        The recipe's hash.
    beside : Beside, optional
        What the rule needs.
    linked : mapping, optional
        RESPFILE and the like where they change.

    Raises
    ------
    Permanent
        When a file cannot be read, or what the rule needs is not given or does not fit.
    """
    hdus = read_hdus(spectrum)
    place = next((number for number, hdu in enumerate(hdus) if hdu.name == "SPECTRUM"), None)
    if place is None:
        raise Permanent(f"{spectrum.name} has no SPECTRUM extension")
    counts = column(hdus[place], "COUNTS", spectrum)
    flags, said = _group(counts, spectrum, rule, beside or Beside())
    hdus[place] = _with_flags(hdus[place], flags)
    hdus[place].header.update(linked or {})
    history = [
        f"grouped: {spectrum.name}, {said}",
        "the background takes these groups: readers of OGIP files give it those of the source",
    ]
    write_product(target, hdus, hdus[place].header, history, recipe)


def _group(counts: NDArray[Any], spectrum: Path, rule: GroupingRule, beside: Beside) -> tuple[Grouping, str]:
    least = rule.least or 1
    reached = f"at least {least} counts a group, doubtful where not reached"
    if rule.kind == "min":
        return group_minimum(counts, least), reached
    if rule.kind == "bmin":
        behind = _background(counts, spectrum, beside.background)
        return group_minimum(behind, least), f"by the background spectrum, {reached}"
    fwhm, said = _resolution(counts, spectrum, beside.rmf)
    if rule.kind == "opt":
        return group_optimal(counts, fwhm), said
    return group_optimal_minimum(counts, fwhm, least), f"{said}, joined to {reached}"


def _background(counts: NDArray[Any], spectrum: Path, background: Path | None) -> NDArray[Any]:
    if background is None:
        raise Permanent("grouping by background counts needs a background spectrum, and there is none")
    behind = column(read_hdus(background, ["SPECTRUM"])[0], "COUNTS", background)
    if behind.size != counts.size:
        raise Permanent(f"{background.name} has {behind.size} channels, {spectrum.name} {counts.size}")
    return behind


def _resolution(counts: NDArray[Any], spectrum: Path, rmf: Path | None) -> tuple[NDArray[np.int64], str]:
    if rmf is None:
        raise Permanent("optimal grouping needs a response matrix, and there is none")
    fwhm = read_fwhm(rmf)
    if fwhm.size != counts.size:
        raise Permanent(f"{rmf.name} has {fwhm.size} channels, {spectrum.name} {counts.size}")
    return fwhm, f"optimal bins after Kaastra & Bleeker (2016) with {rmf.name}"


def _with_flags(table: Any, flags: Grouping) -> fits.BinTableHDU:
    """The spectrum with QUALITY and GROUPING as its last columns."""
    header = table.header.copy()
    for key in ("QUALITY", "GROUPING"):
        header.remove(key, ignore_missing=True)
    columns = [known for known in table.columns if known.name not in ("QUALITY", "GROUPING")]
    added = [
        fits.Column(name="QUALITY", format="I", array=flags.quality),
        fits.Column(name="GROUPING", format="I", array=flags.grouping),
    ]
    return fits.BinTableHDU.from_columns(fits.ColDefs([*columns, *added]), header=header)
