"""Region files of ours: shapes in sky coordinates or sky pixels, as ds9 and HEASoft both read them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tasks.xtend.field import Circle
from tasks.xtend.geometry import PIXEL_DEG, SkyPixels
from tasks.xtend.nominal import Nominal
from tasks.xtend.shapes import PixelShape

Frame = Literal["fk5", "physical"]


def region_text(
    frame: Frame, nominal: Nominal, comment: str, shapes: Sequence[PixelShape], excluded: Sequence[Circle]
) -> str:
    """The text of a region file.

    Parameters
    ----------
    frame : {"fk5", "physical"}
        Degrees, or unbinned sky pixels.
    nominal : Nominal
        The aspect of the sky pixels.
    comment : str
        One line.
    shapes : sequence of PixelShape
        In their order.
    excluded : sequence of Circle
        Excluded after them, so from all of them.
    """
    holes = [PixelShape("circle", False, (each.x,), (each.y,), (each.radius,)) for each in excluded]
    lines = [shape_line(frame, nominal, shape) for shape in (*shapes, *holes)]
    return "\n".join(["# Region file format: DS9 version 4.1", f"# {comment}", frame, *lines]) + "\n"


# The regions package would write sizes without a unit, which HEASoft takes as pixels, and no exclusions.
def shape_line(frame: Frame, nominal: Nominal, shape: PixelShape) -> str:
    """A shape as a line of a region file; angles are the same in both frames, as HEASoft takes them."""
    if frame == "physical":
        points = [f"{value:.4f}" for pair in zip(shape.x, shape.y, strict=True) for value in pair]
        sizes = [f"{size:.4f}" for size in shape.sizes]
    else:
        ra, dec = nominal.world(SkyPixels(np.array(shape.x), np.array(shape.y)))
        points = [f"{value:.7f}" for pair in zip(ra, dec, strict=True) for value in pair]
        sizes = [f'{size * PIXEL_DEG * 3600:.4f}"' for size in shape.sizes]
    angle = [f"{shape.angle:.4f}"] if shape.kind in ("ellipse", "box") else []
    return f"{'' if shape.include else '-'}{shape.kind}({','.join([*points, *sizes, *angle])})"
