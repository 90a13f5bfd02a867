"""The simulated telescope: point-spread function, effective area, vignetting.

Shapes and sizes follow the published performance (HPD 80–88″ with a core of 7–10″; 420 cm² at 1.5 keV and
310 cm² at 6 keV on axis). They are good enough to practise on and are no calibration.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.xtend.geometry import PIXEL_ARCSEC

Floats = NDArray[np.float64]

_PSF: Final = ((0.35, 6.0), (0.65, 74.0))
"""Core and wings: share of the flux, core radius in arcsec of a King profile with slope 2."""
_AREA_KEV: Final = (
    0.2,
    0.3,
    0.5,
    0.54,
    0.8,
    1.0,
    1.5,
    1.8,
    2.1,
    2.4,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11.5,
    12.5,
    15,
    24,
)
_AREA_CM2: Final = (
    4,
    25,
    130,
    100,
    260,
    350,
    420,
    410,
    340,
    320,
    335,
    342,
    335,
    310,
    270,
    220,
    165,
    115,
    70,
    45,
    18,
    1,
)
_VIGNETTING_ARCMIN: Final = 13.0


def enclosed(radius_arcsec: Floats | float) -> Floats:
    """Share of a point source's flux within a radius."""
    squares = [(share, (np.asarray(radius_arcsec, float) / core) ** 2) for share, core in _PSF]
    return np.asarray(sum(share * square / (1 + square) for share, square in squares))


def psf_density(radius_pixels: Floats) -> Floats:
    """Share of a point source's flux per pixel at a distance in pixels."""
    cores = [(share, core / PIXEL_ARCSEC) for share, core in _PSF]
    return np.asarray(
        sum(share / (np.pi * core**2) * (1 + (radius_pixels / core) ** 2) ** -2 for share, core in cores)
    )


def draw_offsets(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Offsets in pixels of photons from their source, shape (count,) each."""
    shares, cores = zip(*_PSF, strict=True)
    core = np.asarray(cores)[rng.choice(len(cores), size=count, p=shares)] / PIXEL_ARCSEC
    fraction = rng.random(count)
    radius = core * np.sqrt(fraction / (1 - fraction))
    angle = rng.uniform(0, 2 * np.pi, count)
    return radius * np.cos(angle), radius * np.sin(angle)


def draw_beta_offsets(rng: np.random.Generator, count: int, core: float) -> tuple[Floats, Floats]:
    """Offsets from the centre of photons of a beta model with beta = 2/3, in the unit of its core radius."""
    radius = core * np.sqrt((1 - rng.random(count)) ** -2 - 1)
    angle = rng.uniform(0, 2 * np.pi, count)
    return radius * np.cos(angle), radius * np.sin(angle)


def effective_area(energy_kev: Floats) -> Floats:
    """On-axis effective area in cm², detector and filters included."""
    return np.asarray(np.exp(np.interp(np.log(energy_kev), np.log(_AREA_KEV), np.log(_AREA_CM2))))


def vignetting(offaxis_arcmin: Floats | float) -> Floats:
    """Effective area relative to the optical axis, the same at all energies here."""
    return np.asarray(1 / (1 + (np.asarray(offaxis_arcmin, float) / _VIGNETTING_ARCMIN) ** 2))
