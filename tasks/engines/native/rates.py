"""Rate images: counts divided by exposure. Vignetting is not corrected, and the files say so."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.files import read_image
from tasks.engines.native.grids import difference
from tasks.engines.native.headers import write_product
from tasks.xtend.geometry import CALIBRATION_CIRCLES, DetPixels, det_to_sky

NOT_VIGNETTING_CORRECTED: Final = "Counts per second of exposure, not corrected for vignetting."


def rate_image(
    counts: NDArray[Any], exposure: NDArray[Any], minimum_fraction: float, excluded: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Counts per second, blank where the exposure is low.

    Parameters
    ----------
    counts : array (m, n)
        Counts of each pixel.
    exposure : array (m, n)
        Exposure in seconds.
    minimum_fraction : float
        Pixels below this fraction of the maximum exposure are NaN.
    excluded : array (m, n) of bool
        Pixels that are NaN besides.
    """
    shown = (exposure > 0) & (exposure >= minimum_fraction * exposure.max()) & ~excluded
    rate = np.full(counts.shape, np.nan)
    np.divide(counts, exposure, out=rate, where=shown)
    return rate.astype(np.float32)


def calibration_pixels(header: fits.Header) -> NDArray[np.bool_]:
    """Pixels of an image that touch a calibration source; none for other instruments.

    Parameters
    ----------
    header : astropy.io.fits.Header
        The image's.

    Returns
    -------
    ndarray of bool, shape (NAXIS2, NAXIS1)
        True where a pixel is touched.

    Raises
    ------
    Permanent
        When an Xtend image does not give its PA_NOM or binning.
    """
    touched = np.zeros((header["NAXIS2"], header["NAXIS1"]), bool)
    if str(header.get("INSTRUME", "")).strip() != "XTEND":
        return touched
    missing = [key for key in ("PA_NOM", "IMGBIN") if key not in header]
    if missing:
        raise Permanent(
            f"the image does not give {' and '.join(missing)}, so calibration sources are not found"
        )
    binning, pa = int(header["IMGBIN"]), float(header["PA_NOM"])
    y, x = (np.arange(size) * binning + (binning + 1) / 2 for size in touched.shape)
    for det_x, det_y, radius in CALIBRATION_CIRCLES:
        centre = det_to_sky(DetPixels(np.array(det_x), np.array(det_y)), pa)
        # From the centre to the nearest point of the pixel: its counts may come from any part of it.
        dx, dy = (
            np.clip(np.abs(axis - at) - binning / 2, 0, None) for axis, at in ((x, centre.x), (y, centre.y))
        )
        touched |= dx[None, :] ** 2 + dy[:, None] ** 2 < radius**2
    return touched


def write_rate_image(
    target: Path, image: Path, exposure_map: Path, minimum_fraction: float, recipe: str
) -> None:
    """Divide an image by the exposure map of the same binning.

    Raises
    ------
    NoData
        When nothing was exposed.
    Permanent
        When a file cannot be read or the two do not lie pixel upon pixel.
    """
    counts, header = read_image(image)
    exposure, exposure_header = read_image(exposure_map)
    if unlike := difference(header, exposure_header):
        raise Permanent(f"{image.name} and {exposure_map.name} do not lie pixel upon pixel: {unlike}")
    if not exposure.max() > 0:
        raise NoData(f"{exposure_map.name} holds no exposure")
    rate = rate_image(counts, exposure, minimum_fraction, calibration_pixels(header))
    said = [
        f"rate image: {image.name} / {exposure_map.name}; blank below {minimum_fraction:g} of the maximum "
        "exposure and on the calibration sources",
        NOT_VIGNETTING_CORRECTED,
    ]
    write_product(target, [rate_hdu(rate, header)], header, said, recipe)


def rate_hdu(rate: NDArray[np.float32], header: fits.Header) -> fits.PrimaryHDU:
    """The primary HDU of a rate image (counts/s) with the WCS and keywords of its counts image."""
    hdu = fits.PrimaryHDU(rate, header)
    hdu.header["BUNIT"] = ("count/s", "not vignetting-corrected")
    hdu.header["CONTENT"] = "RATE IMAGE"
    hdu.header.add_comment(NOT_VIGNETTING_CORRECTED)
    return hdu
