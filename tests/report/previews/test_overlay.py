import pytest
from regions import PixCoord

from tasks.core.errors import Permanent
from tasks.report.previews.overlay import read_shapes
from tasks.xtend.nominal import Nominal

RA, DEC = 187.70593, 12.39112


SKY = Nominal(RA, DEC, 0.0).wcs()


@pytest.fixture
def shapes(tmp_path):
    def read(text):
        path = tmp_path / "a.reg"
        path.write_text(text)
        return read_shapes(path, SKY, 4)

    return read


@pytest.mark.parametrize("system", ["", "physical\n", "image\n", "# Region file format: DS9\nPHYSICAL\n"])
def test_sky_pixels_lie_where_the_binned_image_has_them(shapes, system):
    (circle,) = shapes(f"{system}circle(1255.5,1215.5,67.87)\n").included
    # SKY pixel x is the 0-based pixel (x − 2.5)/4 of an image binned by 4.
    assert (circle.center.x, circle.center.y) == pytest.approx((313.25, 303.25))
    assert circle.radius == pytest.approx(67.87 / 4)


def test_degrees_and_pixels_of_one_region_agree(shapes):
    (pixels,) = shapes("physical\ncircle(1215.5,1215.5,67.8737)\n").included
    (degrees,) = shapes(f'fk5\ncircle({RA},{DEC},120")\n').included
    assert degrees.center.x == pytest.approx(pixels.center.x, abs=1e-3)
    assert degrees.radius == pytest.approx(pixels.radius, rel=1e-3)


def test_exclusions_are_told_apart(shapes):
    found = shapes("physical\nbox(1215,1215,80,40,20)\n-circle(1215,1215,10)\nellipse(1300,1215,9,5,0)\n")
    assert [type(shape).__name__ for shape in found.included] == [
        "RectanglePixelRegion",
        "EllipsePixelRegion",
    ]
    assert [type(shape).__name__ for shape in found.excluded] == ["CirclePixelRegion"]


@pytest.mark.parametrize(
    ("line", "inside", "outside"),
    [
        ("circle(1000,800,40)", (1039, 800), (1041, 800)),
        ("annulus(1000,800,20,40)", (1000, 821), (1000, 819)),
        ("annulus(1000,800,0,40)", (1000, 800), (1041, 800)),
        ("ellipse(1000,800,60,20,90)", (1000, 859), (1059, 800)),
        ("box(1000,800,120,40,90)", (1000, 859), (1059, 800)),
        ("polygon(1000,800,1080,800,1080,900)", (1070, 820), (1010, 820)),
    ],
)
def test_outlines_hold_what_the_region_holds(shapes, line, inside, outside):
    (shape,) = shapes(f"physical\n{line}\n").included
    held = [PixCoord(*((position - 2.5) / 4 for position in point)) in shape for point in (inside, outside)]
    assert held == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "detector\ncircle(1,2,3)\n",
        "fk5\ncircle(1,2\n",
        "physical\nblob(1,2,3)\n",
        "fk5\npoint(1,2)\n",
    ],
)
def test_what_cannot_be_drawn_names_the_file(shapes, text):
    with pytest.raises(Permanent, match=r"a\.reg"):
        shapes(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Permanent, match=r"gone\.reg"):
        read_shapes(tmp_path / "gone.reg", SKY, 4)
