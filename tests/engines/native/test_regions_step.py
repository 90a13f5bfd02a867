import re
from pathlib import Path

import numpy as np
import pytest
import regions
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import SoftwareFault
from tasks.engines.native.regions import choose, region_texts
from tasks.xtend.apertures import Aperture, Apertures, Circle, calibration_circles
from tasks.xtend.geometry import PIXEL_ARCSEC, SKY_SIZE, Nominal
from tasks.xtend.regions import read_region

AIM = Nominal(187.70593, 12.39112, 273.4)
BACKGROUND = {"radius_arcmin": 3.0, "distance_arcmin": 8.0, "candidates": 16, "minimum_fraction": 0.5}
NAMES = {
    "source": "radec_src.reg", "source_pixels": "skypix_src.reg", "background": "radec_back.reg",
    "background_pixels": "skypix_back.reg", "calibration": "radec_calsrc.reg",
}  # fmt: skip
ROWS, COLUMNS = np.mgrid[1 : SKY_SIZE + 1, 1 : SKY_SIZE + 1]


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """A folder with an event list whose events fill CCD3 and CCD4."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    x, y = rng.integers(914, 1554, 3000), rng.integers(257, 1554, 3000)
    x[:4], y[:4] = [914, 1553, -999, 1000], [257, 1553, -999, 1000]
    table = fits.BinTableHDU.from_columns(
        [fits.Column("DETX", "1I", array=x), fits.Column("DETY", "1I", array=y)], name="EVENTS"
    )
    table.header.update({"RA_NOM": AIM.ra, "DEC_NOM": AIM.dec, "PA_NOM": AIM.pa})
    gti = fits.BinTableHDU.from_columns(
        [fits.Column("START", "1D", array=[0.0]), fits.Column("STOP", "1D", array=[9.0])], name="GTI"
    )
    fits.HDUList([fits.PrimaryHDU(), table, gti]).writeto("events.evt")
    return tmp_path


def choose_in(exposure=None, **changes):
    """The regions for an exposure map of this content (seconds per SKY pixel)."""
    if exposure is not None:
        fits.PrimaryHDU(np.asarray(exposure, np.float32)).writeto("map.fits")
    given = {
        "obsid": "900000010", "name": "M 87\n", "events": "events.evt",
        "target": {"name": "M 87", "ra": AIM.ra, "dec": AIM.dec, "origin": "asked for"},
        "exposure_map": None if exposure is None else "map.fits", "bad_pixels": None,
        "source_radius_arcmin": 2.0, "background": BACKGROUND, "names": NAMES,
    }  # fmt: skip
    return choose(**{**given, **changes})


def field(size=600):
    return 20_000.0 * ((abs(COLUMNS - 1215.5) < size) & (abs(ROWS - 1215.5) < size))


def test_files_hold_the_circle_and_then_the_calibration_sources(tmp_path):
    report = choose_in(field())
    assert report.not_made == {}
    assert report.cautions == ()
    assert (tmp_path / "skypix_src.reg").read_text() == (
        "# Region file format: DS9 version 4.1\n"
        "# source, M 87, ObsID 900000010\n"
        "physical\n"
        "circle(1215.5000,1215.5000,67.8739)\n"
        "-circle(2005.7955,1090.6498,92.0000)\n"
        "-circle(748.9522,1016.9813,91.0000)\n"
    )
    lines = (tmp_path / "radec_src.reg").read_text().splitlines()
    assert lines[2:4] == ["fk5", 'circle(187.7059300,12.3911200,120.0000")']
    assert [re.sub(r"\(.*,", "(", line) for line in lines[4:]] == ['-circle(162.6545")', '-circle(160.8865")']
    calibration = (tmp_path / "radec_calsrc.reg").read_text().splitlines()
    assert calibration[2:] == ["fk5", *lines[4:]]


def test_facts_say_what_was_chosen(tmp_path):
    facts = choose_in(field()).facts
    assert facts["exposed_area"] == "map.fits"
    assert facts["target_offset_arcmin"] == pytest.approx(0.0, abs=1e-9)
    assert facts["source"]["exposure_at_target_s"] == pytest.approx(20_000)
    assert facts["source"]["exposed_fraction"] == 1.0
    assert facts["source"]["radius_arcmin"] == pytest.approx(2.0)
    assert facts["background"]["candidate"] == 0
    assert facts["background"]["dec"] == pytest.approx(AIM.dec + 8 / 60, abs=1e-6)


def test_only_the_files_asked_for_are_written(tmp_path):
    choose_in(field(), names={"background": "back.reg"})
    assert {path.name for path in tmp_path.glob("*.reg")} == {"back.reg"}


def test_the_same_choice_gives_the_same_files(tmp_path):
    choose_in(field())
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.reg")}
    choose_in(exposure_map="map.fits")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.reg")} == before


def test_a_target_on_the_other_class_gets_the_calibration_file_only(tmp_path):
    report = choose_in(field() * (COLUMNS > 1300))
    assert {path.name for path in tmp_path.glob("*.reg")} == {"radec_calsrc.reg"}
    assert set(report.not_made) == set(NAMES.values()) - {"radec_calsrc.reg"}
    assert set(report.not_made.values()) == {"the target lies outside this data class's exposed area"}
    assert [item.id for item in report.cautions] == ["target-on-other-class"]
    assert (report.facts["source"], report.facts["background"]) == (None, None)


def test_a_small_field_has_a_source_and_no_background(tmp_path):
    report = choose_in(field(60))
    assert set(report.not_made) == {"radec_back.reg", "skypix_back.reg"}
    assert "0% of the best background circle is exposed" in report.not_made["radec_back.reg"]
    assert [item.id for item in report.cautions] == ["background-poor"]
    assert report.facts["background"] is None


def test_a_window_narrower_than_the_source_is_a_caution():
    report = choose_in(field() * (abs(COLUMNS - 1215.5) < 40))
    assert "source-cut" in [item.id for item in report.cautions]
    # A strip of 80 pixels through a circle of radius 67.87: 0.70 of its area.
    assert report.facts["source"]["exposed_fraction"] == pytest.approx(0.702, abs=0.01)


def test_bad_pixels_tell_the_area_without_an_exposure_map():
    good = np.full((1810, 1810), -1, np.int16)
    good[256:1553, 256:1553] = 0
    fits.PrimaryHDU(good).writeto("in.bimg")
    report = choose_in(bad_pixels="in.bimg")
    assert report.facts["exposed_area"] == "in.bimg"
    assert report.facts["source"]["exposed_fraction"] == pytest.approx(1.0)
    assert report.facts["source"]["exposure_at_target_s"] is None
    assert report.facts["background"]["exposed_fraction"] > 0.99


def test_events_tell_the_area_without_a_bad_pixel_image():
    """The aim point is on CCD2; these events are on CCD3 and CCD4."""
    assert [item.id for item in choose_in().cautions] == ["target-on-other-class"]
    ra, dec = 187.70593, 12.39112 + 0.2  # PA 273.4°: north is −DETX…; south is +DETX
    seen = choose_in(target={"ra": ra, "dec": dec - 0.4})
    other = choose_in(target={"ra": ra, "dec": dec})
    sources = [report.facts["source"] for report in (seen, other)]
    assert sorted(source is None for source in sources) == [False, True]


def test_a_binned_exposure_map_is_refused():
    with pytest.raises(SoftwareFault, match="no unbinned exposure map of 2430×2430"):
        choose_in(np.ones((607, 607)))


def test_blank_pixels_of_a_map_are_not_exposed():
    exposure = np.where(field() > 0, field(), np.nan)
    assert choose_in(exposure).facts["source"]["exposed_fraction"] == 1.0


nominals = st.builds(Nominal, st.floats(0, 359.99), st.floats(-89, 89), st.floats(0, 359.99))


def test_given_calibration_sources_are_excluded_in_place_of_the_nominal_ones(tmp_path):
    (tmp_path / "calsrc.reg").write_text("physical\n-circle(2007.5,1090,92)\n-circle(750,1017,91)\n")
    choose_in(field(), calibration="calsrc.reg")
    lines = (tmp_path / "skypix_back.reg").read_text().splitlines()
    assert lines[4:] == ["-circle(2007.5000,1090.0000,92.0000)", "-circle(750.0000,1017.0000,91.0000)"]
    [first, second] = read_region(tmp_path / "radec_calsrc.reg").pixel_shapes(AIM.wcs())
    assert (first.x[0], first.y[0]) == pytest.approx((2007.5, 1090), abs=1e-3)
    assert second.sizes == pytest.approx((91,), abs=1e-2)


@settings(deadline=None, max_examples=40)
@given(nominals, st.floats(400, 2000), st.floats(400, 2000), st.floats(5, 200))
def test_files_mean_the_same_circle_to_every_reader(nominal, x, y, radius):
    apertures = Apertures(0.0, 1.0, Aperture(Circle(x, y, radius), 1.0), None, {})
    texts = region_texts(nominal, apertures, "any", calibration_circles(nominal))
    wcs = nominal.wcs()
    # The regions package knows sky coordinates only.
    found = regions.Regions.parse(texts["source"], format="ds9")
    assert [shape.meta["include"] for shape in found] == [1, 0, 0]
    assert found[0].radius.to_value("arcsec") == pytest.approx(radius * PIXEL_ARCSEC, abs=1e-3)
    centre = wcs.wcs_world2pix(found[0].center.ra.deg, found[0].center.dec.deg, 1)
    assert np.array(centre) == pytest.approx([x, y], abs=1e-3)
    circles = []
    for key in ("source", "source_pixels"):
        Path(key).write_text(texts[key])
        circles.append(read_region(Path(key)))
    angles = np.arange(6)
    for scale in (0.97, 1.03):
        rim = x + radius * np.cos(angles) * scale, y + radius * np.sin(angles) * scale
        masks = [circle.contains(*rim, wcs) for circle in circles]
        assert np.array_equal(*masks)


@pytest.fixture
def linked(working_directory, alpha):
    """The reference dataset in the working directory, under short names."""
    for name, source in {
        "alpha.evt.gz": "xa900000010xtd_p030000010_cl.evt.gz",
        "alpha.bimg.gz": "xa900000010xtd_p030000010.bimg.gz",
        "alpha_map.fits.gz": "ref/expmap.fits.gz",
    }.items():
        (working_directory / name).symlink_to(alpha / source)
    return working_directory


def test_alpha_gives_the_source_region_of_the_reference(linked, alpha):
    report = choose_in(events="alpha.evt.gz", exposure_map="alpha_map.fits.gz")
    ours, theirs = (
        [float(number) for number in re.findall(r"[\d.]+", text.split("physical")[1])]
        for text in ((linked / "skypix_src.reg").read_text(), (alpha / "src.reg").read_text())
    )
    assert ours == pytest.approx(theirs, abs=0.005)
    assert report.facts["source"]["exposure_at_target_s"] <= 20345.5
    # BACKSCAL with norm=EXPOSURE is the exposed area over the image's.
    fraction = report.facts["source"]["exposed_fraction"] * np.pi * 67.87**2 / SKY_SIZE**2
    assert fraction == pytest.approx(0.00241647963891534, rel=0.01)


def test_alpha_s_area_is_the_same_from_map_and_bad_pixels(linked):
    by_map = choose_in(events="alpha.evt.gz", exposure_map="alpha_map.fits.gz").facts
    by_mask = choose_in(events="alpha.evt.gz", bad_pixels="alpha.bimg.gz").facts
    assert by_mask["background"]["candidate"] == by_map["background"]["candidate"]
    for role in ("source", "background"):
        assert by_mask[role]["exposed_fraction"] == pytest.approx(by_map[role]["exposed_fraction"], abs=0.02)
