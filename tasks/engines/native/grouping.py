"""Grouped copies of spectra."""

from pathlib import Path
from typing import Any

from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.headers import write_product
from tasks.engines.native.responses import read_fwhm
from tasks.xtend.grouping import Grouping, group_minimum, group_optimal


def write_grouped(target: Path, spectrum: Path, minimum: int | None, rmf: Path | None, recipe: str) -> None:
    """Write a grouped copy of a spectrum; its map, GTI and region extensions stay.

    Parameters
    ----------
    target, spectrum : Path
        The grouped file and the one it is made of.
    minimum : int or None
        Counts a group must reach; None groups optimally.
    rmf : Path or None
        The response that optimal grouping needs.
    recipe : str
        The recipe's hash.

    Raises
    ------
    Permanent
        When a file cannot be read, or no response is given or fits.
    """
    hdus = read_hdus(spectrum)
    place = next((number for number, hdu in enumerate(hdus) if hdu.name == "SPECTRUM"), None)
    if place is None:
        raise Permanent(f"{spectrum.name} has no SPECTRUM extension")
    counts = column(hdus[place], "COUNTS", spectrum)
    flags, said = _group(counts, spectrum, minimum, rmf)
    hdus[place] = _with_flags(hdus[place], flags)
    write_product(target, hdus, hdus[place].header, [f"grouped: {spectrum.name}, {said}"], recipe)


def _group(
    counts: NDArray[Any], spectrum: Path, minimum: int | None, rmf: Path | None
) -> tuple[Grouping, str]:
    if minimum is not None:
        return group_minimum(
            counts, minimum
        ), f"at least {minimum} counts a group, doubtful where not reached"
    if rmf is None:
        raise Permanent("optimal grouping needs a response matrix, and there is none")
    fwhm = read_fwhm(rmf)
    if fwhm.size != counts.size:
        raise Permanent(f"{rmf.name} has {fwhm.size} channels, {spectrum.name} {counts.size}")
    return group_optimal(counts, fwhm), f"optimal bins after Kaastra & Bleeker (2016) with {rmf.name}"


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
