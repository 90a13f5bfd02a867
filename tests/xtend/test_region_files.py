import numpy as np
import pytest
import regions
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.field import Circle
from tasks.xtend.geometry import PIXEL_ARCSEC
from tasks.xtend.nominal import Nominal
from tasks.xtend.region_files import region_text, shape_line
from tasks.xtend.regions import read_region
from tasks.xtend.shapes import PixelShape

AIM = Nominal(187.70593, 12.39112, 273.4)
nominals = st.builds(Nominal, st.floats(0, 359.99), st.floats(-89, 89), st.floats(0, 359.99))
SHAPES = [
    PixelShape("circle", True, (1215.5,), (1215.5,), (67.8739,)),
    PixelShape("annulus", True, (1215.5,), (1215.5,), (20.0, 67.8739)),
    PixelShape("ellipse", True, (1200.0,), (1300.0,), (60.0, 30.0), 25.0),
    PixelShape("box", False, (1200.0,), (1300.0,), (60.0, 30.0), 325.0),
    PixelShape("polygon", True, (1100.0, 1200.0, 1150.0), (1000.0, 1010.0, 1100.0)),
]


def test_lines_are_those_of_ds9():
    assert [shape_line("physical", AIM, shape) for shape in SHAPES] == [
        "circle(1215.5000,1215.5000,67.8739)",
        "annulus(1215.5000,1215.5000,20.0000,67.8739)",
        "ellipse(1200.0000,1300.0000,60.0000,30.0000,25.0000)",
        "-box(1200.0000,1300.0000,60.0000,30.0000,325.0000)",
        "polygon(1100.0000,1000.0000,1200.0000,1010.0000,1150.0000,1100.0000)",
    ]
    assert shape_line("fk5", AIM, SHAPES[0]) == 'circle(187.7059300,12.3911200,120.0000")'


@settings(deadline=None, max_examples=40)
@given(nominals, st.floats(400, 2000), st.floats(400, 2000), st.floats(5, 200))
def test_files_mean_the_same_circle_to_every_reader(tmp_path_factory, nominal, x, y, radius):
    shape = PixelShape("circle", True, (x,), (y,), (radius,))
    hole = (Circle(1215.5, 1215.5, 50.0),)
    texts = {frame: region_text(frame, nominal, "any", (shape,), hole) for frame in ("fk5", "physical")}
    wcs = nominal.wcs()
    # The regions package knows sky coordinates only.
    found = regions.Regions.parse(texts["fk5"], format="ds9")
    assert [shape.meta["include"] for shape in found] == [1, 0]
    assert found[0].radius.to_value("arcsec") == pytest.approx(radius * PIXEL_ARCSEC, abs=1e-3)
    centre = wcs.wcs_world2pix(found[0].center.ra.deg, found[0].center.dec.deg, 1)
    assert np.array(centre) == pytest.approx([x, y], abs=1e-3)
    same_for_both_frames(tmp_path_factory, texts, wcs, x, y, radius)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.include], ids=lambda shape: shape.kind)
def test_files_mean_the_same_shape_in_both_frames(tmp_path_factory, shape):
    texts = {frame: region_text(frame, AIM, "any", (shape,), ()) for frame in ("fk5", "physical")}
    same_for_both_frames(tmp_path_factory, texts, AIM.wcs(), shape.x[0], shape.y[0], 70.0)


def same_for_both_frames(tmp_path_factory, texts, wcs, x, y, radius):
    folder = tmp_path_factory.mktemp("regions")
    read = []
    for frame, text in texts.items():
        (folder / frame).write_text(text)
        read.append(read_region(folder / frame))
    angles = np.arange(6)
    for scale in (0.3, 0.5, 0.97, 1.03):
        points = x + radius * np.cos(angles) * scale, y + radius * np.sin(angles) * scale
        assert np.array_equal(*(region.contains(*points, wcs) for region in read))
