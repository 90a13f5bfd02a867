"""BACKSCAL by exposure: what it is divided by, and what the real ahbackscal makes of the same maps."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Permanent
from tasks.engines.native.axes import Axis
from tasks.engines.native.backscal import (
    ExposureMap,
    backscal_by_exposure,
    backscal_history,
    read_exposure_map,
)
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.exposure import make
from tasks.engines.native.extraction import extract
from tasks.engines.native.gti import Gti
from tasks.xtend.regions import Region, Shape, read_region

AXES = {"X": Axis("X", 1, 100), "Y": Axis("Y", 1, 80)}
EVENTS = EventList(("a",), fits.Header(), {}, AXES, Gti.merged([0], [1]))
EVENT_FILE = "xa900000010xtd_p030000010_cl.evt.gz"


def circle(x: float, y: float, radius: float) -> Region:
    return Region("a", "physical", (Shape("circle", True, "pixel", (x,), (y,), (radius,), 0.0, ""),))


@pytest.fixture(scope="module")
def own_map(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exposure map that was made here."""
    path = tmp_path_factory.mktemp("map") / "own.fits"
    files = (alpha / f"xa900000010{ending}" for ending in (".ehk.gz", "xtd_p030000010.bimg.gz"))
    ehk, bad_pixels = map(str, files)
    make(ehk, [str(alpha / EVENT_FILE)], bad_pixels, {"1": str(path)}, 20.0, 1, True, "none")
    return path


@settings(deadline=None, max_examples=30)
@given(st.integers(-5, 110), st.integers(-5, 90), st.integers(1, 40))
def test_the_maximum_is_that_within_the_region(x: int, y: int, radius: int) -> None:
    values = np.random.default_rng(1).random((80, 100)).astype(np.float32)
    # The brightest pixel of all must not matter to a region without it.
    values[0, 0] = 1e3
    columns, rows = np.arange(1, 101), np.arange(1, 81)[:, None]
    inside = values[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2].astype(float)
    expected = inside.sum() / inside.max() / 8000 if inside.size else 0.0
    found = backscal_by_exposure(circle(x, y, radius), EVENTS, ExposureMap(values, 4.0), "maximum")
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("normalisation", "share"), [("exposure", 0.25), ("maximum", 1.25 / 3)])
def test_the_whole_field(normalisation, share) -> None:
    values = np.full((80, 100), 1, np.float32)
    values[:, :25], values[:, 25:50] = 3, 0
    assert backscal_by_exposure(None, EVENTS, ExposureMap(values, 5.0), normalisation) == pytest.approx(share)


@pytest.mark.parametrize("normalisation", ["exposure", "maximum"])
@pytest.mark.parametrize("region", [circle(50, 40, 10), circle(500, 500, 3)])
def test_nothing_exposed_is_no_area(region: Region, normalisation) -> None:
    dark = ExposureMap(np.zeros((80, 100), np.float32), 4.0)
    assert backscal_by_exposure(region, EVENTS, dark, normalisation) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_map_that_holds_no_exposure_is_told(tmp_path: Path, bad: float) -> None:
    values = np.full((80, 100), 1, np.float32)
    values[3, 4] = bad
    table = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=np.ones(1))], name="OFFAXISHIST")
    table.header["EXPOSURE"] = 1.0
    fits.HDUList([fits.PrimaryHDU(values), table]).writeto(tmp_path / "m.fits")
    with pytest.raises(Permanent, match=r"m\.fits is no exposure map: .* NaN"):
        read_exposure_map(tmp_path / "m.fits", EVENTS)


@pytest.mark.parametrize("name", ["src", "back", "ellipse", "box"])
@pytest.mark.parametrize(("normalisation", "norm"), [("exposure", "EXPOSURE"), ("maximum", "MAX")])
def test_it_agrees_with_ahbackscal(alpha, own_map, name, normalisation, norm) -> None:
    expected = json.loads((alpha / "reference.json").read_text())["backscal"][f"{name}_{norm}"]
    region, events = read_region(alpha / f"{name}.reg"), read_events([alpha / EVENT_FILE], ("X", "Y"))
    for path, tolerance in ((alpha / "ref" / "expmap.fits.gz", 1e-6), (own_map, 1e-4)):
        exposure_map = read_exposure_map(path, events)
        found = backscal_by_exposure(region, events, exposure_map, normalisation)
        assert found == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(
    ("exposure_map", "normalisation", "said"),
    [
        ("m.fits", "exposure", "sum of m.fits within the region / its EXPOSURE /"),
        ("m.fits", "maximum", "sum of m.fits within the region / its maximum within the region"),
        (None, "exposure", "share of the image's pixels"),
    ],
)
def test_a_spectrum_tells_how_it_was_made(exposure_map, normalisation, said) -> None:
    assert said in backscal_history(exposure_map, normalisation)


def test_spectra_of_a_region_and_of_the_field_by_both(alpha, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    links = {"events": EVENT_FILE, "src.reg": "src.reg", "m.fits": "ref/expmap.fits.gz"}
    for name, source in links.items():
        Path(name).symlink_to(alpha / source)
    asked = [
        {"name": f"{way}-{region}.pha", "region": region, "exposure_map": "m.fits", "normalisation": way}
        for way in ("exposure", "maximum")
        for region in ("src.reg", None)
    ]
    report = extract(["events"], [], [], asked, "none")
    seconds = fits.getdata("m.fits").astype(float)
    field = seconds.sum() / seconds.max() / seconds.size
    known = json.loads((alpha / "reference.json").read_text())["backscal"]
    expected = [known["src_EXPOSURE"], seconds.sum() / 20345.5 / seconds.size, known["src_MAX"], field]
    assert list(report.facts["backscal"].values()) == pytest.approx(expected, rel=1e-6)
    for request, backscal in zip(asked, expected, strict=True):
        header = fits.getheader(request["name"], "SPECTRUM")
        assert header["BACKSCAL"] == pytest.approx(backscal, rel=1e-6)
        history = " ".join("".join(f"{line:72}" for line in header["HISTORY"]).split())
        assert f"BACKSCAL: {backscal_history('m.fits', request['normalisation'])[10:]}" in history
