"""What tools left becomes products: nothing is counted anew, and it is told as the native engine tells it."""

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import BadInput, SoftwareFault
from tasks.engines.heasoft.finishing import finish
from tasks.engines.native.derived import derive
from tasks.engines.native.extraction import extract
from tasks.library.manifest import Manifest, Step, StepRecord
from tasks.library.measured import judged_cautions

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
RECIPE = "0123456789abcdef" * 4
BAND = [10, 300]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory of a call."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def events(here):
    """A small list of events on a sky of 120 × 100 pixels, most of them in one source."""
    random = np.random.default_rng(4)
    spread = random.normal(0, 6, (2, 400)).round().astype(int)
    columns = {
        "TIME": ("D", np.sort(random.uniform(0, 1000, 400))),
        "PI": ("J", random.integers(0, 400, 400)),
        "X": ("I", np.clip(60 + spread[0], 1, 120)),
        "Y": ("I", np.clip(50 + spread[1], 1, 100)),
        "DETX": ("I", np.clip(40 + spread[0], 1, 80)),
        "DETY": ("I", np.clip(40 + spread[1], 1, 80)),
    }
    ranges = {"X": (1, 120), "Y": (1, 100), "PI": (0, 4095), "DETX": (1, 80), "DETY": (1, 80)}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, form, array=values) for name, (form, values) in columns.items()], name="EVENTS"
    )
    for number, name in enumerate(columns, 1):
        if name in ranges:
            table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = ranges[name]
        if name in ("X", "Y"):
            axis = {"TCTYP": "RA---TAN", "TCRPX": 60.5, "TCRVL": 30.0, "TCDLT": -0.001}
            other = {"TCTYP": "DEC--TAN", "TCRPX": 50.5, "TCRVL": 0.0, "TCDLT": 0.001}
            table.header.update(
                {f"{key}{number}": value for key, value in (axis if name == "X" else other).items()}
            )
    table.header.update(
        TELESCOP="XRISM", INSTRUME="XTEND", OBS_ID="900000001", DATACLAS="30000010", OBJECT="SMALL",
        TIMEDEL=4.0, TIMEPIXR=0.5, PA_NOM=0.0, MJDREFI=58484, MJDREFF=0.0, PROCVER="03.00", CALDBVER="x11",
    )  # fmt: skip
    gti = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", array=[0.0, 600.0]), fits.Column("STOP", "D", array=[500.0, 1000.0])],
        name="GTI",
    )
    fits.HDUList([fits.PrimaryHDU(), table, gti]).writeto("xa_cl.evt")
    Path("source.reg").write_text("physical\ncircle(60,50,10)\n")
    Path("empty.reg").write_text("physical\ncircle(5,95,3)\n")
    exposure = np.full((100, 120), 900.0, np.float32)
    exposure[80:, :20] = 0
    histogram = fits.BinTableHDU.from_columns([fits.Column("FRACTION", "D", array=[1.0])], name="OFFAXISHIST")
    histogram.header["EXPOSURE"] = 900.0
    fits.HDUList([fits.PrimaryHDU(exposure), histogram]).writeto("expmap.fits")
    return "xa_cl.evt"


@pytest.fixture
def made(events):
    """What tools would have left: an image, a light curve and a spectrum; and what the native engine told."""
    return extract(
        [events],
        [{"name": f"image{n}.fits", "channels": BAND, "binning": n} for n in (1, 4)],
        [
            {
                "name": "curve0.fits",
                "channels": BAND,
                "region": "source.reg",
                "time_bin": 50.0,
                "threshold": 0.0,
            }
        ],
        [{"name": "spectrum0.fits", "region": "source.reg", "exposure_map": "expmap.fits"}],
        "none",
    )


def an_item(name, file, kind, **others):
    return {"name": name, "file": file, "kind": kind, **others}


IMAGES = [an_item(f"long{n}-image.fits", f"image{n}.fits", "image", channels=BAND) for n in (1, 4)]
CURVE = an_item("long-curve.fits", "curve0.fits", "light-curve", channels=BAND, region="source.reg")
SPECTRUM = an_item("long-spectrum.fits", "spectrum0.fits", "spectrum", region="source.reg")
ALL = [*IMAGES, CURVE, SPECTRUM]
LONG = {item["file"]: item["name"] for item in ALL}


def test_the_facts_are_those_of_the_native_engine(made, events):
    told = finish(ALL, RECIPE, [events])
    renamed = {
        key: {LONG.get(name, name): item for name, item in value.items()}
        if isinstance(value, dict)
        else value
        for key, value in made.facts.items()
    }
    assert told.facts == renamed
    assert not told.not_made
    assert not told.cautions


@pytest.fixture
def flickering(made, events):
    """The list with a DET pixel that holds a tenth of the events, and has its own in the sky."""
    with fits.open(events) as hdus:
        for column in ("DETX", "DETY"):
            hdus["EVENTS"].data[column][::10] = 3
        hdus.writeto("hot_cl.evt")
    return "hot_cl.evt"


def cautions_of(facts):
    """What is told of a dataset whose extraction found this."""
    records = {
        step: StepRecord(fingerprint="0" * 64, engine="any", versions={}, calls=(), facts=told)
        for step, told in ((Step.PROCESSING, {"events": 400}), (Step.EXTRACTION, facts))
    }
    manifest = Manifest(obsid="900000001", dataclass="30000010", recipe="any", steps=records)
    return [item.id for item in judged_cautions(manifest)]


def test_pixels_that_flicker_are_looked_for_as_the_native_engine_does(flickering):
    image = {"name": "native.fits", "channels": None, "binning": 4}
    native = extract([flickering], [image], [], [], "none").facts
    told = finish([IMAGES[0]], RECIPE, [flickering]).facts
    assert told["flickering"] == native["flickering"]
    assert (told["flickering"]["pixels"], told["flickering"]["events"]) == (1, 40)
    assert cautions_of(told) == cautions_of(native) == ["flickering-pixels"]


@pytest.mark.parametrize(("items", "looked_for"), [([SPECTRUM], True), ([CURVE], False)])
def test_light_curves_alone_do_not_ask_for_detector_pixels(flickering, items, looked_for):
    assert ("flickering" in finish(items, RECIPE, [flickering]).facts) == looked_for


def test_events_without_detector_pixels_have_none_that_flicker(made, events):
    with fits.open(events) as hdus:
        table = fits.BinTableHDU.from_columns(
            [column for column in hdus["EVENTS"].columns if column.name != "DETX"],
            header=hdus["EVENTS"].header,
        )
        fits.HDUList([hdus[0], table, hdus["GTI"]]).writeto("sky_cl.evt", output_verify="silentfix")
    assert "flickering" not in finish([IMAGES[0]], RECIPE, ["sky_cl.evt"]).facts


def test_every_header_says_who_made_it(made, events):
    finish([SPECTRUM | {"history": ["extractor phafile=spectrum0.fits"]}], RECIPE, [events])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open("long-spectrum.fits", checksum=True) as hdus:
            hdus.verify("exception")
            for hdu in hdus:
                given = {
                    key: hdu.header[key] for key in ("OBS_ID", "DATACLAS", "ENGINE", "RECIPE", "PROCVER")
                }
                assert given == {
                    "OBS_ID": "900000001", "DATACLAS": "30000010", "ENGINE": "heasoft", "RECIPE": RECIPE[:16],
                    "PROCVER": "03.00",
                }  # fmt: skip
                assert {"CALDBVER", "CHECKSUM", "DATASUM"} <= set(hdu.header)
                assert str(hdu.header["CREATOR"]).startswith("xtendflow ")
            history = "\n".join(hdus["SPECTRUM"].header["HISTORY"])
    assert "extractor phafile=spectrum0.fits" in history
    assert "xa_cl.evt" in history
    assert "circle(60,50,10)" in history


def test_nothing_is_counted_anew(made, events):
    finish(ALL, RECIPE, [events])
    for file, name in LONG.items():
        with fits.open(file) as before, fits.open(name) as after:
            assert [hdu.name for hdu in before] == [hdu.name for hdu in after]
            for old, new in zip(before, after, strict=True):
                assert fits.HDUDiff(old, new).diff_data is None or fits.HDUDiff(old, new).diff_data.identical


def test_a_unit_is_written_where_it_is_asked_for(made, events):
    with fits.open("image1.fits", mode="update") as hdus:
        del hdus[0].header["BUNIT"]
    finish([IMAGES[0] | {"unit": "count"}], RECIPE, [events])
    assert fits.getheader("long1-image.fits")["BUNIT"] == "count"


def test_a_spectrum_without_exposure_is_not_made(made, events):
    with fits.open("spectrum0.fits", mode="update") as hdus:
        hdus["SPECTRUM"].header["BACKSCAL"] = 0.0
    told = finish([SPECTRUM, CURVE], RECIPE, [events])
    assert told.not_made == {"long-spectrum.fits": "no exposure in the region source.reg"}
    assert not Path("long-spectrum.fits").exists()
    assert told.facts["backscal"] == {}
    assert told.facts["counts"].keys() == {"long-curve.fits"}


@pytest.mark.parametrize("value", [-0.1, 1.5, None])
def test_a_backscal_that_cannot_be(made, events, value):
    with fits.open("spectrum0.fits", mode="update") as hdus:
        hdus["SPECTRUM"].header["BACKSCAL"] = value
        if value is None:
            del hdus["SPECTRUM"].header["BACKSCAL"]
    with pytest.raises(SoftwareFault, match=f"BACKSCAL is {value}"):
        finish([SPECTRUM], RECIPE, [events])


def test_the_reason_why_a_call_made_nothing_is_passed_on(here):
    earlier = here / "earlier"
    earlier.mkdir()
    (earlier / ".report.json").write_text(
        json.dumps({"report": {"not_made": {"net0.fits": "nothing exposed"}}})
    )
    Path("net0.fits").symlink_to(earlier / "net0.fits")
    told = finish([an_item("long-net.fits", "net0.fits", "light-curve")], RECIPE)
    assert told.not_made == {"long-net.fits": "nothing exposed"}


@pytest.mark.parametrize("linked", [True, False])
def test_a_file_that_is_missing_without_a_word(here, linked):
    if linked:
        Path("net0.fits").symlink_to(here / "nowhere" / "net0.fits")
    with pytest.raises(SoftwareFault, match=r"long-net\.fits cannot be finished: no call made net0\.fits"):
        finish([an_item("long-net.fits", "net0.fits", "light-curve")], RECIPE)


def test_images_of_one_band_count_the_same_events(made, events):
    with fits.open("image4.fits", mode="update") as hdus:
        hdus[0].header["TOTCTS"] += 1
    with pytest.raises(SoftwareFault, match=r"different numbers of events: long1-image\.fits"):
        finish(IMAGES, RECIPE, [events])


def test_an_exposure_that_is_not_the_good_time_is_told(made, events):
    with fits.open("image1.fits", mode="update") as hdus:
        hdus[0].header["EXPOSURE"] = 1000.0
    told = finish([IMAGES[0]], RECIPE, [events])
    [caution] = told.cautions
    assert caution.id == "exposure-differs"
    assert "1000 s" in caution.sentence
    assert "900 s" in caution.sentence


def test_a_file_of_another_kind_is_refused(made, events):
    with pytest.raises(SoftwareFault, match=r"image1\.fits is not the spectrum that was asked for"):
        finish([SPECTRUM | {"file": "image1.fits"}], RECIPE, [events])


def test_a_grouped_spectrum_must_be_grouped(made):
    with pytest.raises(SoftwareFault, match="GROUPING"):
        finish([an_item("long-grp.fits", "spectrum0.fits", "grouped-spectrum")], RECIPE)


def test_derived_products_keep_the_identity_that_they_have(made, events):
    grouped = {
        "name": "grouped0.fits", "spectrum": "spectrum0.fits", "grouping": "min:5", "rmf": None,
        "background": None,
    }  # fmt: skip
    derive([], [], [grouped], "none")
    told = finish(
        [an_item("long-grp.fits", "grouped0.fits", "grouped-spectrum", history=["ftgrouppha"])], RECIPE
    )
    assert not told.facts
    header = fits.getheader("long-grp.fits", "SPECTRUM")
    assert (header["ENGINE"], header["OBS_ID"]) == ("heasoft", "900000001")
    assert header["HISTORY"][-1] == "ftgrouppha"


def test_what_does_not_say_whose_it_is_is_told(here):
    table = fits.BinTableHDU.from_columns([fits.Column("E_MIN", "E", array=[0.0])], name="EBOUNDS")
    table.header["INSTRUME"] = "OWN"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto("source.rmf")
    identity = {"OBS_ID": "900000001", "DATACLAS": "30000010", "INSTRUME": "XTEND", "CALDBVER": "c" * 80}
    finish([an_item("long.rmf", "source.rmf", "rmf")], RECIPE, identity=identity)
    with fits.open("long.rmf", checksum=True) as hdus:
        assert [hdu.header["DATACLAS"] for hdu in hdus] == ["30000010"] * 2
        assert [hdu.header["INSTRUME"] for hdu in hdus] == ["XTEND", "OWN"]
        assert hdus[1].header["CALDBVER"] == "c" * 80


def test_what_is_no_fits_file_is_told(here):
    Path("image0.fits").write_text("nothing of the kind")
    with pytest.raises(SoftwareFault, match=r"image0\.fits"):
        finish([an_item("long.fits", "image0.fits", "image")], RECIPE)


def test_a_region_that_cannot_be_read_is_an_error(made, events):
    Path("source.reg").write_text("galactic\ncircle(1,2,3)\n")
    with pytest.raises(BadInput, match="galactic"):
        finish([CURVE], RECIPE, [events])


@pytest.fixture
def alpha(here):
    """The working directory with the reference events, and what the real tools made of them."""
    folder = SHARED / "heasoft-reference" / "alpha"
    if not folder.is_dir():
        pytest.skip("no reference data beside the repository")
    for path in (*folder.glob("*cl.evt.gz"), folder / "src.reg"):
        Path(path.name).symlink_to(path)
    for name in ("image_en0.6_2.0_bin1", "image_en0.6_2.0_bin4", "lc_src_en0.6_2.0_200s", "spectrum_src"):
        Path(f"{name}.fits").write_bytes(gzip.decompress((folder / "ref" / f"{name}.fits.gz").read_bytes()))
    return "xa900000010xtd_p030000010_cl.evt.gz"


def test_what_the_real_tools_left_tells_what_the_native_engine_tells(alpha):
    """The files are those of extractor 5.31."""
    band = [100, 334]
    told = finish(
        [
            an_item("image1", "image_en0.6_2.0_bin1.fits", "image", channels=band),
            an_item("image4", "image_en0.6_2.0_bin4.fits", "image", channels=band),
            an_item(
                "curve", "lc_src_en0.6_2.0_200s.fits", "light-curve", channels=[100, 334], region="src.reg"
            ),
            an_item("spectrum", "spectrum_src.fits", "spectrum", region="src.reg"),
        ],
        RECIPE,
        [alpha],
    )
    native = extract(
        [alpha],
        [{"name": f"native{n}.fits", "channels": [100, 334], "binning": n} for n in (1, 4)],
        [
            {"name": "curve.fits", "channels": [100, 334], "region": "src.reg", "time_bin": 200.0,
             "threshold": 0.0}
        ],
        [{"name": "spectrum.fits", "region": "src.reg", "exposure_map": None}],
        "none",
    ).facts  # fmt: skip
    assert list(told.facts["counts"].values()) == list(native["counts"].values())
    assert told.facts["backscal"]["spectrum"] == pytest.approx(native["backscal"]["spectrum.fits"], rel=1e-6)
    for key in ("ontime", "exposure", "live_fraction", "region_pixels"):
        assert told.facts[key] == native[key]
    assert not told.cautions
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("image1", "image4", "curve", "spectrum"):
            with fits.open(name, checksum=True) as hdus:
                hdus.verify("exception")
                assert [hdu.header["ENGINE"] for hdu in hdus] == ["heasoft"] * len(hdus)
