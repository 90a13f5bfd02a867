import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.core.errors import NoData, Permanent
from tasks.library.manifest import Kind, Role
from tasks.report.previews.image import _colours, draw_image


def test_a_rate_image_with_its_regions(dataset, tmp_path):
    out = tmp_path / "image.png"
    picture = draw_image(dataset.everything().manifest(), tmp_path, out)
    with Image.open(out) as drawn:
        assert drawn.size[0] == 900
        assert len(drawn.convert("RGB").getcolors(1 << 20)) > 100
    assert out.stat().st_size < 300_000
    assert picture.alt.startswith(
        "Rate image, 0.6–10 keV of M 87 on the sky with RA and Dec axes. The brightest pixel, with 0.000"
    )
    assert picture.alt.endswith("Marked: source, background, excluded, target.")
    assert "not corrected for vignetting; logarithmic colour scale" in picture.caption


def test_the_brightest_pixel_is_told(dataset, tmp_path):
    pixels = np.random.default_rng(1).poisson(0.1, (607, 607)).astype(float)
    pixels[303 + 100, 303] = 500
    dataset.image(Kind.IMAGE, pixels)
    picture = draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")
    # A hundred pixels of 7.07″ to the north of the target, near which the pixel 303 lies.
    assert "The brightest pixel, with 500 count per pixel of 7.1″, is at RA 187.70" in picture.alt
    assert "Dec +12.587°, 11.8′ from the target." in picture.alt


@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=30))
def test_the_scale_is_logarithmic_and_its_ticks_lie_within(values):
    pixels = np.array([0.0, np.nan, *values])
    colours = _colours(pixels, "count")
    largest, faint = max(values), float(np.median(values))
    assert (colours.norm(0.0), colours.norm(largest)) == pytest.approx((0, 1))
    bend = 10 * largest / faint
    assert colours.norm(faint) == pytest.approx(np.log1p(bend * faint / largest) / np.log1p(bend))
    assert colours.ticks[0] == 0
    assert list(colours.ticks) == sorted(colours.ticks)
    assert all(tick >= min(values) * (1 - 1e-9) for tick in colours.ticks[1:])


def test_marks_change_the_picture(dataset, tmp_path):
    dataset.image()
    draw_image(dataset.manifest(target=None), tmp_path, tmp_path / "bare.png")
    dataset.region(Role.SOURCE, "physical\ncircle(1215.5,1500,67.87)\n")
    draw_image(dataset.manifest(target=None), tmp_path, tmp_path / "marked.png")
    assert (tmp_path / "bare.png").read_bytes() != (tmp_path / "marked.png").read_bytes()


def test_counts_where_there_is_no_rate_image(dataset, tmp_path):
    dataset.image(Kind.IMAGE, np.random.default_rng(1).poisson(0.1, (607, 607)))
    picture = draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")
    assert picture.alt.startswith("Counts image, 0.6–10 keV of M 87")
    assert "not divided by exposure" in picture.caption


def test_a_single_count_is_drawn(dataset, tmp_path):
    pixels = np.zeros((607, 607))
    pixels[300, 300] = 1
    dataset.image(Kind.IMAGE, pixels)
    draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")
    assert (tmp_path / "image.png").stat().st_size > 1000


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_an_image_without_a_count_is_no_picture(dataset, tmp_path, value):
    dataset.image(pixels=np.full((607, 607), value))
    with pytest.raises(NoData, match="no pixel of the rate image"):
        draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")


def test_no_image_at_all(dataset, tmp_path):
    dataset.image(Kind.IMAGE, np.ones((607, 607)), band="0.4-2.0")
    with pytest.raises(NoData, match=r"above 0\.6 keV"):
        draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")


def test_a_region_that_cannot_be_drawn_is_said(dataset, tmp_path):
    dataset.image()
    dataset.region(Role.SOURCE, "detector\ncircle(1,2,3)\n")
    picture = draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")
    assert "Not drawn: the region file skypix_900000010_source.reg" in picture.caption
    assert "source" not in picture.alt


def test_a_damaged_file_is_named(dataset, tmp_path):
    path = dataset.image()
    path.write_bytes(b"no FITS")
    with pytest.raises(Permanent, match=path.name):
        draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")


@pytest.mark.parametrize("shape", ["circle(900,900,60)", "polygon(800,800,900,800,850,900)"])
def test_the_look_that_a_region_file_asks_for_is_not_taken(dataset, tmp_path, shape):
    dataset.image()
    drawn = []
    for name, attributes in (("plain", ""), ("coloured", " # color=red width=3 dash=1 fill=1 text={src}")):
        dataset.region(Role.SOURCE, f"global color=green\nphysical\n{shape}{attributes}\n")
        draw_image(dataset.manifest(), tmp_path, tmp_path / name)
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0] == drawn[1]


def test_a_target_outside_the_exposed_field_is_in_the_picture(dataset, tmp_path):
    pixels = np.full((607, 607), np.nan)
    pixels[400:450, 100:150] = 1e-4
    dataset.image(pixels=pixels)
    sizes = []
    for target in (None, dataset.manifest().target):
        draw_image(dataset.manifest(target=target), tmp_path, tmp_path / "image.png")
        with Image.open(tmp_path / "image.png") as drawn:
            grey = sum(
                count for count, colour in drawn.convert("RGB").getcolors(1 << 20) if colour == (208,) * 3
            )
        sizes.append(grey)
    assert sizes[1] > 3 * sizes[0]


def test_a_strip_has_a_flat_picture_with_all_that_is_marked(dataset, tmp_path):
    pixels = np.full((607, 607), np.nan)
    pixels[290:320, 20:580] = 1e-4
    dataset.image(pixels=pixels)
    heights = []
    for marked in (False, True):
        if marked:
            dataset.region(Role.CALIBRATION, "physical\ncircle(1200,2300,90)\n")
        draw_image(dataset.manifest(), tmp_path, tmp_path / "image.png")
        with Image.open(tmp_path / "image.png") as drawn:
            heights.append(drawn.size[1])
    assert heights[0] < 500 < heights[1] < 700
