"""Commands that open a dataset's products in other programs, to be typed in its folder in the store."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.core.identifiers import Band
from tasks.library.manifest import Kind, Manifest, Product, Role
from tasks.library.names import loaders
from tasks.report.choice import exposure_product, image_product

_XGA: Final = """\
from astropy.units import Quantity
from xga.products import ExpMap, Image, RateMap

band = {{"lo_en": Quantity({low}, "keV"), "hi_en": Quantity({high}, "keV")}}
given = {{"obs_id": "{obsid}", "instrument": "xtend", "stdout_str": "", "stderr_str": "", "gen_cmd": ""}}
image = Image("{image}", **given, **band)
exposure = ExpMap("{exposure}", **given, **band)
rates = RateMap(image, exposure)
"""


@dataclass(frozen=True)
class Opening:
    """A way to open a dataset.

    Parameters
    ----------
    program : str
        What opens it.
    text : str
        The command, or the lines of Python.
    files : tuple of Product
        What it opens, as far as that is worth a link.
    """

    program: str
    text: str
    files: tuple[Product, ...]


def openings(manifest: Manifest) -> list[Opening]:
    """The ways to open what a dataset has."""
    return [*_ds9(manifest), *_spectra(manifest), *_xga(manifest)]


def shown_regions(manifest: Manifest) -> tuple[Product, ...]:
    """The region files of source, background and calibration sources, in RA and Dec where there are such."""
    roles = (Role.SOURCE, Role.BACKGROUND, Role.CALIBRATION)
    found = (
        manifest.find(Kind.REGION, role, frame="radec") or manifest.find(Kind.REGION, role) for role in roles
    )
    return tuple(products[0] for products in found if products)


def _ds9(manifest: Manifest) -> Iterator[Opening]:
    image = image_product(manifest)
    if image is not None:
        regions = shown_regions(manifest)
        loads = [word for region in regions for word in ("-regions", "load", region.path)]
        words = ["ds9", image.path, "-scale", "log", *loads, "-zoom", "to", "fit"]
        yield Opening("ds9", shlex.join(words), (image, *regions))


def _spectra(manifest: Manifest) -> Iterator[Opening]:
    scripts = {product.name: product for product in manifest.find(Kind.LOADER)}
    xspec, sherpa = loaders()
    for program, name, words in (("XSPEC", xspec, ("xspec", "-")), ("Sherpa", sherpa, ("python", "-i"))):
        if name in scripts:
            yield Opening(program, shlex.join([*words, scripts[name].path]), (scripts[name],))


def _xga(manifest: Manifest) -> Iterator[Opening]:
    exposure = exposure_product(manifest)
    images = [
        product
        for product in manifest.find(Kind.IMAGE)
        if exposure and product.entry.get("binning") == exposure.entry.get("binning")
    ]
    if exposure is None or not images:
        return
    image = max(images, key=_width)
    band = Band.parse(image.entry["band"])
    text = _XGA.format(
        low=float(band.low),
        high=float(band.high),
        obsid=manifest.obsid,
        image=image.path,
        exposure=exposure.path,
    )
    yield Opening("XGA", text, (image, exposure))


def _width(product: Product) -> tuple[bool, float]:
    """The widest band that begins where the response is trusted is worth most."""
    band = Band.parse(product.entry["band"])
    return float(band.low) >= 0.6, float(band.high - band.low)
