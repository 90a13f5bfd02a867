"""The picture of an observation's combined image, drawn as the datasets' images are."""

from pathlib import Path

from PIL import Image

from tasks.core.errors import Outcome
from tasks.library.call import Report
from tasks.library.combination import PICTURE
from tasks.library.manifest import Manifest
from tasks.report.previews.image import draw_image


def draw_combined(dataclasses: list[str]) -> Report:
    """Draw the image that the manifest in the current directory names.

    Parameters
    ----------
    dataclasses : list of str
        The data classes that are summed.

    Returns
    -------
    Report
        `alt`, `caption` and `size` in pixels as facts; `not_made` says why there is no picture.
    """
    here = Path.cwd()
    manifest = Manifest.model_validate_json((here / "manifest.json").read_bytes())
    try:
        picture = draw_image(manifest, here, here / PICTURE)
    except Outcome as exc:
        return Report(not_made={PICTURE: str(exc)})
    with Image.open(here / PICTURE) as drawn:
        size = list(drawn.size)
    summed = f"Sum of the data classes {' and '.join(dataclasses)}."
    return Report(facts={"alt": picture.alt, "caption": f"{summed} {picture.caption}", "size": size})
