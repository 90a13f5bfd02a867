"""Lists of flickering pixels, whose events were cut out: where and when DET pixels count as not exposed.

A list has the extension PIXELS: CCD_ID, ACTX, ACTY, DETX, DETY and the time (START, STOP) that each pixel
flickered.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.gti import Gti
from tasks.engines.native.projection import Shares
from tasks.xtend.geometry import DET_SIZE, Floats

PIXELS: Final = "PIXELS"
_TIMES: Final = ("START", "STOP")
_COLUMNS: Final = ("CCD_ID", "ACTX", "ACTY", "DETX", "DETY", *_TIMES)


def read_pixels(path: Path) -> NDArray[Any]:
    """The pixels of a list: a structured array, shape (n,), with CCD_ID, ACTX, ACTY, DETX, DETY, START, STOP.

    Raises
    ------
    Permanent
        When it is no such list.
    """
    (table,) = read_hdus(path, [PIXELS])
    values = [column(table, name, path) for name in _COLUMNS]
    result = np.zeros(len(values[0]), [(name, "f8" if name in _TIMES else "i4") for name in _COLUMNS])
    for name, value in zip(_COLUMNS, values, strict=True):
        result[name] = value
    return result


def united(pixels: NDArray[Any]) -> NDArray[Any]:
    """A list in which the intervals of each DET pixel are disjoint, by pixel and time.

    What overlaps or touches becomes one interval with the CCD_ID, ACTX and ACTY of its first.

    Parameters
    ----------
    pixels : structured ndarray, shape (n,)
        As `read_pixels` gives them.

    Returns
    -------
    structured ndarray, shape (m,), m ≤ n
    """
    result = pixels[np.lexsort((pixels["START"], pixels["DETY"], pixels["DETX"]))]
    kept: list[int] = []
    for number, (x, y, start, stop) in enumerate(result[["DETX", "DETY", *_TIMES]].tolist()):
        before = result[kept[-1]] if kept else None
        if before is not None and (before["DETX"], before["DETY"]) == (x, y) and start <= before["STOP"]:
            before["STOP"] = max(before["STOP"], stop)
        else:
            kept.append(number)
    return result[kept]


def adjoining_share(pixels: NDArray[Any]) -> float:
    """Which part of a list's DET pixels has another one of them beside it, corners included; 0 of none.

    Pixels flicker here and there; those that a bright source shines on lie side by side.
    """
    places = {(x, y) for x, y in pixels[["DETX", "DETY"]].tolist()}
    around = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    adjoining = sum(any((x + a, y + b) in places for a, b in around) for x, y in places)
    return adjoining / len(places) if places else 0.0


def live_shares(live: NDArray[np.bool_], pixels: NDArray[Any] | None, gti: Gti) -> Shares:
    """Which part of good time each DET pixel collected exposure in: 1 − (its bad time ∩ `gti`) / `gti`.

    Parameters
    ----------
    live : ndarray of bool, shape (1810, 1810)
        The DET pixels that collect exposure; the others do not, listed or not.
    pixels : structured ndarray, shape (n,), or None
        As `read_pixels` gives them; without a list `live` is all there is to say.
    gti : Gti
        The good time.

    Returns
    -------
    ndarray of bool or float32, shape (1810, 1810)
        0 to 1, indexed [DETY − 1, DETX − 1].

    Raises
    ------
    Permanent
        When a pixel lies off the detector.
    """
    if pixels is None:
        return live
    single = united(pixels)
    x, y = single["DETX"], single["DETY"]
    off = (np.minimum(x, y) < 1) | (np.maximum(x, y) > DET_SIZE)
    if off.any():
        raise Permanent(
            f"the list of flickering pixels holds one off the detector: DETX {x[off][0]}, DETY {y[off][0]}"
        )
    lost = np.zeros(live.shape)
    np.add.at(lost, (y - 1, x - 1), _good_until(gti, single["STOP"]) - _good_until(gti, single["START"]))
    return np.where(live, np.clip(1 - lost / gti.total, 0, 1), 0).astype(np.float32)


def _good_until(gti: Gti, times: Floats) -> Floats:
    """Good time before each time, in seconds."""
    elapsed = np.append(0, np.cumsum(gti.stop - gti.start))
    bounds = np.column_stack((gti.start, gti.stop)).ravel()
    return np.asarray(np.interp(times, bounds, np.column_stack((elapsed[:-1], elapsed[1:])).ravel()))
