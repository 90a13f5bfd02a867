"""All pictures of a dataset's page, and what is told of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from tasks.core.errors import NoData, Outcome
from tasks.library.call import Report
from tasks.library.keys import MANIFEST
from tasks.library.manifest import Kind, Manifest
from tasks.report.choice import CHANNELS, EXPOSURE_MAP, FIT, IMAGE, LIGHT_CURVE, SPECTRUM, preview_products
from tasks.report.pictures import Pictures, Preview
from tasks.report.previews.canvas import Draw
from tasks.report.previews.channels import draw_channels
from tasks.report.previews.exposure_map import draw_exposure_map
from tasks.report.previews.files import says_simulated
from tasks.report.previews.fit import draw_fit
from tasks.report.previews.image import draw_image
from tasks.report.previews.light_curve import draw_light_curves
from tasks.report.previews.spectrum import draw_spectrum


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


def draw_pictures() -> Report:
    """Draw the pictures of a dataset in the current directory.

    `manifest.json` and the products that `preview_products` names are read from there, under their own
    names.

    Returns
    -------
    Report
        What a page tells of the pictures as facts, see `Pictures`; `not_made` says which ones could not be
        drawn, and why.
    """
    here = Path.cwd()
    manifest = Manifest.model_validate_json((here / MANIFEST).read_bytes())
    plans = (*_PLANS, *((_FIT_PLAN,) if manifest.find(Kind.FIT) else ()))
    tried = [_try(plan, manifest, here) for plan in plans]
    previews = tuple(preview for preview, _ in tried)
    pictures = Pictures(
        previews=previews[: len(_PLANS)],
        plot=previews[-1] if len(previews) > len(_PLANS) else None,
        simulated=_products_say_simulated(manifest, here),
        settled=all(settled for _, settled in tried),
    )
    missing = {item.file: item.why for item in previews if item.why}
    unfitted = {} if pictures.plot else {FIT: "nothing was fitted"}
    return Report(facts=pictures.model_dump(mode="json"), not_made=missing | unfitted)


def _try(plan: _Plan, manifest: Manifest, here: Path) -> tuple[Preview, bool]:
    """A picture or why there is none, and whether that is settled."""
    try:
        picture = plan.draw(manifest, here, here / plan.file)
    except Outcome as exc:
        reasons = [str(exc), *(item.why for item in manifest.not_made if item.kind in plan.kinds)]
        why = "; ".join(dict.fromkeys(reasons))
        return Preview(title=plan.title, file=plan.file, why=why), isinstance(exc, NoData)
    with Image.open(here / plan.file) as drawn:
        told = {"alt": picture.alt, "caption": picture.caption, "size": drawn.size}
    return Preview(title=plan.title, file=plan.file, **told), True


def _products_say_simulated(manifest: Manifest, here: Path) -> bool:
    """Whether the header of a product in a folder says that the data are simulated."""
    files = (here / product.name for product in preview_products(manifest) if product.kind != Kind.REGION)
    return any(says_simulated(path) for path in files if path.exists())
