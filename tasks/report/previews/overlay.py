"""Region files as outlines on an image."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS
from regions import LinePixelRegion, PixelRegion, PointPixelRegion, Regions, SkyRegion

from tasks.core.errors import Permanent

_SKY_PIXEL_SYSTEM = re.compile(r"^\s*physical\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Shapes:
    """The outlines of one region file, in pixels of an image.

    Parameters
    ----------
    included, excluded : sequence of PixelRegion
        What is taken, and what is cut out of it.
    """

    included: Sequence[Any]
    excluded: Sequence[Any]


def read_shapes(path: Path, unbinned: WCS, wcs: WCS) -> Shapes:
    """The shapes of a ds9 region file on an image.

    Parameters
    ----------
    path : Path
        Region file in fk5, icrs or SKY pixels (`image`, `physical` and no system mean the same).
    unbinned, wcs : WCS
        Of the SKY pixels, and of the image to draw on.

    Raises
    ------
    Permanent
        When the file holds no shape that can be drawn.
    """
    try:
        text = "image\n" + _SKY_PIXEL_SYSTEM.sub("image", path.read_text(encoding="utf-8"))
        with warnings.catch_warnings():
            # Lines that cannot be understood are skipped with this warning; they are told apart below.
            warnings.simplefilter("error", AstropyUserWarning)
            shapes = [_on_image(shape, unbinned, wcs) for shape in Regions.parse(text, format="ds9")]
    except (OSError, ValueError, TypeError, LookupError, AstropyUserWarning) as exc:
        raise Permanent(f"the region file {path.name} cannot be drawn: {exc}") from exc
    if not shapes:
        raise Permanent(f"the region file {path.name} holds no shape")
    included = [shape for shape in shapes if shape.meta.get("include", 1)]
    return Shapes(included, [shape for shape in shapes if shape not in included])


def _on_image(shape: PixelRegion | SkyRegion, unbinned: WCS, wcs: WCS) -> PixelRegion:
    sky = shape if isinstance(shape, SkyRegion) else shape.to_sky(unbinned)
    drawn = sky.to_pixel(wcs)
    if isinstance(drawn, PointPixelRegion | LinePixelRegion):
        raise ValueError("a point or a line has no outline")
    return drawn
