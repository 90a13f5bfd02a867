"""Good time of split files, and what xaexpmap and fimgbin leave undone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import NoData, Permanent, SoftwareFault
from tasks.engines.heasoft.exposure_maps import complete, identify, unite

NOMINAL = {"RA_NOM": 81.25, "DEC_NOM": -69.64, "PA_NOM": 30.0}
SKY = 30
EVENTS_SAY = {
    "TELESCOP": "XRISM",
    "INSTRUME": "XTEND",
    "OBS_ID": "900000001",
    "DATACLAS": "30000010",
    **NOMINAL,
}

WORLD = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 81.25, "CRVAL2": -69.64, "CRPIX1": 1215.5,
    "CRPIX2": 1215.5, "CDELT1": -0.0004911, "CDELT2": 0.0004911,
}  # fmt: skip

Interval = tuple[float, float]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_events(name: str, gti: Sequence[Interval], **other: Any) -> str:
    table = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=[1.0])], name="EVENTS")
    table.header.update({**EVENTS_SAY, **other})
    bounds = np.array(gti, float).reshape(-1, 2)
    good = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", array=bounds[:, 0]), fits.Column("STOP", "D", array=bounds[:, 1])],
        name="GTI",
    )
    fits.HDUList([fits.PrimaryHDU(), table, good]).writeto(name, overwrite=True)
    return name


def write_map(
    seconds: np.ndarray, tables: Sequence[str] = ("OFFAXISHIST", "GTIEXP001", "PARTIALEXP001")
) -> None:
    image = fits.PrimaryHDU(seconds.astype(np.float32))
    image.header.update({"LTV1": 0.0, "LTM1_1": 1.0, "CRVAL1P": 99.0, "TELESCOP": "XRISM"})
    image.header.update(WORLD)
    hdus = [
        fits.BinTableHDU.from_columns([fits.Column("OFFAXISLO", "D", array=[0.0])], name=name)
        for name in tables
    ]
    for hdu in hdus:
        hdu.header["EXPOSURE"] = 1000.0
    fits.HDUList([image, *hdus]).writeto("map.fits")


def write_binned(seconds: np.ndarray, binning: int, factor: float = 1.0) -> None:
    size = SKY // binning
    blocks = seconds[: size * binning, : size * binning].reshape(size, binning, size, binning)
    image = fits.PrimaryHDU((blocks.mean(axis=(1, 3)) * factor).astype(np.float32))
    image.header["IMGBIN"] = 1
    image.writeto(f"binned{binning}.fits")


def write_bad_pixels() -> None:
    flags = np.zeros((1810, 1810), np.int8)
    flags[:100], flags[100:110], flags[110:] = 0, 1, -1
    fits.PrimaryHDU(flags.astype(np.int16)).writeto("bad.bimg")


def write_ehk(name: str = "ehk.fits") -> str:
    """An attitude that moves by 4″ in the middle of 1000 s, and by a degree after the end."""
    time = np.arange(1010.0)
    dec = np.where(time <= 1000, np.where(time < 500, 0.0, 4 / 3600), 1.0)
    columns = {"TIME": time, "RA": time * 0, "DEC": dec, "ROLL": time * 0}
    defined = [fits.Column(key, "D", array=values) for key, values in columns.items()]
    fits.BinTableHDU.from_columns(defined, name="EHK").writeto(name)
    return name


@pytest.fixture
def seconds() -> np.ndarray:
    """A map that tells its pixels apart."""
    return np.linspace(1, 1000, SKY * SKY).reshape(SKY, SKY)


@pytest.fixture
def made(seconds: np.ndarray) -> dict[str, Any]:
    """What the tools left, and how the maps are to be called."""
    write_map(seconds)
    write_binned(seconds, 4)
    write_bad_pixels()
    return {
        "maps": {"1": "exposure1.fits", "4": "exposure4.fits"},
        "binned": {"4": "binned4.fits"},
        "events": [write_events("events0.evt", [(0, 1000)])],
        "ehk": write_ehk(),
        "mask_calibration": True,
    }


def test_good_time_is_what_is_good_in_one_of_the_files():
    names = [
        write_events("events0.evt", [(0, 10), (30, 40)]),
        write_events("events1.evt", [(35, 50), (5, 8), (60, 61)], OBS_ID="900000001"),
    ]
    unite(names, "good.gti")
    with fits.open("good.gti", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "GTI"]
        rows = hdus["GTI"].data
        assert list(zip(rows["START"], rows["STOP"], strict=True)) == [(0, 10), (30, 50), (60, 61)]
        for hdu in hdus:
            assert {key: hdu.header[key] for key in EVENTS_SAY} == EVENTS_SAY
            assert (hdu.header["TSTART"], hdu.header["TSTOP"], hdu.header["ONTIME"]) == (0, 61, 31)
        assert (hdus["GTI"].header["HDUCLAS1"], hdus["GTI"].header["TUNIT1"]) == ("GTI", "s")


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=5), min_size=1, max_size=3)
)
@settings(deadline=None, max_examples=20)
def test_every_second_that_is_good_in_a_file_is_good(parts):
    lists = [[(start, start + length) for start, length in part] for part in parts]
    names = [write_events(f"events{number}.evt", part) for number, part in enumerate(lists)]
    expected = {second for part in lists for start, stop in part for second in range(start, stop)}
    Path("good.gti").unlink(missing_ok=True)
    if not expected:
        with pytest.raises(NoData):
            unite(names, "good.gti")
        return
    unite(names, "good.gti")
    rows = fits.getdata("good.gti", "GTI")
    seconds = [s for a, b in zip(rows["START"], rows["STOP"], strict=True) for s in range(int(a), int(b))]
    assert len(seconds) == len(expected)
    assert set(seconds) == expected


def test_no_good_time_is_told():
    with pytest.raises(NoData, match=r"no good time in events0\.evt"):
        unite([write_events("events0.evt", [])], "good.gti")


def test_maps_have_their_world_coordinates_and_tables(made, seconds):
    complete(**made)
    for binning, tables in (
        (1, ["OFFAXISHIST", "GTIEXP001", "PARTIALEXP001"]),
        (4, ["OFFAXISHIST", "GTIEXP001"]),
    ):
        with fits.open(f"exposure{binning}.fits") as hdus:
            image = hdus[0]
            assert [hdu.name for hdu in hdus[1:]] == tables
            assert (image.header["IMGBIN"], image.header["BITPIX"]) == (binning, -32)
            assert {key: image.header[key] for key in EVENTS_SAY} == EVENTS_SAY
            assert not {"LTV1", "LTM1_1"} & set(image.header)
            # A place on the sky is the same, whatever the binning; pixels are those that the tool says.
            sky = WCS(WORLD).all_pix2world([[(0.5 + 3 * binning), (0.5 + binning)]], 1)
            assert WCS(image.header).all_pix2world([[3.5, 1.5]], 1) == pytest.approx(sky, abs=1e-9)
            physical = WCS(image.header, key="P")
            assert physical.all_pix2world(1, 1, 1) == pytest.approx([(binning + 1) / 2] * 2)
    assert fits.getdata("exposure1.fits") == pytest.approx(seconds, rel=1e-6)
    assert fits.getdata("exposure4.fits")[0, 0] == pytest.approx(seconds[:4, :4].mean(), rel=1e-6)


def test_the_facts_are_those_of_the_native_engine(made):
    assert complete(**made).facts == {
        "exposure": 1000.0,
        "maximum": 1000.0,
        "live_area_pixels": 100 * 1810,
        "wedges": 1,
        "wander_arcsec": pytest.approx(2.0, rel=0.01),
    }
    assert complete(**{**made, "maps": {}, "mask_calibration": False}).facts["live_area_pixels"] == 110 * 1810


def test_the_unbinned_map_need_not_be_wanted(made):
    complete(**{**made, "maps": {"4": "exposure4.fits"}})
    assert not Path("exposure1.fits").exists()


def test_a_sum_in_place_of_a_mean_is_noticed(made, seconds):
    Path("binned4.fits").unlink()
    write_binned(seconds, 4, factor=16.0)
    with pytest.raises(SoftwareFault, match="added up exposures instead of averaging"):
        complete(**made)


def test_a_binned_map_of_another_size_is_noticed(made):
    fits.PrimaryHDU(np.ones((8, 8), np.float32)).writeto("binned4.fits", overwrite=True)
    with pytest.raises(SoftwareFault, match="fimgbin made no map of 7×7 pixels"):
        complete(**made)


def test_an_empty_map_means_that_the_attitude_points_elsewhere(made):
    Path("map.fits").unlink()
    write_map(np.zeros((SKY, SKY)))
    with pytest.raises(Permanent, match="points away from the sky of the events"):
        complete(**made)


@pytest.mark.parametrize(("axis", "pixels"), [(1, 0.6), (1, -40.0), (2, 0.6), (2, 0.02)])
def test_a_map_of_another_sky_than_the_events_is_refused(made, axis, pixels):
    """Its centre is that of the EHK file; rate images would find it out, spectra would not."""
    fits.setval("map.fits", f"CRVAL{axis}", value=WORLD[f"CRVAL{axis}"] + pixels * WORLD["CDELT2"])
    reason = rf"not lie on the sky pixels of events0\.evt \(CRVAL{axis} is .*\): the EHK file and the events"
    with pytest.raises(Permanent, match=f"{reason} are of different processings"):
        complete(**made)
    assert not Path("exposure1.fits").exists()


def test_rounded_centres_are_the_same_sky(made):
    fits.setval("map.fits", "CRVAL1", value=WORLD["CRVAL1"] + 0.005 * WORLD["CDELT1"])
    complete(**made)


def point(**directions: float) -> None:
    """Give the attitude histogram some directions (degrees), and the map times of its own."""
    with fits.open("map.fits", mode="update") as hdus:
        row = [fits.Column(name, "D", array=[value]) for name, value in directions.items()]
        hdus["OFFAXISHIST"] = fits.BinTableHDU.from_columns(
            row, header=hdus["OFFAXISHIST"].header, name="OFFAXISHIST"
        )
        hdus[0].header.update(TSTART=-50.0, TSTOP=9e3, DETNAM="SXT", RA_PNT=directions.get("RA_PNT", 0.0))
        hdus[0].header["DATE-OBS"] = "2001-01-01T00:00:00"


@pytest.mark.parametrize(
    "wrong", [{"RA_PNT": 185.0}, {"DEC_PNT": -72.0}, {"RANOMXP": 261.0}, {"DECNOMXP": float("nan")}]
)
def test_an_attitude_that_was_averaged_wrongly_is_no_ground_for_an_arf(made, wrong):
    right = {"RANOMXP": 81.25, "DECNOMXP": -69.64, "RA_PNT": 81.3, "DEC_PNT": -69.6}
    point(**{**right, **wrong})
    with pytest.raises(
        Permanent, match=r"xaexpmap puts \w+ and \w+ of its attitude .* from the nominal aspect"
    ):
        complete(**made)


def test_a_map_tells_of_the_events_and_not_of_the_attitude_file(made):
    write_events("events0.evt", [(10, 900)], DETNAM="CCD", **{"DATE-OBS": "2023-10-15T00:00:00"})
    point(RANOMXP=441.25, DECNOMXP=-69.64, RA_PNT=-278.7, DEC_PNT=-69.6)
    complete(**made)
    with fits.open("exposure4.fits") as hdus:
        told = {key: hdus[0].header[key] for key in ("TSTART", "TSTOP", "TELAPSE", "DETNAM", "DATE-OBS")}
        assert told == {
            "TSTART": 10, "TSTOP": 900, "TELAPSE": 890, "DETNAM": "CCD", "DATE-OBS": "2023-10-15T00:00:00",
        }  # fmt: skip
        assert hdus[0].header["RA_PNT"] == pytest.approx(81.3)
        assert hdus["OFFAXISHIST"].data["RA_PNT"][0] == pytest.approx(81.3)
        assert hdus["OFFAXISHIST"].data["RANOMXP"][0] == pytest.approx(81.25)


def test_no_date_of_one_split_stands_for_all(made):
    dates = {"DATE-OBS": "2023-10-15T00:00:00", "DATE-END": "2023-10-15T00:10:00"}
    names = [write_events(f"events{number}.evt", [(number, 500)], **dates) for number in (0, 1)]
    complete(**{**made, "events": names})
    assert not dates.keys() & fits.getheader("exposure1.fits").keys()


def test_a_map_without_world_coordinates_is_none(made):
    fits.delval("map.fits", "CRPIX2")
    with pytest.raises(SoftwareFault, match="a map without CRPIX2"):
        complete(**made)


def test_a_map_without_its_history_is_none(made, seconds):
    Path("map.fits").unlink()
    write_map(seconds, tables=("GTIEXP001",))
    with pytest.raises(SoftwareFault, match=r"xaexpmap made no exposure map: .*GTIEXP001"):
        complete(**made)


@pytest.mark.parametrize(("name", "tool"), [("map.fits", "xaexpmap"), ("binned4.fits", "fimgbin")])
def test_a_broken_map_is_the_tools_fault(made, name, tool):
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[:3000])
    with pytest.raises(SoftwareFault, match=f"{tool} made no map"):
        complete(**made)


def test_an_efficiency_map_says_whose_it_is(seconds):
    write_map(seconds)
    events = [write_events("events0.evt", [(0, 1000)])]
    identify("map.fits", events, "efficiency.fits")
    header = fits.getheader("efficiency.fits")
    assert {key: header[key] for key in EVENTS_SAY} == EVENTS_SAY
    assert fits.getdata("efficiency.fits") == pytest.approx(seconds, rel=1e-6)
    Path("map.fits").write_bytes(b"nothing")
    with pytest.raises(SoftwareFault, match="xaexpmap made no map"):
        identify("map.fits", events, "again.fits")


# ---------------------------------------------------------------------------------------------------------
# Maps that the tools themselves made


@pytest.fixture
def reference() -> dict[str, Any]:
    folder = Path(__file__).resolve().parents[3].parent / "shared/data/heasoft-reference/alpha"
    if not folder.is_dir():
        pytest.skip("no reference data beside the repository")
    Path("map.fits").symlink_to(folder / "ref/expmap.fits.gz")
    Path("mean.fits").symlink_to(folder / "ref/expmap_bin4_mean.fits.gz")
    Path("sum.fits").symlink_to(folder / "ref/expmap_bin4_sum.fits.gz")
    Path("bad.bimg").symlink_to(next(folder.glob("*.bimg.gz")))
    Path("events0.evt").symlink_to(next(folder.glob("*_cl.evt.gz")))
    Path("ehk.fits").symlink_to(next(folder.glob("*.ehk.gz")))
    return {
        "maps": {"4": "exposure4.fits"},
        "events": ["events0.evt"],
        "ehk": "ehk.fits",
        "mask_calibration": True,
    }


def test_the_tools_own_maps_are_completed(reference):
    report = complete(binned={"4": "mean.fits"}, **reference)
    stale, header = fits.getheader("mean.fits"), fits.getheader("exposure4.fits")
    for key in ("CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CRVAL1", "CRVAL2"):
        assert header[key] == pytest.approx(stale[key])
    assert (header["IMGBIN"], header["CDELT1P"], header["CRVAL1P"]) == (4, 4, 2.5)
    assert np.array_equal(fits.getdata("exposure4.fits"), fits.getdata("mean.fits"))
    events = fits.getheader("events0.evt", "EVENTS")
    assert header["OBS_ID"] == events["OBS_ID"]
    assert report.facts["exposure"] == pytest.approx(events["EXPOSURE"])
    assert report.facts["wedges"] == 1
    assert 0 < report.facts["wander_arcsec"] < 20


def test_a_sum_that_fimgbin_made_is_noticed(reference):
    with pytest.raises(SoftwareFault, match="added up exposures"):
        complete(binned={"4": "sum.fits"}, **reference)
