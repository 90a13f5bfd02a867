import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.core.errors import NoData, Permanent
from tasks.library.manifest import Role
from tasks.report.previews.canvas import Look, Points
from tasks.report.previews.light_curve import Curve, _joined, draw_light_curves, merging, read_curve

ZERO = 170000048.25


@pytest.fixture
def draw(dataset, tmp_path):
    def drawn():
        picture = draw_light_curves(dataset.manifest(), tmp_path, tmp_path / "light-curve.png")
        assert 1000 < (tmp_path / "light-curve.png").stat().st_size < 300_000
        return picture

    return drawn


def test_bins_are_kept_relative_to_the_live_fraction(dataset):
    path = dataset.curve(rate=[1, 2, 3, np.nan], fraction=[0.13, 0.027, 0.025, 0.13])
    curve = read_curve(path)
    assert curve.rate == pytest.approx([1, 2])
    assert curve.time == pytest.approx([ZERO + 100, ZERO + 300])
    assert curve.start == pytest.approx(ZERO)


def test_few_counts_have_gehrels_errors_and_many_their_root(dataset):
    curve = read_curve(dataset.curve(rate=[0.0, 0.5], fraction=[1.0, 0.5]))
    assert curve.errors[:, 0] * 200 == pytest.approx([0, 1.866], rel=1e-3)
    assert curve.errors[:, 1] * 100 == pytest.approx([7.07, 7.07], rel=1e-3)


def test_times_that_mark_the_start_of_a_bin(dataset):
    path = dataset.curve(rate=[1.0], TIMEPIXR=0.0, TIMEZERO=ZERO)
    assert read_curve(path).time == pytest.approx([ZERO + 100])


def test_three_bands_with_background_and_net(dataset, draw):
    dataset.everything()
    picture = draw()
    assert picture.alt.startswith(
        "Light curves of M 87 (source, background, net) with the good time shaded: 0.6–2 keV mean"
    )
    assert picture.alt.count("mean") == 3
    assert "scaled by area (× 0.4)" in picture.caption
    assert "not barycentred" in picture.caption


def test_the_net_curve_carries_the_errors_of_both(dataset, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Points, "draw", lambda self, axes, look: drawn.append((look.label, self)))
    dataset.spectrum()
    dataset.spectrum(Role.BACKGROUND, area=0.004)
    dataset.curve(Role.SOURCE, rate=[0.5, 0.5])
    dataset.curve(Role.BACKGROUND, rate=[0.32, np.nan])
    dataset.curve(Role.NET, rate=[0.34, np.nan])
    monkeypatch.setattr(Figure, "legend", lambda *_, **__: None)
    draw_light_curves(dataset.manifest(), tmp_path, tmp_path / "light-curve.png")
    net = dict(drawn)["net"]
    assert dict(drawn)["background, scaled"].y == pytest.approx([0.16])
    assert net.y == pytest.approx([0.34])
    # √(100 + 0.5² · 64)/200 s
    assert net.errors[:, 0] == pytest.approx([0.05385, 0.05385], rel=1e-3)


def test_points_are_not_joined():
    axes = Figure().subplots()
    Points(np.arange(3.0), np.arange(3.0), np.ones((2, 3))).draw(axes, Look("net", "#000000", "o"))
    assert [line.get_linestyle() for line in axes.lines] == ["None"]


def test_without_areas_no_background_is_drawn(dataset, draw):
    dataset.curve(Role.SOURCE)
    dataset.curve(Role.BACKGROUND)
    assert "No background is drawn" in draw().caption


@pytest.mark.parametrize("rate", [np.zeros(30), np.array([0.2])], ids=["no counts", "one bin"])
def test_poor_curves_are_drawn(dataset, draw, rate):
    dataset.curve(rate=rate)
    assert "0.6–2 keV mean" in draw().alt


@pytest.mark.parametrize("fraction", [np.zeros(5), np.zeros(0)], ids=["no exposure", "no bins"])
def test_no_exposed_bin_is_no_picture(dataset, draw, fraction):
    dataset.curve(rate=fraction, fraction=fraction)
    with pytest.raises(NoData, match="exposed"):
        draw()


def test_no_curve_at_all(draw):
    with pytest.raises(NoData, match="no light curve of the source"):
        draw()


def test_a_file_without_fracexp_is_named(dataset, draw):
    path = dataset.curve()
    with fits.open(path) as hdus:
        hdus[1].columns.del_col("FRACEXP")
        hdus.writeto(path, overwrite=True)
    with pytest.raises(Permanent, match=f"{path.name} cannot be drawn: .*FRACEXP"):
        draw()


def test_a_file_without_its_time_reference_is_named(dataset, draw):
    path = dataset.curve()
    fits.delval(path, "MJDREFI", ext=1)
    with pytest.raises(Permanent, match=f"{path.name} cannot be drawn: .*MJDREFI"):
        draw()


def test_bins_are_merged_without_losing_counts(dataset):
    rate = np.random.default_rng(6).poisson(20, 1000) / 200
    whole = read_curve(dataset.curve(rate=rate))
    assert merging(whole) == 4
    curve = whole.merged(4)
    assert curve.width == 800
    assert curve.time[:2] == pytest.approx([ZERO + 400, ZERO + 1200])
    assert curve.rate == pytest.approx(rate.reshape(-1, 4).mean(axis=1), rel=1e-5)


@settings(deadline=None)
@given(
    st.integers(1, 9), st.lists(st.tuples(st.integers(0, 30), st.floats(0.01, 1)), min_size=1, max_size=60)
)
def test_merged_bins_hold_the_counts_of_those_that_are_well_exposed(factor, bins):
    counts, exposed = (np.array(values, float) for values in zip(*bins, strict=True))
    time, seconds = (np.arange(counts.size) + 0.5) * 200, exposed * 200
    curve = Curve(time, counts / seconds, seconds, 0.0, 200.0, counts.size, 58484.0, True).merged(factor)
    cell = (curve.time // (200 * factor)).astype(int)
    held = [seconds[cut : cut + factor].sum() for cut in range(0, counts.size, factor)]
    assert cell.tolist() == [number for number, value in enumerate(held) if value >= 0.2 * max(held)]
    sums = np.add.reduceat(counts, np.arange(0, counts.size, factor))[cell]
    assert curve.rate * curve.seconds == pytest.approx(sums, abs=1e-6)


@pytest.mark.parametrize(
    ("rate", "bins", "factor"),
    [(1.0, 100, 1), (0.011, 240, 5), (0.011, 48, 2), (0.011, 30, 1), (0.0, 240, 10), (1.0, 5000, 20)],
    ids=["bright", "faint", "faint and short", "too short", "without counts", "long"],
)
def test_faint_curves_are_merged_while_enough_bins_are_left(dataset, rate, bins, factor):
    assert merging(read_curve(dataset.curve(rate=np.full(bins, rate)))) == factor


def test_merging_is_said(dataset, draw, monkeypatch):
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda _, title, **__: titles.append(title))
    dataset.curve(rate=np.ones(600))
    assert "Bins of 200 s in the files. They are merged for this picture only" in draw().caption
    assert titles == ["0.6–2 keV, bins of 600 s"]


def test_good_time_is_shaded_and_frames_are_no_gaps(dataset, draw, monkeypatch):
    path = dataset.curve(rate=np.ones(100))
    starts = ZERO + np.concatenate([np.arange(0, 8000, 4.0), np.arange(12000, 20000, 4.0)])
    with fits.open(path) as hdus:
        columns = {"START": starts, "STOP": starts + 0.5}
        hdus["GTI"] = fits.BinTableHDU.from_columns(
            [fits.Column(name, "D", array=values) for name, values in columns.items()], name="GTI"
        )
        hdus.writeto(path, overwrite=True)
    shaded = []
    monkeypatch.setattr(Axes, "axvspan", lambda _, start, stop, **__: shaded.append((start, stop)))
    assert "with the good time shaded" in draw().alt
    assert np.array(shaded) == pytest.approx(np.array([(0, 7.9965), (12, 19.9965)]), abs=1e-6)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([], []),
        ([(5, 9)], [(5, 9)]),
        ([(500, 900), (0, 100), (50, 200)], [(0, 200), (500, 900)]),
        ([(0, 300), (10, 20), (300.5, 400)], [(0, 400)]),
    ],
)
def test_good_time_is_joined_in_whatever_order_it_comes(given, shown):
    assert _joined(np.array(given, float).reshape(-1, 2), (0.0, 1000.0)).tolist() == [list(x) for x in shown]


def test_a_curve_without_good_time_is_named(dataset, draw):
    path = dataset.curve()
    with fits.open(path) as hdus:
        del hdus["GTI"]
        hdus.writeto(path, overwrite=True)
    with pytest.raises(Permanent, match=f"{path.name} cannot be drawn: .*GTI"):
        draw()
