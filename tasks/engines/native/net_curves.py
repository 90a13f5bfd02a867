"""Net light curves: source minus scaled background, by the rules of lcmath."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from astropy.io import fits

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.headers import write_product
from tasks.engines.native.keywords import figure
from tasks.xtend.geometry import Floats

Errors = Literal["gaussian", "linear"]
"""How errors add up: √(σ_s² + (scale·σ_b)²), or √(σ_s² + scale·σ_b²)."""
_ERROR_MODES: Final[dict[Errors, int]] = {"linear": 1, "gaussian": 2}
"""What lcmath calls them (err_mode)."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A binned light curve; bins without exposure are missing.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Centres of the bins in mission time, ascending, in seconds.
    rate, error : ndarray, shape (n,)
        In counts/s.
    width : float
        Length of a bin in seconds.
    """

    time: Floats
    rate: Floats
    error: Floats
    width: float


def net(source: Curve, background: Curve, scale: float, errors: Errors = "gaussian") -> tuple[Floats, Floats]:
    """Rate and error of source − scale × background in the source's bins.

    Parameters
    ----------
    source, background : Curve
        Bins of the background may be longer; each source bin takes the one that holds its centre.
    scale : float
        Area of the source over that of the background.
    errors : {"gaussian", "linear"}
        How errors add up.

    Returns
    -------
    rate, error : ndarray, shape (n,)
        NaN where the background has no bin.

    Raises
    ------
    Permanent
        When the background's bins are shorter than the source's.
    """
    if background.width < source.width:
        raise Permanent(
            f"background bins of {background.width:g} s are shorter than source bins of {source.width:g} s"
        )
    rate, error = _at(source.time, background)
    factor = scale if errors == "gaussian" else np.sqrt(scale)
    return source.rate - scale * rate, np.hypot(source.error, factor * error)


def backscal(spectrum: Path) -> float:
    """BACKSCAL of a spectrum.

    Raises
    ------
    NoData
        When it is zero: nothing of the region was exposed.
    Permanent
        When the file cannot be read or does not give it.
    """
    (table,) = read_hdus(spectrum, ["SPECTRUM"])
    value = figure(table.header, "BACKSCAL", spectrum.name)
    if not value > 0:
        raise NoData(f"BACKSCAL of {spectrum.name} is {value:g}: nothing of its region was exposed")
    return value


def write_net_curve(
    target: Path,
    source: Path,
    background: Path,
    source_spectrum: Path,
    background_spectrum: Path,
    errors: Errors,
    recipe: str,
) -> None:
    """Write the net curve of two light curves, scaled by the BACKSCAL of two spectra.

    Raises
    ------
    NoData
        When a BACKSCAL is zero.
    Permanent
        When a file cannot be read or the curves do not fit each other.
    """
    scale = backscal(source_spectrum) / backscal(background_spectrum)
    hdus = read_hdus(source)
    table = _rate_table(hdus, source)
    (other,) = read_hdus(background, ["RATE"])
    rate, error = net(_curve(table, source), _curve(other, background), scale, errors)
    table.data["RATE"], table.data["ERROR"] = rate, error
    corrected = any("DEADC" in hdu.header for hdu in (table, other))
    table.header["HDUCLAS2"] = ("NET", "background subtracted")
    table.header["BACKAPP"] = (True, "background subtracted")
    table.header["DEADAPP"] = (corrected, "dead time corrected")
    table.header["VIGNAPP"] = (False, "vignetting corrected")
    table.header["BSCRATIO"] = (scale, "factor on the background: ratio of BACKSCAL")
    table.header["ERRMODE"] = (_ERROR_MODES[errors], f"errors: {errors}, as by err_mode of lcmath")
    said = [
        f"net light curve: {source.name} - {scale:.9g} x {background.name}; the factor is BACKSCAL of "
        f"{source_spectrum.name} / {background_spectrum.name}; {errors} errors"
    ]
    write_product(target, hdus, table.header, said, recipe)


def _at(time: Floats, curve: Curve) -> tuple[Floats, Floats]:
    """Rate and error of the bins that hold these times; NaN where there is none."""
    blank = np.full(time.size, np.nan)
    if not curve.time.size:
        return blank, blank.copy()
    zero = curve.time[0] - curve.width / 2
    known, asked = (np.floor((at - zero) / curve.width).astype(np.int64) for at in (curve.time, time))
    index = np.minimum(np.searchsorted(known, asked), known.size - 1)
    found = known[index] == asked
    return np.where(found, curve.rate[index], blank), np.where(found, curve.error[index], blank)


def _rate_table(hdus: list[Any], path: Path) -> Any:
    for hdu in hdus:
        if hdu.name == "RATE":
            return hdu
    raise Permanent(f"{path.name} has no RATE extension")


def _curve(table: Any, path: Path) -> Curve:
    """A RATE extension in mission time, corrected for the dead time that its header names but left in."""
    header: fits.Header = table.header
    width = figure(header, "TIMEDEL", path.name)
    if not width > 0:
        raise Permanent(f"the bins of {path.name} have no length: its TIMEDEL is {width:g}")
    zero = header.get("TIMEZERO", header.get("TIMEZERI", 0) + header.get("TIMEZERF", 0.0))
    live = 1.0 if header.get("DEADAPP", False) else float(header.get("DEADC", 1.0))
    time, rate, error = (column(table, name, path).astype(float) for name in ("TIME", "RATE", "ERROR"))
    return Curve(time + zero, rate / live, error / live, width)
