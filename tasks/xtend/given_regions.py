"""Regions that are given in files: read as HEASoft would, and checked against the field."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.xtend.apertures import Aperture
from tasks.xtend.field import Circle, Field
from tasks.xtend.geometry import SKY_SIZE
from tasks.xtend.regions import read_region
from tasks.xtend.shapes import PixelShape

Mask = NDArray[np.bool_]


def given_aperture(field: Field, path: Path) -> Aperture:
    """The region in a file.

    Parameters
    ----------
    field : Field
        Where it is to be used.
    path : Path
        A ds9 region file in fk5, icrs, physical or image coordinates.

    Raises
    ------
    BadInput
        When HEASoft would not read it, or as something else; when it begins with an exclusion, so that it
        means the whole field; when it holds no sky pixel.
    """
    region = read_region(path)
    if region.whole_field_first:
        raise BadInput(
            f"the region file {path.name} begins with an exclusion, so HEASoft takes the whole field: begin "
            "with what is included"
        )
    shapes = region.pixel_shapes(field.nominal.wcs())
    inside = _pixels(shapes)
    if not inside.any():
        raise BadInput(f"the region file {path.name} holds no sky pixel of the observation")
    exposed = np.where(inside, field.exposure, 0)
    for circle in field.calibration:
        exposed[circle.holds(*_axes())] = 0
    fraction = float(exposed.sum(dtype=np.float64)) / float(inside.sum()) / (field.most or 1.0)
    lone = shapes[0] if len(shapes) == 1 and shapes[0].kind == "circle" else None
    around = Circle(lone.x[0], lone.y[0], lone.sizes[0]) if lone else _around(inside)
    return Aperture(shapes, around, min(1.0, fraction), given=True)


def check_apart(source: Aperture, background: Aperture) -> None:
    """See that source and background share no sky pixel.

    Raises
    ------
    BadInput
        When they do.
    """
    common = int((_pixels(source.shapes) & _pixels(background.shapes)).sum())
    if common:
        raise BadInput(f"source and background regions overlap: they share {common} sky pixels")


def _axes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    axis = np.arange(1.0, SKY_SIZE + 1)
    return axis[np.newaxis, :], axis[:, np.newaxis]


def _pixels(shapes: Sequence[PixelShape]) -> Mask:
    """Which sky pixels shapes hold, the first of which is included; shape (2430, 2430), [y, x]."""
    bounds = np.array([shape.bounds() for shape in shapes if shape.include])
    low = np.clip(np.floor(bounds.min(axis=0)) - 1, 0, SKY_SIZE).astype(int)
    high = np.clip(np.ceil(bounds.max(axis=0)) + 1, 0, SKY_SIZE).astype(int)
    rows, columns = slice(low[2], high[3]), slice(low[0], high[1])
    x, y = _axes()
    held = np.zeros((SKY_SIZE, SKY_SIZE), bool)
    part = held[rows, columns]
    for shape in shapes:
        within = shape.contains(x[:, columns], y[rows])
        part[...] = part | within if shape.include else part & ~within
    return held


def _around(inside: Mask) -> Circle:
    """The circle around the middle of these pixels' box that holds them all."""
    rows, columns = np.nonzero(inside)
    x, y = (columns.min() + columns.max()) / 2 + 1, (rows.min() + rows.max()) / 2 + 1
    return Circle(float(x), float(y), float(np.hypot(columns + 1 - x, rows + 1 - y).max()) + 0.5)
