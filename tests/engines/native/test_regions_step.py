"""The step that chooses regions, on event lists and maps in files."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import Permanent, SoftwareFault
from tasks.engines.native.regions import choose
from tasks.xtend.geometry import PIXEL_DEG, SKY_SIZE, DetPixels, det_to_sky
from tasks.xtend.nominal import Nominal
from tasks.xtend.regions import read_region

AIM = Nominal(187.70593, 12.39112, 273.4)
SOURCE = {"radius_arcmin": 2.0, "minimum_fraction": 0.2, "centre": "target", "shift_arcsec": 30.0}
BACKGROUND = {"radius_arcmin": 3.0, "minimum_radius_arcmin": 1.5, "minimum_fraction": 0.25}
NAMES = {
    "source": "radec_src.reg", "source_pixels": "skypix_src.reg", "background": "radec_back.reg",
    "background_pixels": "skypix_back.reg", "calibration": "radec_calsrc.reg",
}  # fmt: skip
ROWS, COLUMNS = np.mgrid[1 : SKY_SIZE + 1, 1 : SKY_SIZE + 1]
COUNTS = 2000


def write_events(name: str, det_x: np.ndarray, det_y: np.ndarray, pi: int = 500) -> None:
    """A cleaned event list of events at these detector pixels."""
    sky = det_to_sky(DetPixels(det_x.astype(float), det_y.astype(float)), AIM.pa)
    columns = {"TIME": np.linspace(0, 20_000, det_x.size), "DETX": det_x, "DETY": det_y,
               "X": np.rint(sky.x), "Y": np.rint(sky.y), "PI": np.full(det_x.size, pi)}  # fmt: skip
    table = fits.BinTableHDU.from_columns(
        [fits.Column(key, "1D" if key == "TIME" else "1I", array=values) for key, values in columns.items()],
        name="EVENTS",
    )
    for number, key in enumerate(columns, start=1):
        top = {"X": SKY_SIZE, "Y": SKY_SIZE, "PI": 4095, "DETX": 1810, "DETY": 1810}.get(key)
        if top:
            table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = int(key != "PI"), top
        if key in ("X", "Y"):
            table.header[f"TCTYP{number}"] = "RA---TAN" if key == "X" else "DEC--TAN"
            table.header[f"TCRPX{number}"] = 1215.5
            table.header[f"TCRVL{number}"] = AIM.ra if key == "X" else AIM.dec
            table.header[f"TCDLT{number}"] = -PIXEL_DEG if key == "X" else PIXEL_DEG
    table.header.update({"RA_NOM": AIM.ra, "DEC_NOM": AIM.dec, "PA_NOM": AIM.pa})
    gti = fits.BinTableHDU.from_columns(
        [fits.Column("START", "1D", array=[0.0]), fits.Column("STOP", "1D", array=[20_000.0])], name="GTI"
    )
    fits.HDUList([fits.PrimaryHDU(), table, gti]).writeto(name, overwrite=True)


def star(rng: np.random.Generator, x: float, y: float, counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Detector pixels of a point source."""
    fraction, angle = rng.random(counts), rng.uniform(0, 2 * np.pi, counts)
    core = np.where(rng.random(counts) < 0.35, 6.0, 74.0) / 1.768
    radius = core * np.sqrt(fraction / (1 - fraction))
    place = np.rint([x + radius * np.cos(angle), y + radius * np.sin(angle)]).astype(int)
    inside = ((place >= 257) & (place <= 1553)).all(axis=0)
    return place[0][inside], place[1][inside]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the events of a source at the aim point, and of a uniform background."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    x, y = star(rng, 748.5, 748.5, COUNTS)
    write_events("events.evt", *(np.append(at, rng.integers(257, 1554, 18_000)) for at in (x, y)))
    return tmp_path


def choose_in(exposure=None, **changes):
    """The regions for an exposure map of this content (seconds per SKY pixel)."""
    if exposure is not None:
        fits.PrimaryHDU(np.asarray(exposure, np.float32)).writeto("map.fits", overwrite=True)
    given = {
        "obsid": "900000010", "name": "M 87\n", "events": ["events.evt"],
        "target": {"name": "M 87", "ra": AIM.ra, "dec": AIM.dec, "origin": "asked for"},
        "exposure_map": None if exposure is None else "map.fits", "bad_pixels": None,
        "source": SOURCE, "background": BACKGROUND, "names": NAMES,
    }  # fmt: skip
    return choose(**{**given, **changes})


def at_det(x: float, y: float) -> dict[str, float]:
    """A target at a detector position."""
    ra, dec = AIM.world(det_to_sky(DetPixels(np.array(x), np.array(y)), AIM.pa))
    return {"ra": float(ra), "dec": float(dec)}


def detector(left=257, right=1553, bottom=257, top=1553):
    """An exposure map of a part of the detector."""
    dx, dy = COLUMNS - 1215.5, ROWS - 1215.5
    cosine, sine = np.cos(np.radians(AIM.pa)), np.sin(np.radians(AIM.pa))
    x, y = 748.5 + dx * cosine + dy * sine, 748.5 - dx * sine + dy * cosine
    return 20_000.0 * ((x >= left) & (x <= right) & (y >= bottom) & (y <= top))


def ids(report):
    return [item.id for item in report.cautions]


def test_files_hold_the_circle_and_then_the_calibration_sources(tmp_path):
    report = choose_in(detector())
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
    assert (tmp_path / "radec_back.reg").read_text().splitlines()[4:] == lines[4:]


def test_facts_say_what_was_chosen_and_seen():
    facts = choose_in(detector()).facts
    assert facts["exposed_area"] == "map.fits"
    assert facts["target_offset_arcmin"] == pytest.approx(0.0, abs=1e-9)
    source, background = facts["source"], facts["background"]
    assert source["exposure_at_target_s"] == pytest.approx(20_000)
    assert source["exposed_fraction"] == 1.0
    assert source["radius_arcmin"] == pytest.approx(2.0)
    assert source["centre"] == "target"
    assert source["pixels"] == pytest.approx({"x": 1215.5, "y": 1215.5, "radius": 67.874}, abs=1e-3)
    assert background["radius_arcmin"] == pytest.approx(3.0)
    assert background["parts"] == {"area": 1.0, "wings": 1.0, "detx": pytest.approx(1)}
    assert background["score"] == pytest.approx(1.0)
    assert facts["detection"]["detected"] is True
    assert facts["detection"]["peak_offset_arcsec"] < 4
    # 82 % of the light falls in 2′.
    assert facts["detection"]["net_rate"] == pytest.approx(0.82 * COUNTS / 20_000, rel=0.1)
    assert facts["extent"]["ratio"] == pytest.approx(1, abs=4 * facts["extent"]["error"])
    [only] = facts["field_sources"]
    assert (only["ra"], only["dec"]) == pytest.approx((AIM.ra, AIM.dec), abs=0.001)
    assert only["rate"] == pytest.approx(COUNTS / 20_000, rel=0.1)
    assert only["significance"] > 20


def test_only_the_files_asked_for_are_written(tmp_path):
    choose_in(detector(), names={"background": "back.reg"})
    assert {path.name for path in tmp_path.glob("*.reg")} == {"back.reg"}


def test_the_same_choice_gives_the_same_files(tmp_path):
    first = choose_in(detector())
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.reg")}
    assert choose_in(exposure_map="map.fits") == first
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.reg")} == before


def test_split_events_are_counted_together():
    rng = np.random.default_rng(2)
    write_events("second.evt", *star(rng, 748.5, 748.5, COUNTS))
    both = choose_in(detector(), events=["events.evt", "second.evt"]).facts["detection"]["net_rate"]
    assert both == pytest.approx(2 * 0.82 * COUNTS / 20_000, rel=0.1)


def test_a_target_on_the_other_class_gets_the_calibration_file_only(tmp_path):
    report = choose_in(detector(left=914))
    assert {path.name for path in tmp_path.glob("*.reg")} == {"radec_calsrc.reg"}
    assert set(report.not_made) == set(NAMES.values()) - {"radec_calsrc.reg"}
    assert set(report.not_made.values()) == {"the target lies outside this data class's exposed area"}
    assert ids(report) == ["target-on-other-class"]
    facts = report.facts
    assert (facts["source"], facts["background"], facts["detection"], facts["extent"]) == (None,) * 4


def test_a_sliver_of_the_source_circle_is_not_enough():
    report = choose_in(
        detector(left=785), source={**SOURCE, "minimum_fraction": 0.25}, target=at_det(760, 800)
    )
    assert ids(report) == ["target-on-other-class"]
    # The target itself is not exposed; what is said then is simpler.
    assert report.not_made["radec_src.reg"] == "the target lies outside this data class's exposed area"
    report = choose_in(
        detector(left=785), source={**SOURCE, "minimum_fraction": 0.5}, target=at_det(784, 800)
    )
    assert "only 4" in report.not_made["radec_src.reg"]
    assert "less than the 50% asked for" in report.cautions[0].sentence


def test_a_small_field_has_a_source_and_no_background():
    report = choose_in(detector(690, 810, 690, 810))
    assert set(report.not_made) == {"radec_back.reg", "skypix_back.reg"}
    assert "no circle of 1.5′ or more that is clear" in report.not_made["radec_back.reg"]
    assert ids(report) == ["window-edge", "background-poor"]
    assert report.facts["background"] is None


def test_a_window_narrower_than_the_source_is_a_caution():
    report = choose_in(detector(711, 790))
    assert ids(report) == ["source-cut", "window-edge"]
    # A strip of 80 pixels through a circle of radius 67.87: 0.70 of its area.
    assert report.facts["source"]["exposed_fraction"] == pytest.approx(0.702, abs=0.01)
    assert report.facts["background"]["exposed_fraction"] == pytest.approx(0.49, abs=0.02)
    assert report.facts["background"]["score"] > 0.9


def test_nothing_at_the_target_is_a_caution_and_the_regions_are_there(tmp_path):
    report = choose_in(detector(), target=at_det(1100, 900))
    assert ids(report) == ["no-source-at-target"]
    assert report.facts["detection"]["detected"] is False
    assert report.facts["extent"] == {"ratio": None, "error": None}
    assert {path.name for path in tmp_path.glob("*.reg")} == set(NAMES.values())


def test_the_circle_stands_on_the_peak_when_the_recipe_says_so():
    target = at_det(757, 748.5)
    at_target, at_peak = (
        choose_in(detector(), target=target, source={**SOURCE, "centre": centre}).facts["source"]
        for centre in ("target", "peak")
    )
    assert (at_target["centre"], at_peak["centre"]) == ("target", "peak")
    assert (at_target["ra"], at_target["dec"]) == pytest.approx((target["ra"], target["dec"]))
    assert (at_peak["ra"], at_peak["dec"]) == pytest.approx((AIM.ra, AIM.dec), abs=0.001)


def test_events_of_other_energies_are_no_sources():
    rng = np.random.default_rng(1)
    write_events("events.evt", *star(rng, 748.5, 748.5, COUNTS), pi=2000)
    assert choose_in(detector()).facts["field_sources"] == []


def test_bad_pixels_tell_the_area_without_an_exposure_map():
    good = np.full((1810, 1810), -1, np.int16)
    good[256:1553, 256:1553] = 0
    fits.PrimaryHDU(good).writeto("in.bimg")
    report = choose_in(bad_pixels="in.bimg")
    assert report.facts["exposed_area"] == "in.bimg"
    assert report.facts["source"]["exposed_fraction"] == pytest.approx(1.0)
    assert report.facts["source"]["exposure_at_target_s"] is None
    assert report.facts["background"]["exposed_fraction"] > 0.99
    # The good time is that of the events.
    assert report.facts["detection"]["net_rate"] == pytest.approx(0.082, rel=0.1)


def test_events_tell_the_area_without_a_bad_pixel_image():
    """The aim point is on CCD2; these events are on CCD3 and CCD4."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(914, 1554, 3000), rng.integers(257, 1554, 3000)
    x[:2], y[:2] = [914, 1553], [257, 1553]
    write_events("events.evt", x, y)
    report = choose_in()
    assert ids(report) == ["target-on-other-class"]
    assert report.facts["exposed_area"] == "events.evt"
    assert choose_in(target=at_det(1200, 800)).facts["source"]["exposed_fraction"] == pytest.approx(
        1, abs=0.01
    )


def test_a_binned_exposure_map_is_refused():
    with pytest.raises(SoftwareFault, match="no unbinned exposure map of 2430×2430"):
        choose_in(np.ones((607, 607)))


def test_blank_pixels_of_a_map_are_not_exposed():
    exposure = np.where(detector() > 0, detector(), np.nan)
    assert choose_in(exposure).facts["source"]["exposed_fraction"] == 1.0


def test_events_on_other_sky_pixels_are_refused():
    with fits.open("events.evt", mode="update") as hdus:
        hdus["EVENTS"].header["TLMAX4"] = 1000
    with pytest.raises(Permanent, match=r"events\.evt has 1000×2430 sky pixels"):
        choose_in(detector())


def test_given_calibration_sources_are_excluded_in_place_of_the_nominal_ones(tmp_path):
    (tmp_path / "calsrc.reg").write_text("physical\n-circle(2007.5,1090,92)\n-circle(750,1017,91)\n")
    choose_in(detector(), calibration="calsrc.reg")
    lines = (tmp_path / "skypix_back.reg").read_text().splitlines()
    assert lines[4:] == ["-circle(2007.5000,1090.0000,92.0000)", "-circle(750.0000,1017.0000,91.0000)"]
    [first, second] = read_region(tmp_path / "radec_calsrc.reg").pixel_shapes(AIM.wcs())
    assert (first.x[0], first.y[0]) == pytest.approx((2007.5, 1090), abs=1e-3)
    assert second.sizes == pytest.approx((91,), abs=1e-2)


@pytest.fixture
def given_files(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Writes region files that override the rules."""

    def write(**texts: str) -> dict[str, str]:
        for role, text in texts.items():
            (tmp_path / f"given_{role}.reg").write_text(text)
        return {role: f"given_{role}.reg" for role in texts}

    return write


def test_given_regions_are_written_in_both_frames_with_the_calibration_sources(tmp_path, given_files):
    files = given_files(
        source="physical\nannulus(1215.5,1215.5,20,60)\n-circle(1230,1230,5)\n",
        background='fk5\ncircle(187.70593,12.24112,150")\n',
    )
    report = choose_in(detector(), given=files)
    assert report.not_made == {}
    lines = (tmp_path / "skypix_src.reg").read_text().splitlines()[2:]
    assert lines[:3] == [
        "physical",
        "annulus(1215.5000,1215.5000,20.0000,60.0000)",
        "-circle(1230.0000,1230.0000,5.0000)",
    ]
    assert [line[:8] for line in lines[3:]] == ["-circle(", "-circle("]
    for role in ("src", "back"):
        sky, pixels = (read_region(tmp_path / f"{frame}_{role}.reg") for frame in ("radec", "skypix"))
        x, y = np.random.default_rng(3).uniform(1000, 1400, (2, 5000))
        assert np.array_equal(sky.contains(x, y, AIM.wcs()), pixels.contains(x, y, None))
    facts = report.facts
    assert (facts["source"]["centre"], facts["source"]["radius_arcmin"]) == ("given", None)
    assert facts["background"]["radius_arcmin"] == pytest.approx(2.5, abs=1e-4)
    assert (facts["background"]["given"], facts["background"]["score"]) == (True, None)


def test_a_given_source_alone_gets_a_background_by_rule(given_files):
    report = choose_in(detector(), given=given_files(source="physical\ncircle(1215.5,1215.5,30)\n"))
    assert report.facts["source"]["radius_arcmin"] == pytest.approx(30 * 1.76798 / 60, abs=1e-4)
    assert report.facts["background"]["given"] is False


def test_a_given_source_that_this_class_does_not_see_is_not_made(given_files):
    report = choose_in(detector(left=914), given=given_files(source="physical\ncircle(1215.5,1215.5,30)\n"))
    assert "only 0% of the given source region is exposed" in report.not_made["radec_src.reg"]
    assert ids(report) == ["target-on-other-class"]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"source": "galactic\ncircle(1,2,3)\n"}, r"given_source\.reg, line 1: 'galactic'"),
        ({"source": "physical\n-circle(1,2,3)\n"}, "begins with an exclusion"),
        ({"background": "fk5\ncircle(187.7,12.39,0.02)\n"}, "has no unit"),
        ({"background": "physical\ncircle(1260,1215.5,60)\n"}, "source and background regions overlap"),
        ({"source": ""}, "holds no shape"),
    ],
)
def test_given_regions_that_cannot_be_used_are_an_error_of_the_dataset(given_files, texts, why):
    with pytest.raises(Permanent, match="a given region cannot be used: .*" + why):
        choose_in(detector(), given=given_files(**texts))


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
    report = choose_in(events=["alpha.evt.gz"], exposure_map="alpha_map.fits.gz")
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
    by_map = choose_in(events=["alpha.evt.gz"], exposure_map="alpha_map.fits.gz").facts
    by_mask = choose_in(events=["alpha.evt.gz"], bad_pixels="alpha.bimg.gz").facts
    places = [facts["background"]["pixels"] for facts in (by_mask, by_map)]
    assert np.hypot(*(places[0][axis] - places[1][axis] for axis in "xy")) < 40
    for role in ("source", "background"):
        assert by_mask[role]["exposed_fraction"] == pytest.approx(by_map[role]["exposed_fraction"], abs=0.02)
