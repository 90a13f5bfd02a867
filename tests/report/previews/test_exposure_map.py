import numpy as np
import pytest
from PIL import Image

from tasks.core.errors import NoData, Permanent
from tasks.library.manifest import Role
from tasks.report.previews.exposure_map import draw_exposure_map


@pytest.fixture
def draw(dataset, tmp_path):
    def drawn():
        return draw_exposure_map(dataset.manifest(), tmp_path, tmp_path / "exposure-map.png")

    return drawn


def test_an_exposure_map_with_its_regions(dataset, draw, tmp_path):
    dataset.exposure_map()
    dataset.region(Role.SOURCE, "physical\ncircle(1215.5,1215.5,67.87)\n")
    picture = draw()
    assert picture.alt == (
        "Exposure map of M 87 on the sky with RA and Dec axes: 20 ks at most, and more than half of that in "
        "100% of the exposed pixels. Marked: source, target."
    )
    assert "without vignetting; linear colour scale" in picture.caption
    with Image.open(tmp_path / "exposure-map.png") as drawn:
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 20)}
    # The ends of viridis, and grey where nothing is exposed.
    assert {(253, 231, 37), (68, 1, 84), (208, 208, 208)} <= colours


def test_a_region_that_cannot_be_drawn_is_said(dataset, draw):
    dataset.exposure_map()
    dataset.region(Role.SOURCE, "detector\ncircle(1,2,3)\n")
    assert "Not drawn: the region file" in draw().caption


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_map_without_exposure_is_no_picture(dataset, draw, value):
    dataset.exposure_map(np.full((607, 607), value))
    with pytest.raises(NoData, match="no pixel of the exposure map is exposed"):
        draw()


def test_no_map_at_all(draw):
    with pytest.raises(NoData, match="there is no exposure map"):
        draw()


def test_a_damaged_file_is_named(dataset, draw):
    path = dataset.exposure_map()
    path.write_bytes(b"no FITS")
    with pytest.raises(Permanent, match=path.name):
        draw()
