"""Which pictures a dataset's page has, and which products they are drawn from."""

from collections.abc import Iterable
from typing import Final

from tasks.core.identifiers import Band
from tasks.library.manifest import Kind, Manifest, Product, Role

IMAGE: Final = "image.png"
EXPOSURE_MAP: Final = "exposure-map.png"
LIGHT_CURVE: Final = "light-curve.png"
SPECTRUM: Final = "spectrum.png"
FIT: Final = "fit.png"
CHANNELS: Final = "channels.png"
PICTURES: Final = (IMAGE, EXPOSURE_MAP, LIGHT_CURVE, SPECTRUM, CHANNELS, FIT)

MAIN_BAND: Final = Band.parse("0.6-10")
MAIN_BINNING: Final = 4


def preview_products(manifest: Manifest) -> tuple[Product, ...]:
    """The products that a page's pictures are drawn from; they must lie in its working directory."""
    return (
        *filter(None, (image_product(manifest), exposure_product(manifest))),
        *region_products(manifest),
        *manifest.find(Kind.LIGHT_CURVE),
        *filter(None, (spectrum_product(manifest, role) for role in (Role.SOURCE, Role.BACKGROUND))),
        *manifest.find(Kind.RMF),
        *manifest.find(Kind.FIT),
    )


def image_product(manifest: Manifest) -> Product | None:
    """The main image: 0.6–10 keV at binning 4 and divided by exposure where there is such a one.

    Bands that begin below 0.6 keV are never taken: the response is not trusted there.
    """
    images = [
        product
        for product in (*manifest.find(Kind.RATE_IMAGE), *manifest.find(Kind.IMAGE))
        if Band.parse(product.entry["band"]).low >= MAIN_BAND.low
    ]
    return max(images, key=_rank_of_image, default=None)


def _rank_of_image(product: Product) -> tuple[bool, bool, bool, float]:
    band = Band.parse(product.entry["band"])
    return (
        product.entry["binning"] == MAIN_BINNING,
        band == MAIN_BAND,
        product.kind == Kind.RATE_IMAGE,
        float(band.high - band.low),
    )


def exposure_product(manifest: Manifest) -> Product | None:
    """The exposure map, at binning 4 where there is one."""
    maps = manifest.find(Kind.EXPOSURE_MAP)
    return max(maps, key=lambda product: product.entry["binning"] == MAIN_BINNING, default=None)


def region_products(manifest: Manifest) -> tuple[Product, ...]:
    """One region file for each of source, background and calibration sources, in SKY pixels if possible."""
    roles = (Role.SOURCE, Role.BACKGROUND, Role.CALIBRATION)
    return tuple(
        filter(
            None,
            (
                _first(manifest.find(Kind.REGION, role, frame=frame) for frame in ("skypix", "radec"))
                for role in roles
            ),
        )
    )


def spectrum_product(manifest: Manifest, role: Role) -> Product | None:
    """The spectrum of a role: grouped where it is, else as it was extracted."""
    return _first(manifest.find(kind, role) for kind in (Kind.GROUPED_SPECTRUM, Kind.SPECTRUM))


def _first(found: Iterable[tuple[Product, ...]]) -> Product | None:
    return next((products[0] for products in found if products), None)
