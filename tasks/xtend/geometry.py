"""Detector and sky geometry: DET and SKY pixels, the aim point, CCDs, windows, calibration sources.

DET, FOC and SKY pixels all measure 0.048 mm (1.76798″). Coordinates are 1-based; the centre of pixel n is n.
Public notes behind the numbers: XRISM ABC guide, the SXI mission database of HEASoft, and HEASARC's
Xtend pages.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput

Floats = NDArray[np.float64]

PIXEL_DEG: Final = 0.000491106681541
"""Size of a pixel in degrees: 0.048 mm at a focal length of 5600 mm."""
PIXEL_ARCSEC: Final = PIXEL_DEG * 3600
PIXEL_ARCMIN: Final = PIXEL_DEG * 60
SKY_SIZE: Final = 2430
DET_SIZE: Final = 1810
SKY_CENTRE: Final = 1215.5
DET_TO_FOC: Final = 467.0
DET_AIM: Final = SKY_CENTRE - DET_TO_FOC
CCD_SIZE: Final = 640
CCD_ORIGIN: Final = {0: (257, 914), 1: (257, 257), 2: (914, 914), 3: (914, 257)}
"""CCD_ID → lowest (DETX, DETY) of its 640×640 pixels; the gap of 17 pixels is the simulator's assumption."""
CALIBRATION_CIRCLES: Final = ((920.0, 1530.0, 92.0), (919.0, 271.0, 91.0))
"""The two ⁵⁵Fe sources: (DETX, DETY, radius) in pixels, as in HEASoft's calsrc_XTD_det.reg."""


@dataclass(frozen=True)
class SkyPixels:
    """Positions in unbinned SKY pixels (the X, Y columns)."""

    x: Floats
    y: Floats


@dataclass(frozen=True)
class DetPixels:
    """Positions in DET pixels (the DETX, DETY columns)."""

    x: Floats
    y: Floats


def det_to_sky(det: DetPixels, pa: float) -> SkyPixels:
    """SKY pixels of DET pixels when the attitude is the nominal one with position angle `pa` (degrees)."""
    cosine, sine = np.cos(np.radians(pa)), np.sin(np.radians(pa))
    dx, dy = det.x - DET_AIM, det.y - DET_AIM
    return SkyPixels(SKY_CENTRE + dx * cosine - dy * sine, SKY_CENTRE + dx * sine + dy * cosine)


def sky_to_det(sky: SkyPixels, pa: float) -> DetPixels:
    """The inverse of `det_to_sky`."""
    cosine, sine = np.cos(np.radians(pa)), np.sin(np.radians(pa))
    dx, dy = sky.x - SKY_CENTRE, sky.y - SKY_CENTRE
    return DetPixels(DET_AIM + dx * cosine + dy * sine, DET_AIM - dx * sine + dy * cosine)


def binned_size(binning: int, size: int = SKY_SIZE) -> int:
    """Pixels per axis of a binned image; the trailing partial block is dropped.

    Raises
    ------
    BadInput
        When the binning is not positive or larger than the image.
    """
    if not 1 <= binning <= size:
        raise BadInput(f"binning {binning} is outside 1–{size}")
    return size // binning
