"""Outlines of exposed pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path

from tasks.xtend.outline import area, outline

PIXEL = 7.07


def mask(*boxes, size=60):
    """Pixels set in boxes (x0, x1, y0, y1), counted from one and both ends included."""
    pixels = np.zeros((size, size), bool)
    for x0, x1, y0, y1 in boxes:
        pixels[y0 - 1 : y1, x0 - 1 : x1] = True
    return pixels


def test_nothing_has_no_outline():
    assert outline(mask(), PIXEL) == ()


@pytest.mark.parametrize("box", [(11, 40, 21, 50), (1, 60, 1, 60), (1, 5, 30, 60)])
def test_a_box_has_four_corners_on_the_edges_of_its_pixels(box):
    (polygon,) = outline(mask(box), PIXEL)
    x0, x1, y0, y1 = box
    corners = {(x, y) for x in (x0 - 0.5, x1 + 0.5) for y in (y0 - 0.5, y1 + 0.5)}
    assert {tuple(corner) for corner in polygon} == corners
    assert area(polygon) == (x1 - x0 + 1) * (y1 - y0 + 1)  # positive: counter-clockwise


def test_gaps_between_ccds_are_bridged():
    (polygon,) = outline(mask((5, 25, 5, 25), (31, 50, 5, 25), (5, 25, 31, 50), (31, 50, 31, 50)), PIXEL)
    assert area(polygon) == 46**2


def test_what_is_far_apart_stays_apart_and_specks_are_left_out():
    large, small = outline(mask((5, 25, 5, 25), (41, 50, 5, 25), (58, 58, 58, 58)), PIXEL)
    assert (area(large), area(small)) == (21 * 21, 10 * 21)


def test_holes_are_left_out():
    pixels = mask((5, 50, 5, 50))
    pixels[20:35, 20:35] = False
    (polygon,) = outline(pixels, PIXEL)
    assert area(polygon) == 46**2


def test_a_corner_that_is_missing_is_followed():
    pixels = mask((5, 50, 5, 50))
    y, x = np.indices(pixels.shape) + 1
    pixels &= np.hypot(x - 50, y - 50) > 15
    (polygon,) = outline(pixels, PIXEL)
    assert 4 < len(polygon) < 20
    assert area(polygon) == pytest.approx(pixels.sum(), rel=0.02)
    assert not Path(polygon).contains_point((48, 48))


@given(st.floats(0, 90), st.integers(8, 24), st.integers(8, 24))
@settings(deadline=None, max_examples=40)
def test_turned_fields(angle, width, height):
    """Whatever its turn, a rectangle is found to well within 10″ (1.4 pixels); nearly all lies inside."""
    y, x = np.indices((80, 80)) - 39.5
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    pixels = (abs(cosine * x + sine * y) <= width) & (abs(cosine * y - sine * x) <= height)
    (polygon,) = outline(pixels, PIXEL)
    border = 4 * (width + height)
    assert area(polygon) == pytest.approx(pixels.sum(), abs=0.75 * border)
    inside = Path(polygon).contains_points(np.argwhere(pixels)[:, ::-1] + 1.0, radius=3)
    assert inside.mean() > 0.97
    assert len(polygon) <= 16
