"""The picture of a fit: what is drawn is what the file holds, merged without losing counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.core.errors import NoData, Permanent
from tasks.library.spectral.result import Curve
from tasks.report.previews.fit import CLEAR, NARROWEST, WIDEST, draw_fit, merged


@st.composite
def curves(draw):
    size = draw(st.integers(1, 80))
    widths = np.array(draw(st.lists(st.floats(0.006, 0.5), min_size=size, max_size=size)))
    low = 0.3 + np.concatenate([[0], np.cumsum(widths)[:-1]])
    counts = np.array(draw(st.lists(st.integers(0, 50), min_size=size, max_size=size)), float)
    model = np.array(draw(st.lists(st.floats(0, 50), min_size=size, max_size=size)))
    values = {
        "low": low, "high": low + widths, "rate": (counts - 3) / widths,
        "error": np.sqrt(counts + 1) / widths, "model": model / widths,
    }  # fmt: skip
    return Curve(**{name: tuple(numbers.tolist()) for name, numbers in values.items()})


@settings(deadline=None)
@given(curve=curves())
def test_merging_keeps_counts_and_adds_errors_in_squares(curve):
    found = merged(curve)
    width, before = found.high - found.low, np.subtract(curve.high, curve.low)
    assert (found.rate * width).sum() == pytest.approx(np.dot(curve.rate, before))
    assert (found.model * width).sum() == pytest.approx(np.dot(curve.model, before))
    assert np.sum((found.error * width) ** 2) == pytest.approx(np.sum((curve.error * before) ** 2))
    assert (found.low[0], found.high[-1]) == (curve.low[0], curve.high[-1])
    assert found.low[1:] == pytest.approx(found.high[:-1])
    # But for the last, each is wide enough or clear, and none was merged for nothing.
    clear = found.model >= CLEAR * found.error * (1 - 1e-9)
    span = found.high / found.low - 1
    assert ((span >= WIDEST * (1 - 1e-9)) | (clear & (span >= NARROWEST * (1 - 1e-9))))[:-1].all()


def test_gaps_are_no_part_of_a_rate():
    curve = Curve(low=(1.0, 1.05), high=(1.002, 1.052), rate=(4.0, 2.0), error=(9.0, 9.0), model=(4.0, 2.0))
    found = merged(curve)
    assert (found.rate.tolist(), found.low.tolist(), found.high.tolist()) == ([3.0], [1.0], [1.052])


def test_a_picture_is_drawn(dataset, tmp_path):
    dataset.spectrum()
    dataset.fit()
    picture = draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size == (900, 740)
        colours = {pixel for _, pixel in drawn.convert("RGB").getcolors(maxcolors=1 << 20)}
    assert {(0, 114, 178), (213, 94, 0)} < colours
    # SIMULATED stands above, in its own colour, as the spectrum says so.
    assert (160, 0, 0) in colours
    assert "the model is 3 times their error" in picture.caption


def test_real_data_are_not_called_simulated(dataset, tmp_path):
    dataset.simulated = False
    dataset.spectrum()
    dataset.fit()
    draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert (160, 0, 0) not in {pixel for _, pixel in drawn.convert("RGB").getcolors(maxcolors=1 << 20)}


@pytest.mark.parametrize(
    "curve",
    [
        {"low": (1.0,), "high": (2.0,), "rate": (0.0,), "error": (0.0,), "model": (0.0,)},
        {
            "low": (1.0, 2.0),
            "high": (2.0, 3.0),
            "rate": (-1.0, -2.0),
            "error": (1.0, 1.0),
            "model": (0.0, 0.0),
        },
        {"low": (0.0, 2.0), "high": (2.0, 3.0), "rate": (1.0, 2.0), "error": (0.0, 1.0), "model": (1.0, 1.0)},
    ],
)
def test_data_with_nothing_to_see_are_drawn_as_well(dataset, tmp_path, curve):
    dataset.fit(curve=curve)
    assert draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png").alt


def test_what_cannot_be_drawn(dataset, tmp_path):
    with pytest.raises(NoData, match="there is no fit"):
        draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png")
    path = dataset.fit(curve=None)
    with pytest.raises(NoData, match="nothing to be drawn"):
        draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png")
    path.write_text("{")
    with pytest.raises(Permanent, match=r"source-fit\.json cannot be drawn: it holds no fit"):
        draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png")
    path.unlink()
    with pytest.raises(Permanent, match=r"source-fit\.json cannot be drawn"):
        draw_fit(dataset.manifest(), dataset.folder, tmp_path / "a.png")
