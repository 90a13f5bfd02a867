"""All pictures of a dataset's page, and why one is missing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from tasks.core.errors import Outcome
from tasks.library.manifest import Kind, Manifest
from tasks.report.choice import CHANNELS, EXPOSURE_MAP, FIT, IMAGE, LIGHT_CURVE, SPECTRUM, preview_products
from tasks.report.previews.canvas import Draw, Picture
from tasks.report.previews.channels import draw_channels
from tasks.report.previews.exposure_map import draw_exposure_map
from tasks.report.previews.files import says_simulated
from tasks.report.previews.fit import draw_fit
from tasks.report.previews.image import draw_image
from tasks.report.previews.light_curve import draw_light_curves
from tasks.report.previews.spectrum import draw_spectrum


@dataclass(frozen=True)
class Preview:
    """A picture of the page, or why there is none."""

    title: str
    file: str
    picture: Picture | None
    why: str = ""
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Plan:
    """A picture to be drawn: by what, and of which kinds of products."""

    title: str
    file: str
    draw: Draw
    kinds: tuple[Kind, ...]


_PLANS: Final = (
    _Plan("Image", IMAGE, draw_image, (Kind.RATE_IMAGE, Kind.IMAGE)),
    _Plan("Exposure map", EXPOSURE_MAP, draw_exposure_map, (Kind.EXPOSURE_MAP,)),
    _Plan("Light curves", LIGHT_CURVE, draw_light_curves, (Kind.LIGHT_CURVE,)),
    _Plan("Spectrum", SPECTRUM, draw_spectrum, (Kind.GROUPED_SPECTRUM, Kind.SPECTRUM)),
    _Plan("Energy and channel", CHANNELS, draw_channels, (Kind.RMF,)),
)
_FIT_PLAN: Final = _Plan("Data, model and residuals", FIT, draw_fit, (Kind.FIT,))


def draw_previews(manifest: Manifest, here: Path) -> list[Preview]:
    """Draw the pictures of a dataset from the products in a folder, into that folder."""
    return [_preview(plan, manifest, here) for plan in _PLANS]


def draw_fit_preview(manifest: Manifest, here: Path) -> Preview:
    """Draw the fit of a dataset, if it has one, into the folder where its products lie."""
    return _preview(_FIT_PLAN, manifest, here)


def _preview(plan: _Plan, manifest: Manifest, here: Path) -> Preview:
    try:
        picture = plan.draw(manifest, here, here / plan.file)
    except Outcome as exc:
        reasons = [str(exc), *(item.why for item in manifest.not_made if item.kind in plan.kinds)]
        return Preview(plan.title, plan.file, None, "; ".join(dict.fromkeys(reasons)))
    with Image.open(here / plan.file) as drawn:
        return Preview(plan.title, plan.file, picture, size=drawn.size)


def products_say_simulated(manifest: Manifest, here: Path) -> bool:
    """Whether the header of a product in a folder says that the data are simulated."""
    files = (here / product.name for product in preview_products(manifest) if product.kind != Kind.REGION)
    return any(says_simulated(path) for path in files if path.exists())
