"""Region files as outlines on an image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.units import deg
from astropy.wcs import WCS
from regions import (
    CircleAnnulusPixelRegion,
    CirclePixelRegion,
    EllipsePixelRegion,
    PixCoord,
    PixelRegion,
    PolygonPixelRegion,
    RectanglePixelRegion,
)

from tasks.core.errors import BadInput, Permanent
from tasks.xtend.regions import read_region
from tasks.xtend.shapes import PixelShape


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


def read_shapes(path: Path, unbinned: WCS, binning: int) -> Shapes:
    """The shapes of a region file on an image.

    Parameters
    ----------
    path : Path
        Region file, as `read_region` takes it.
    unbinned : WCS
        Of the SKY pixels.
    binning : int
        SKY pixels per pixel of the image and axis.

    Raises
    ------
    Permanent
        When the file cannot be read or holds anything that is not understood.
    """
    try:
        shapes = read_region(path).pixel_shapes(unbinned)
    except BadInput as exc:
        raise Permanent(f"the region file {path.name} cannot be drawn: {exc}") from exc
    return Shapes(
        [_on_image(shape, binning) for shape in shapes if shape.include],
        [_on_image(shape, binning) for shape in shapes if not shape.include],
    )


def _on_image(shape: PixelShape, binning: int) -> PixelRegion:
    """The outline in 0-based pixels of an image whose first pixel holds SKY pixels 1 to `binning`."""
    x, y = ((np.array(values) - (1 + binning) / 2) / binning for values in (shape.x, shape.y))
    if shape.kind == "polygon":
        return PolygonPixelRegion(PixCoord(x, y))
    return _OUTLINES[shape.kind](PixCoord(x[0], y[0]), np.array(shape.sizes) / binning, shape.angle * deg)


def _annulus(centre: PixCoord, radii: Sequence[float], angle: Any) -> PixelRegion:
    inner, outer = radii
    return CircleAnnulusPixelRegion(centre, inner, outer) if inner else CirclePixelRegion(centre, outer)


_OUTLINES: Final[Mapping[str, Callable[..., PixelRegion]]] = {
    "circle": lambda centre, sizes, angle: CirclePixelRegion(centre, *sizes),
    "annulus": _annulus,
    "ellipse": lambda centre, sizes, angle: EllipsePixelRegion(centre, *(2 * sizes), angle),
    "box": lambda centre, sizes, angle: RectanglePixelRegion(centre, *sizes, angle),
}
