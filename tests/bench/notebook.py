"""The products as a notebook makes them: per product one pass of numpy.histogram over an astropy table."""

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from event_lists import BACKGROUND, HOLE, OBSERVATION, SOURCE
from numpy.typing import NDArray
from products import BANDS, BINNINGS, CURVE_BANDS, TIME_BIN

from tasks.xtend.geometry import PIXEL_ARCSEC, SKY_SIZE

_PLACES = {"source": (SOURCE, None), "background": (BACKGROUND, HOLE)}


def products(path: Path) -> dict[str, int]:
    """Counts of all products, which are not even written."""
    with fits.open(path) as hdus:
        table, gti = hdus["EVENTS"].data, hdus["GTI"].data
        counts = {}
        for band in BANDS:
            for binning in BINNINGS:
                image = _image(table, gti, band, binning)
                counts[f"image_{band[0]}_{band[1]}_{binning}.fits"] = int(image.sum())
        for name in _PLACES:
            for band in CURVE_BANDS:
                curve = _light_curve(table, gti, name, band)
                counts[f"{name}_{band[0]}_{band[1]}.fits"] = int(curve.sum())
            counts[f"{name}.fits"] = int(_spectrum(table, gti, name).sum())
    return counts


def _image(table: Any, gti: Any, band: tuple[int, int], binning: int) -> NDArray[Any]:
    chosen = _good(table, gti) & _between(table, band)
    edges = np.arange(0.5, SKY_SIZE // binning * binning + 1, binning)
    return np.histogram2d(table["Y"][chosen], table["X"][chosen], (edges, edges))[0]


def _light_curve(table: Any, gti: Any, name: str, band: tuple[int, int]) -> NDArray[Any]:
    chosen = _good(table, gti) & _between(table, band) & _inside(table, name)
    edges = np.arange(gti["START"][0], gti["STOP"][-1] + TIME_BIN, TIME_BIN)
    return np.histogram(table["TIME"][chosen], edges)[0]


def _spectrum(table: Any, gti: Any, name: str) -> NDArray[Any]:
    chosen = _good(table, gti) & _inside(table, name)
    return np.histogram(table["PI"][chosen], np.arange(4097) - 0.5)[0]


def _good(table: Any, gti: Any) -> NDArray[np.bool_]:
    time = table["TIME"]
    place = np.searchsorted(gti["START"], time, side="right") - 1
    return (place >= 0) & (time <= gti["STOP"][np.maximum(place, 0)])


def _between(table: Any, band: tuple[int, int]) -> NDArray[np.bool_]:
    return (table["PI"] >= band[0]) & (table["PI"] <= band[1])


def _inside(table: Any, name: str) -> NDArray[np.bool_]:
    kept, hole = _PLACES[name]
    inside = _in_circle(table, kept)
    return inside & ~_in_circle(table, hole) if hole else inside


def _in_circle(table: Any, circle: tuple[float, float, float]) -> NDArray[np.bool_]:
    ra, dec, radius = circle
    centre = OBSERVATION.nominal.sky(ra, dec)
    return np.hypot(table["X"] - centre.x, table["Y"] - centre.y) <= radius / PIXEL_ARCSEC
