"""Images: which pixel an event falls into, block sums, and the WCS that goes with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.engines.native.axes import Axis
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.gti import Gti
from tasks.engines.native.images import (
    BandImages,
    ImageCounter,
    block_sums,
    image_hdus,
    image_shape,
    pixel_numbers,
)
from tasks.engines.native.selection import Selection, select
from tasks.xtend.channels import Channels

MakeEvents = Callable[..., Path]
COLUMNS = ["TIME", "X", "Y", "PI"]


def selection(path: Path) -> Selection:
    return select(read_events([path], COLUMNS))


def band(made: Selection, channels: Channels | None, *binnings: int) -> BandImages:
    counter = ImageCounter(made, Cuts([channels], made.events.axis("PI")), binnings)
    for chunk in made.chunks():
        counter.add(chunk)
    return counter.band(channels)


def counted(x: np.ndarray, y: np.ndarray, axes: tuple[Axis, Axis], binning: int) -> np.ndarray:
    shape = image_shape(axes, binning)
    place = pixel_numbers(x, y, axes, binning)
    return np.bincount(place[place >= 0], minlength=shape[0] * shape[1]).reshape(shape)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(3, 25), st.integers(1, 20)), max_size=30),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_block_sums_are_what_binning_gives(points: list[tuple[int, int]], fine: int, factor: int) -> None:
    axes = Axis("X", 3, 25), Axis("Y", 1, 20)
    x, y = np.array([p[0] for p in points], int), np.array([p[1] for p in points], int)
    coarse = counted(x, y, axes, fine * factor)
    assert np.array_equal(
        block_sums(counted(x, y, axes, fine), factor, image_shape(axes, fine * factor)), coarse
    )
    for row in range(coarse.shape[0]):
        low = 1 + row * fine * factor
        assert coarse[row].sum() == sum(
            low <= b < low + fine * factor and a - 3 < coarse.shape[1] * fine * factor for a, b in points
        )


def test_selection_of_good_time_channels_and_sky(make_events: MakeEvents) -> None:
    path = make_events(
        columns={
            "TIME": [0.0, 100.0, 100.1, 50.0, 50.0, 50.0, 50.0],
            "X": [1, 100, 5, 5, -999, 101, 7],
            "Y": [1, 80, 5, 5, 6, 6, 7],
            "PI": [10, 20, 15, 9, 15, 15, -999],
        }
    )
    made = select(read_events([path], COLUMNS))
    chosen = band(made, Channels(10, 20), 1)
    image = chosen.image(1)
    assert image.dtype == np.int32
    assert np.argwhere(image).tolist() == [[0, 0], [79, 99]]
    header = image_hdus(made, Channels(10, 20), 1, image, chosen.selected)[0].header
    assert header["TOTCTS"] == 4
    assert (header["CHANMIN"], header["CHANMAX"], header["CHANTYPE"]) == (10, 20, "PI")
    whole = band(made, None, 1).image(1)
    assert whole.sum() == 4
    assert "CHANMIN" not in image_hdus(made, None, 1, whole, 4)[0].header


def test_float_positions_round_half_up(tmp_path: Path) -> None:
    columns = {"TIME": [1.0] * 3, "X": [1.5, 1.4, 2.6], "Y": [1.0, 1.0, 1.0], "PI": [1.0, 2.0, np.nan]}
    axes = {name: Axis(name, 1, 10) for name in ("X", "Y", "PI")}
    parts = [{name: np.array(values) for name, values in columns.items()}]
    made = Selection(EventList(("a",), fits.Header(), parts, axes, Gti.merged([0], [9])))
    assert band(made, None, 1).image(1)[0, :3].tolist() == [1, 1, 1]
    assert band(made, Channels(1, 1), 1).image(1)[0, :3].tolist() == [0, 1, 0]


def test_bands_that_share_channels_are_counted_alike_together_and_alone(make_events: MakeEvents) -> None:
    pi = np.arange(-3, 25) % 20
    columns = {"TIME": np.ones(28), "X": np.arange(28) + 1, "Y": np.arange(28) + 2, "PI": pi}
    made = selection(make_events(columns=columns))
    bands = [Channels(3, 9), Channels(9, 12), Channels(3, 12), Channels(15, 15), None]
    counter = ImageCounter(made, Cuts(bands, made.events.axis("PI")), [2, 3, 4])
    for chunk in made.chunks():
        counter.add(chunk)
    for channels in bands:
        low, high = channels or (0, 19)
        for binning in (2, 3, 4):
            together, alone = counter.band(channels), band(made, channels, binning)
            assert np.array_equal(together.image(binning), alone.image(binning))
            assert together.selected == alone.selected == ((pi >= low) & (pi <= high)).sum()


def test_the_trailing_partial_block_is_dropped(make_events: MakeEvents) -> None:
    made = selection(make_events(columns={"TIME": [1.0, 1.0], "X": [99, 100], "Y": [1, 1], "PI": [1, 1]}))
    both = band(made, None, 3, 33)
    image, coarse = both.image(3), both.image(33)
    assert image.shape == (26, 33)
    assert image[0, 32] == 1
    assert image.sum() == coarse.sum() == 1


def test_world_coordinates_of_a_binned_image(make_events: MakeEvents) -> None:
    made = selection(make_events())
    both = band(made, None, 1, 4)
    for binning in (1, 4):
        header = image_hdus(made, None, binning, both.image(binning), both.selected)[0].header
        wcs = WCS(header, fix=False)
        # The block of event pixels 49–52 and 37–40 has its centre at (50.5, 38.5).
        pixel = (50.5 - 0.5) / binning + 0.5, (38.5 - 0.5) / binning + 0.5
        sky = wcs.wcs_pix2world(*pixel, 1)
        expected = made.events.wcs.wcs_pix2world(50.5, 38.5, 1)
        assert [float(v) for v in sky] == pytest.approx([float(v) for v in expected], abs=1e-12)
        physical = [header[f"CRVAL{n}P"] + (pixel[n - 1] - 1) * header[f"CDELT{n}P"] for n in (1, 2)]
        assert physical == pytest.approx([50.5, 38.5])
        assert header["IMGBIN"] == binning
        assert header["RA_NOM"] == 30.0
        assert "CUNIT1" not in header


def test_an_image_that_would_fill_the_memory() -> None:
    axes = Axis("X", 1, 51_840), Axis("Y", 1, 51_840)
    with pytest.raises(BadInput, match="binning 5 makes an image of 10368 × 10368 pixels"):
        image_shape(axes, 5)
    assert image_shape(axes, 80) == (648, 648)


@pytest.mark.parametrize("binning", [0, 81])
def test_a_binning_that_cannot_be(make_events: MakeEvents, binning: int) -> None:
    with pytest.raises(BadInput, match=f"binning {binning}"):
        band(selection(make_events()), None, binning)
