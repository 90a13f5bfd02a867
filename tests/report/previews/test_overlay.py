import pytest
from astropy.wcs import WCS

from tasks.core.errors import Permanent
from tasks.report.previews.overlay import read_shapes
from tasks.xtend.geometry import Nominal

RA, DEC = 187.70593, 12.39112


@pytest.fixture
def sky():
    """WCS of the SKY pixels and of an image of 4 × 4 of them."""
    unbinned = Nominal(RA, DEC, 0.0).wcs()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [RA, DEC]
    wcs.wcs.crpix = [304.25, 304.25]
    wcs.wcs.cdelt = unbinned.wcs.cdelt * 4
    wcs.wcs.radesys = "FK5"
    return unbinned, wcs


@pytest.fixture
def shapes(tmp_path, sky):
    def read(text):
        path = tmp_path / "a.reg"
        path.write_text(text)
        return read_shapes(path, *sky)

    return read


@pytest.mark.parametrize("system", ["", "physical\n", "image\n", "# Region file format: DS9\nPHYSICAL\n"])
def test_sky_pixels_lie_where_the_binned_image_has_them(shapes, system):
    (circle,) = shapes(f"{system}circle(1255.5,1215.5,67.87)\n").included
    # SKY pixel x is the 0-based pixel (x − 2.5)/4 of an image binned by 4.
    assert (circle.center.x, circle.center.y) == pytest.approx((313.25, 303.25), abs=1e-3)
    assert circle.radius == pytest.approx(67.87 / 4, rel=1e-3)


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


def test_a_missing_file_is_named(tmp_path, sky):
    with pytest.raises(Permanent, match=r"gone\.reg"):
        read_shapes(tmp_path / "gone.reg", *sky)
