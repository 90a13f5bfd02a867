"""The preview of an image: counts or rates on a logarithmic colour scale."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.visualization import ImageNormalize, LogStretch

from tasks.core.errors import NoData
from tasks.library.manifest import Kind, Manifest, Product, Target
from tasks.report.choice import image_product
from tasks.report.previews.canvas import Floats, Picture
from tasks.report.previews.files import is_simulated, read_image
from tasks.report.previews.sky import Colours, Sky, draw_sky, marked_words, marks_of, sky_of
from tasks.report.words import band_words, figure_words, sentence
from tasks.xtend.geometry import PIXEL_ARCSEC

_BENT: Final = 10.0
"""The logarithmic scale turns linear below this part of the brightness of the fainter pixels."""


def draw_image(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the main image of a dataset. A `Draw`.

    There is none without an image, or when no pixel of it has a value.
    """
    product = image_product(manifest)
    if product is None:
        raise NoData("there is no image of a band above 0.6 keV")
    pixels, keywords = read_image(directory / product.name)
    if not np.nanmax(pixels, initial=0.0) > 0:
        raise NoData(f"no pixel of the {_words(product)} holds a count")
    sky = sky_of(directory / product.name, keywords, int(product.entry["binning"]))
    marks = marks_of(manifest, directory, sky)
    colours = _colours(pixels, _unit(product, keywords))
    exposed = np.isfinite(pixels) if product.kind == Kind.RATE_IMAGE else pixels > 0
    title, simulated = sentence(_words(product)), is_simulated(keywords)
    drawn = draw_sky(pixels, exposed, sky, marks, colours, title, out, simulated=simulated)
    return Picture(
        alt=_alt(manifest, product, pixels, keywords, sky) + marked_words(drawn),
        caption=" ".join([_caption(product), *marks.problems]),
    )


def _colours(pixels: Floats, unit: str) -> Colours:
    """A logarithmic scale from 0 to the brightest pixel, as ds9 and astropy have it: log(1 + a·x)."""
    positive = pixels[pixels > 0]
    largest = float(positive.max())
    faint = float(np.median(positive))
    norm = ImageNormalize(vmin=0.0, vmax=largest, stretch=LogStretch(_BENT * largest / faint), clip=False)
    exponents = range(math.floor(math.log10(faint)) - 1, math.floor(math.log10(largest)) + 1)
    steps = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    return Colours(norm, [0.0, *(step for step in steps if step >= positive.min())], unit)


def _unit(product: Product, keywords: Mapping[str, Any]) -> str:
    unit = keywords.get("BUNIT", "count/s" if product.kind == Kind.RATE_IMAGE else "count")
    return f"{unit} per pixel of {PIXEL_ARCSEC * product.entry['binning']:.1f}″"


def _words(product: Product) -> str:
    kind = "rate image" if product.kind == Kind.RATE_IMAGE else "counts image"
    return f"{kind}, {band_words(product.entry['band'])}"


def _alt(manifest: Manifest, product: Product, pixels: Floats, keywords: Mapping[str, Any], sky: Sky) -> str:
    target = manifest.target.name if manifest.target else "the field"
    brightest = np.unravel_index(int(np.nanargmax(pixels)), pixels.shape)
    ra, dec = (float(value) for value in sky.wcs.wcs_pix2world(brightest[1], brightest[0], 0))
    value = f"{figure_words(float(pixels[brightest]), 3)} {_unit(product, keywords)}"
    return sentence(
        f"{_words(product)} of {target} on the sky with RA and Dec axes. The brightest pixel, with {value}, "
        f"is at RA {ra:.3f}°, Dec {dec:+.3f}°{_distance(manifest.target, ra, dec)}."
    )


def _distance(target: Target | None, ra: float, dec: float) -> str:
    if target is None:
        return ""
    places = (SkyCoord(*place, unit="deg", frame="fk5") for place in ((target.ra, target.dec), (ra, dec)))
    return f", {next(places).separation(next(places)).arcmin:.1f}′ from the target"


def _caption(product: Product) -> str:
    if product.kind == Kind.RATE_IMAGE:
        return (
            "Counts divided by exposure, not corrected for vignetting; logarithmic colour scale; grey is not "
            "exposed, or masked."
        )
    return "Counts, not divided by exposure; logarithmic colour scale."
