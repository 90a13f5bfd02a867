"""The detector as an observation used it: the bad-pixel image and what of it is live."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.files import read_image
from tasks.xtend.geometry import DET_SIZE

GOOD: Final = 0
CALIBRATION: Final = 1
BAD: Final = 2
OUTSIDE: Final = -1


def read_bad_pixels(path: Path) -> NDArray[np.int8]:
    """Flags of the DET pixels: good, calibration source, bad, outside of CCD or window.

    Parameters
    ----------
    path : Path
        Bad-pixel image as xtdflagpix writes it.

    Returns
    -------
    array (1810, 1810)
        0, 1, 2 or −1, indexed [DETY − 1, DETX − 1].

    Raises
    ------
    Permanent
        When it cannot be read, has another size, or holds other flags.
    """
    flags, _ = read_image(path)
    if flags.shape != (DET_SIZE, DET_SIZE):
        size = "×".join(map(str, reversed(flags.shape)))
        raise Permanent(
            f"{path.name} is no bad-pixel image: {size} pixels where {DET_SIZE}×{DET_SIZE} are due"
        )
    strange = flags[~np.isin(flags, (GOOD, CALIBRATION, BAD, OUTSIDE))]
    if strange.size:
        raise Permanent(f"{path.name} is no bad-pixel image: it holds the flag {strange[0]:g}")
    return flags.astype(np.int8)


def live_mask(flags: NDArray[np.int8], *, mask_calibration: bool = True) -> NDArray[np.bool_]:
    """Which DET pixels collect exposure, shape (1810, 1810).

    Parameters
    ----------
    flags : ndarray, shape (1810, 1810)
        A bad-pixel image.
    mask_calibration : bool
        Whether the pixels of the calibration sources are left out (maskcalsrc of the exposure-map tool).
    """
    return np.asarray(flags == GOOD) if mask_calibration else np.isin(flags, (GOOD, CALIBRATION))
