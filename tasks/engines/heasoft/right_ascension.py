"""Attitude near 0h of right ascension, made so that xaexpmap averages it rightly.

Its predecessor averages right ascensions as plain numbers, as observed: pointings at 359.9° and 0.1° have
their mean on the other side of the sky, and the map is empty or gives a telescope axis that is far off.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from tasks.core.errors import Permanent
from tasks.engines.native.files import read_hdus
from tasks.xtend.nominal import Nominal

_NEAR_DEG: Final = 1.0
"""Far beyond what the attitude wanders while time is good."""
_TURN: Final = 360.0


def near_zero_hours(nominal: Nominal) -> bool:
    """Whether attitudes about a nominal one may lie on both sides of 0h."""
    away = min(nominal.ra % _TURN, -nominal.ra % _TURN)
    return bool(away * np.cos(np.deg2rad(nominal.dec)) < _NEAR_DEG)


def make_continuous(ehk: str, output: str, ra: float) -> None:
    """Write an EHK file whose right ascensions all lie within 180° of one: below 0 or above 360 if need be.

    Parameters
    ----------
    ehk, output : str
        The file and the new one, in the current directory.
    ra : float
        RA_NOM in degrees.

    Raises
    ------
    Permanent
        When the file cannot be read.
    """
    primary, table = read_hdus(Path(ehk), ["PRIMARY", "EHK"])
    for name in table.columns.names:
        if name == "RA" or name.endswith("_RA_PNT"):
            table.data[name] = _near(table.data[name], ra)
    for header in (primary.header, table.header):
        for key in ("RA_OBJ", "RA_PNT"):
            if key in header:
                header[key] = float(_near(header[key], ra))
    try:
        fits.HDUList([primary, table]).writeto(output, output_verify="silentfix")
    except ValueError as exc:
        raise Permanent(f"{ehk} cannot be written with continuous right ascensions: {exc}") from exc


def _near(values: Any, ra: float) -> Any:
    half = _TURN / 2
    return ra + (values - ra + half) % _TURN - half


def normalise(header: fits.Header, table: fits.BinTableHDU) -> None:
    """Bring right ascensions of a map and of its attitude histogram back to 0–360°, in place."""
    for given in (header, table.header):
        if "RA_PNT" in given:
            given["RA_PNT"] = float(given["RA_PNT"] % _TURN)
    for name in ("RANOMXP", "RA_PNT"):
        if name in table.columns.names:
            table.data[name] = table.data[name] % _TURN
