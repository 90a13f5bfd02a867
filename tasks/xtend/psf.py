"""The point-spread function of Xtend, roughly: a core and broad wings, the same all over the field.

Two King profiles of slope 2, with the published sizes: a core of 7–10″ FWHM and wings that make a half-power
diameter of 80–88″ (POG; arXiv:2503.20180). Good enough to tell what belongs to a source; no calibration.
"""

from typing import Final

import numpy as np

from tasks.xtend.geometry import PIXEL_ARCSEC, Floats

_PROFILES: Final = ((0.35, 6.0), (0.65, 74.0))
"""Core and wings: share of the flux, core radius in arcsec."""
_FARTHEST_PIXELS: Final = 5000.0


def enclosed(radius_arcsec: Floats | float) -> Floats:
    """Share of a point source's flux within a radius (arcsec), in the shape of that."""
    squares = [(share, (np.asarray(radius_arcsec, float) / core) ** 2) for share, core in _PROFILES]
    return np.asarray(sum(share * square / (1 + square) for share, square in squares))


def brightness(radius_pixels: Floats | float) -> Floats:
    """Share of a point source's flux in a sky pixel at a distance in pixels, in the shape of that."""
    radius = np.asarray(radius_pixels, float)
    cores = [(share, core / PIXEL_ARCSEC) for share, core in _PROFILES]
    return np.asarray(
        sum(share / (np.pi * core**2) * (1 + (radius / core) ** 2) ** -2 for share, core in cores)
    )


def radius_of(share: float) -> float:
    """Distance in pixels beyond which a pixel holds less than this share of the flux; 0 when all do."""
    radii = np.concatenate([[0.0], np.geomspace(0.1, _FARTHEST_PIXELS, 1000)])
    # Brightness falls outwards, and numpy interpolates along what rises.
    found: float = np.interp(-np.log(share), -np.log(brightness(radii)), radii)
    return found
