"""Grouping of spectral channels: a minimum of counts as grppha, and optimal binning."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.headers import write_product
from tasks.engines.native.responses import read_fwhm

Shorts = NDArray[np.int16]

_WITHIN_FWHM: Final = 1.314
"""Counts of a Gaussian line over those within its FWHM."""
_COARSEST: Final = 2.119
"""Up to this x (Kaastra & Bleeker 2016, eq. 36) a bin is one FWHM wide."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """OGIP flags of each channel.

    Parameters
    ----------
    grouping : ndarray of int16, shape (n,)
        1 where a group starts, −1 within it.
    quality : ndarray of int16, shape (n,)
        0 good, 2 doubtful.
    """

    grouping: Shorts
    quality: Shorts


def group_minimum(counts: NDArray[Any], minimum: int) -> Grouping:
    """Groups of at least `minimum` counts, greedily from the first channel.

    The channels of a tail that never reaches it stay alone and are doubtful, as in grppha.

    Parameters
    ----------
    counts : array (n,)
        Counts of each channel.
    minimum : int
        At least 1.
    """
    reached = np.cumsum(counts, dtype=np.int64)
    grouping, quality = np.full(counts.size, -1, np.int16), np.zeros(counts.size, np.int16)
    start, before = 0, 0
    while start < counts.size:
        last = int(np.searchsorted(reached, before + minimum))
        if last == counts.size:
            grouping[start:], quality[start:] = 1, 2
            break
        grouping[start] = 1
        start, before = last + 1, int(reached[last])
    return Grouping(grouping, quality)


def group_optimal(counts: NDArray[Any], fwhm: NDArray[np.int64]) -> Grouping:
    """Bins after Kaastra & Bleeker (2016): as wide as the resolution and the counts within it allow.

    Parameters
    ----------
    counts : array (n,)
        Counts of each channel.
    fwhm : array (n,)
        Resolution in channels.
    """
    width = optimal_widths(counts, fwhm)
    ends = np.arange(counts.size) + width
    grouping = np.full(counts.size, -1, np.int16)
    start = 0
    while start < counts.size:
        grouping[start] = 1
        # A bin does not reach beyond one that would start within it.
        start = int(ends[start : ends[start]].min())
    return Grouping(grouping, np.zeros(counts.size, np.int16))


def optimal_widths(counts: NDArray[Any], fwhm: NDArray[np.int64]) -> NDArray[np.int64]:
    """Width in channels, shape (n,), of the optimal bin that starts at each; arguments as `group_optimal`."""
    elements = 1 + (1 / fwhm).sum()
    channel = np.arange(counts.size)
    reached = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    low = np.clip(channel - fwhm // 2, 0, counts.size)
    high = np.clip(channel + fwhm // 2 + 2, 0, counts.size)
    within = (reached[high] - reached[low]) * _WITHIN_FWHM * (1 + 0.2 * np.log(elements))
    x = np.log(np.maximum(within, 1.0))
    # Where x is small the fraction is not used; the floor keeps it from dividing by zero.
    y = np.maximum(x, _COARSEST)
    fraction = np.where(x > _COARSEST, (0.08 * y + 7 + 1.8 / y) / (y + 5.9), 1.0)
    return np.maximum((fwhm * fraction).astype(np.int64), 1)


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
