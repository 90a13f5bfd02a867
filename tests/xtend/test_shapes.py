"""Masks of shapes: those of the regions package, but for the edges, which are inside."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import (
    CircleAnnulusPixelRegion,
    CirclePixelRegion,
    EllipsePixelRegion,
    PixCoord,
    PixelRegion,
    PolygonPixelRegion,
    RectanglePixelRegion,
)

from tasks.xtend.shapes import PixelShape

# Points that no simple outline runs through.
X, Y = np.meshgrid(np.arange(40) + 0.1234567, np.arange(30) + 0.7654321)
NUDGES = [(1e-6, 0), (-1e-6, 0), (0, 1e-6), (0, -1e-6)]

places = st.integers(0, 4000).map(lambda hundredths: hundredths / 100)
lengths = st.floats(0.1, 30)


@st.composite
def pixel_shapes(draw: st.DrawFn) -> PixelShape:
    kind = draw(st.sampled_from(["circle", "annulus", "ellipse", "box", "polygon"]))
    if kind == "polygon":
        corners = draw(st.lists(st.tuples(places, places), min_size=3, max_size=7))
        x, y = zip(*corners, strict=True)
        return PixelShape(kind, True, x, y)
    sizes = sorted(draw(st.lists(lengths, min_size=2, max_size=2, unique=True)))
    angle = draw(st.floats(-400, 400)) if kind in ("ellipse", "box") else 0.0
    numbers = tuple(sizes[:1] if kind == "circle" else sizes)
    return PixelShape(kind, True, (draw(places),), (draw(places),), numbers, angle)


def of_the_package(shape: PixelShape) -> PixelRegion:
    if shape.kind == "polygon":
        return PolygonPixelRegion(PixCoord(np.array(shape.x), np.array(shape.y)))
    centre, turn = PixCoord(shape.x[0], shape.y[0]), shape.angle * u.deg
    if shape.kind == "circle":
        return CirclePixelRegion(centre, *shape.sizes)
    if shape.kind == "annulus":
        return CircleAnnulusPixelRegion(centre, *shape.sizes)
    if shape.kind == "box":
        return RectanglePixelRegion(centre, *shape.sizes, turn)
    return EllipsePixelRegion(centre, *(2 * size for size in shape.sizes), turn)


@settings(deadline=None)
@given(pixel_shapes())
def test_masks_are_those_of_the_package_away_from_edges(shape: PixelShape) -> None:
    mask = shape.contains(X, Y)
    away = np.logical_and.reduce([shape.contains(X + dx, Y + dy) == mask for dx, dy in NUDGES])
    assert away.mean() > 0.99
    assert np.array_equal(mask[away], of_the_package(shape).contains(PixCoord(X, Y))[away])


@settings(deadline=None)
@given(pixel_shapes())
def test_a_shape_lies_within_its_bounds(shape: PixelShape) -> None:
    left, right, bottom, top = shape.bounds()
    mask = shape.contains(X, Y)
    slack = 1e-9
    assert np.all((X[mask] >= left - slack) & (X[mask] <= right + slack))
    assert np.all((Y[mask] >= bottom - slack) & (Y[mask] <= top + slack))


@pytest.mark.parametrize(
    ("shape", "edge"),
    [
        (PixelShape("circle", True, (10,), (20,), (5,)), (13, 24)),
        (PixelShape("box", True, (10,), (20,), (8, 4)), (14, 20)),
        (PixelShape("ellipse", True, (10,), (20,), (6, 3)), (16, 20)),
        (PixelShape("annulus", True, (10,), (20,), (5, 10)), (20, 20)),
    ],
)
def test_edges_are_inside_and_not_so_in_the_package(shape: PixelShape, edge: tuple[int, int]) -> None:
    assert shape.contains(*edge)
    assert not of_the_package(shape).contains(PixCoord(*edge))


def test_a_repeated_vertex_is_no_edge() -> None:
    corners = PixelShape("polygon", True, (10, 20, 20), (10, 10, 25))
    closed = PixelShape("polygon", True, (10, 20, 20, 20, 10), (10, 10, 10, 25, 10))
    assert np.array_equal(closed.contains(X, Y), corners.contains(X, Y))
    assert closed.contains(10, 10)
    assert not PixelShape("polygon", True, (5, 5, 5), (5, 5, 5)).contains(X, Y).any()
