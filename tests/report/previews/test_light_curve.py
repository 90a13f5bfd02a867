import numpy as np
import pytest
from astropy.io import fits
from matplotlib.figure import Figure

from tasks.core.errors import NoData, Permanent
from tasks.library.manifest import Role
from tasks.report.previews.canvas import Look, Points
from tasks.report.previews.light_curve import draw_light_curves, read_curve

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
        "Light curves of M 87 (source, background, net) in bins of 200 s: 0.6–2 keV mean"
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


def test_many_bins_are_merged_without_losing_counts(dataset):
    rate = np.random.default_rng(6).poisson(20, 1000) / 200
    curve = read_curve(dataset.curve(rate=rate))
    assert curve.width == 800
    assert curve.time[:2] == pytest.approx([ZERO + 400, ZERO + 1200])
    assert curve.rate == pytest.approx(rate.reshape(-1, 4).mean(axis=1), rel=1e-5)


def test_merging_is_said(dataset, draw):
    dataset.curve(rate=np.ones(600))
    assert "Bins of 200 s, merged to 600 s for this picture only." in draw().caption
