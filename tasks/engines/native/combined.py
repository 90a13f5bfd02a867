"""Combined images of an observation: its data classes share sky pixels, so counts and exposures add up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.files import read_image
from tasks.engines.native.grids import difference
from tasks.engines.native.headers import write_product
from tasks.engines.native.rates import NOT_VIGNETTING_CORRECTED, calibration_pixels, rate_hdu, rate_image
from tasks.library.call import Report

_OF_ONE_CLASS: Final = (
    "DETNAM", "DATAMODE", "EXPOSURE", "ONTIME", "LIVETIME", "TELAPSE", "TSTART", "TSTOP", "DATE-OBS",
    "DATE-END", "TIMEDEL", "DEADC", "NUMEXMAP", "NUMTHETA", "FILIN001", "MJD-OBS", "WIN_ST", "WIN_SIZE",
    "TIMEPIXR", "NOMEXPO", "EXPDEADB", "EXPDEADA", "TIMTRANB", "TIMTRANA", "FLUSHIMB", "LASTDEAD", "LASTDEL",
    "HISTORY", "CHECKSUM", "DATASUM",
)  # fmt: skip
"""What a header says of the first data class alone, its history included."""
_SELECTION: Final = ("CHANMIN", "CHANMAX", "OBS_ID")


def combine(
    images: list[str],
    exposure_maps: list[str],
    names: dict[str, str],
    minimum_fraction: float,
    recipe: str,
) -> Report:
    """Sum the images and the exposure maps of all data classes, and divide the one by the other.

    Parameters
    ----------
    images, exposure_maps : list of str
        One of each data class, in the same order, of the same band and binning.
    names : dict
        Names of the results: `image`, `exposure_map`, `rate_image`.
    minimum_fraction : float
        The rate image is blank below this fraction of the maximum summed exposure.
    recipe : str
        The recipe's hash.

    Raises
    ------
    NoData
        When nothing was exposed.
    Permanent
        When a file cannot be read, or they do not lie pixel upon pixel or are of different bands.
    """
    counts, header = _sum(images, np.int64)
    exposure, exposure_header = _sum(exposure_maps, np.float64)
    if unlike := difference(header, exposure_header):
        raise Permanent(f"{images[0]} and {exposure_maps[0]} do not lie pixel upon pixel: {unlike}")
    if not exposure.max() > 0:
        raise NoData(f"{' and '.join(exposure_maps)} hold no exposure")
    rate = rate_image(counts, exposure, minimum_fraction, calibration_pixels(header))
    header["TOTCTS"] = (int(counts.sum()), "counts in the image")
    added, seen = f"sum of {', '.join(images)}", f"sum of {', '.join(exposure_maps)}"
    divided = f"({added}) / ({seen}); blank below {minimum_fraction:g} of the maximum exposure"
    for name, hdu, said in (
        (names["image"], fits.PrimaryHDU(counts.astype(np.int32), header), [added]),
        (names["exposure_map"], fits.PrimaryHDU(exposure.astype(np.float32), exposure_header), [seen]),
        (names["rate_image"], rate_hdu(rate, header), [divided, NOT_VIGNETTING_CORRECTED]),
    ):
        write_product(Path(name), [hdu], hdu.header, said, recipe)
    return Report(facts={"counts": int(counts.sum()), "maximum": float(exposure.max())})


def _sum(names: Sequence[str], dtype: Any) -> tuple[NDArray[Any], fits.Header]:
    """Sum of images, and the header of the first without what holds for one data class only."""
    total, header = read_image(Path(names[0]))
    total, classes = total.astype(dtype), [str(header.get("DATACLAS", "unknown"))]
    for name in names[1:]:
        image, other = read_image(Path(name))
        _check_alike(names[0], header, name, other)
        total += image
        classes.append(str(other.get("DATACLAS", "unknown")))
    for key in _OF_ONE_CLASS:
        header.remove(key, ignore_missing=True, remove_all=True)
    header["DATACLAS"] = ("+".join(classes), "all that are summed here")
    return total, header


def _check_alike(first: str, header: Mapping[str, Any], name: str, other: Mapping[str, Any]) -> None:
    if unlike := difference(header, other):
        raise Permanent(f"{first} and {name} do not lie pixel upon pixel: {unlike}")
    for key in _SELECTION:
        if header.get(key) != other.get(key):
            raise Permanent(
                f"{first} and {name} do not add up: {key} is {header.get(key)} and {other.get(key)}"
            )
