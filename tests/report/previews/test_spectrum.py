import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from tasks.core.errors import NoData, Permanent
from tasks.library.manifest import Role
from tasks.report.previews.canvas import Points
from tasks.report.previews.spectrum import (
    LEAST_COUNTS,
    MOST_POINTS,
    Spectrum,
    area_ratio,
    draw_spectrum,
    picture_bins,
    read_spectrum,
)


@pytest.fixture
def draw(dataset, tmp_path):
    def drawn():
        picture = draw_spectrum(dataset.manifest(), tmp_path, tmp_path / "spectrum.png")
        assert 1000 < (tmp_path / "spectrum.png").stat().st_size < 300_000
        return picture

    return drawn


def spectrum_of(counts, grouping):
    starts = np.flatnonzero(np.asarray(grouping) >= 0)
    groups = np.column_stack([starts, np.append(starts[1:], len(counts))])
    return Spectrum(np.arange(len(counts)), np.asarray(counts, float), groups, 1000.0, 0.001, True)


def test_groups_of_good_quality_only(dataset):
    grouping = np.ones(4096)
    grouping[[101, 102, 201]] = -1
    path = dataset.spectrum(grouping=grouping)
    groups = read_spectrum(path).groups.tolist()
    assert [100, 103] in groups
    assert [200, 202] in groups
    assert len(groups) == 4096 - 3


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 20.0), st.integers(1, 300))
def test_picture_bins_are_whole_groups_few_and_lose_nothing(seed, brightness, longest):
    random = np.random.default_rng(seed)
    counts = random.poisson(brightness, 4096)
    starts = np.cumsum(random.integers(1, longest + 1, 4096))
    grouping = np.full(4096, -1)
    grouping[[0, *starts[starts < 4096]]] = 1
    spectrum = spectrum_of(counts, grouping)
    bins = picture_bins(spectrum)
    assert len(bins) <= MOST_POINTS + 1
    assert set(bins.ravel().tolist()) <= {*spectrum.groups.ravel().tolist()}
    assert (bins[1:, 0] >= bins[:-1, 1]).all()
    assert (spectrum.summed(bins[:-1]) >= LEAST_COUNTS).all()
    assert (spectrum.summed(bins[-1:]) > 0).all()
    if bins.size:
        assert spectrum.summed(bins).sum() == counts[bins[0, 0] : bins[-1, 1]].sum()


def test_source_and_background(dataset, draw):
    dataset.everything()
    picture = draw()
    assert picture.alt.startswith("Spectrum of M 87, 0.4–15 keV:")
    assert "with background. It is highest at 0.88 keV with 0.21 count/s/keV." in picture.alt
    assert "For this picture only" in picture.caption
    assert "the file keeps min:1" in picture.caption
    assert "(× 0.4)" in picture.caption


def test_a_background_is_merged_by_its_own_counts(dataset, draw, monkeypatch):
    drawn = {}
    monkeypatch.setattr(Points, "draw", lambda self, axes, look: drawn.update({look.label: self}))
    monkeypatch.setattr(Figure, "legend", lambda *_, **__: None)
    dataset.spectrum(counts=np.full(4096, 50))
    counts = np.zeros(4096, int)
    counts[::40] = 1
    dataset.spectrum(Role.BACKGROUND, counts, area=0.002)
    draw()
    background = drawn["background, scaled"]
    # As bright on average as it is, though most of the source's bins hold none of its counts.
    width = background.reach.sum(axis=0)
    assert (background.y * width).sum() / width.sum() == pytest.approx(1 / 40 / 0.006 / 20000, rel=0.05)
    assert background.x.size < 12 < drawn["source"].x.size


def test_the_area_ratio_is_that_of_backscal(dataset, tmp_path):
    dataset.spectrum(area=0.002)
    assert area_ratio(dataset.manifest(), tmp_path) is None
    dataset.spectrum(Role.BACKGROUND, area=0.005)
    assert area_ratio(dataset.manifest(), tmp_path) == pytest.approx(0.4)


def test_ungrouped_and_alone(dataset, draw):
    dataset.spectrum()
    assert "the file keeps every channel" in draw().caption


def test_three_counts_and_an_empty_background(dataset, draw):
    counts = np.zeros(4096, int)
    counts[[200, 300, 900]] = 1
    dataset.spectrum(counts=counts)
    dataset.spectrum(Role.BACKGROUND, np.zeros(4096, int))
    assert "3 counts" in draw().alt


def test_no_counts_is_no_picture(dataset, draw):
    dataset.spectrum(counts=np.zeros(4096, int))
    with pytest.raises(NoData, match=r"holds no counts in 0\.4–15 keV"):
        draw()


def test_no_spectrum_at_all(draw):
    with pytest.raises(NoData, match="no spectrum of the source"):
        draw()


def test_without_area_there_is_no_density(dataset, draw):
    path = dataset.spectrum(area=0.0)
    with pytest.raises(Permanent, match=f"{path.name} cannot be drawn: .*BACKSCAL is 0"):
        draw()


def test_different_channels_are_refused(dataset, draw):
    dataset.spectrum()
    path = dataset.spectrum(Role.BACKGROUND, np.ones(235, int))
    with pytest.raises(Permanent, match=path.name):
        draw()
