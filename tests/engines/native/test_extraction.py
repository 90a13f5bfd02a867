"""Extraction as a whole: one read for all products, and the same as the FTOOLS made of the reference data."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from pydantic import ValidationError

from tasks.core.errors import BadInput, NoData
from tasks.engines.native import extraction
from tasks.engines.native.extraction import extract

MakeEvents = Callable[..., Path]
WriteRegion = Callable[..., Path]
SPECTRUM = {"name": "s.fits", "region": "a.reg", "exposure_map": None}
CURVE = {"name": "c.fits", "channels": [1, 5], "region": "a.reg", "time_bin": 50.0, "threshold": 0.0}
IMAGE = {"name": "i.fits", "channels": [1, 5], "binning": 2}
BANDS = {"0.6_2.0": [100, 334], "2.0_10.0": [333, 1667], "0.4_2.0": [66, 334], "0.6_10.0": [100, 1667]}
CURVES = {"0.6_2.0": [100, 334], "2.0_6.0": [333, 1001], "6.0_10.0": [1000, 1667]}
REGIONS = [
    "annulus",
    "back",
    "box",
    "ellipse",
    "exclude_only",
    "late_include",
    "polygon",
    "src",
    "src_fk5",
    "two_minus_one",
]
VARIANTS = ["deadc", "livetime", "pixr0", "shuffled", "gti_overlap", "gti_unsorted", "short"]
TIMES = ("ONTIME", "EXPOSURE", "TSTART", "TSTOP", "TELAPSE", "MJD-OBS")
WORLD = tuple(
    f"{key}{number}"
    for key in ("CTYPE", "CRPIX", "CRVAL", "CDELT", "DRPIX", "DDELT", "LTV")
    for number in (1, 2)
)
PHYSICAL = tuple(f"{key}{number}P" for key in ("CTYPE", "CRPIX", "CRVAL", "CDELT") for number in (1, 2))


@pytest.fixture
def folder(
    make_events: MakeEvents, write_region: WriteRegion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working directory, with a list of 4 events and a region that holds 2."""
    columns = {"TIME": [1, 2, 60, 500], "X": [50, 51, 90, 50], "Y": [40, 41, 70, 40], "PI": [1, 2, 3, 4],
               "DETX": [30, 31, 60, 30], "DETY": [20, 21, 50, 20]}  # fmt: skip
    make_events("a.evt.gz", columns, PROCVER="9", CALDBVER="8")
    write_region("physical", "circle(50,40,5)")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hdu(path: Path, name: str | int) -> Any:
    with fits.open(path, memmap=False) as hdus:
        return hdus[name].copy()


def test_all_products_of_one_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = extraction.read_events
    monkeypatch.setattr(extraction, "read_events", lambda *given: reads.append(given) or read(*given))
    images = [
        IMAGE,
        {"name": "j.fits", "channels": None, "binning": 4},
        {"name": "k.fits", "channels": [1, 5], "binning": 2},
    ]
    report = extract(["a.evt.gz"], images, [CURVE], [SPECTRUM], "abc")
    assert len(reads) == 1
    assert report.facts["counts"] == {"i.fits": 3, "j.fits": 3, "k.fits": 3, "c.fits": 2, "s.fits": 2}
    assert report.facts["ontime"] == 100
    assert report.facts["region_pixels"] == {"a.reg": 81}
    assert report.facts["backscal"] == {"s.fits": 81 / 8000}
    assert not report.not_made
    assert not report.cautions
    for name in ("i.fits", "c.fits", "s.fits"):
        with fits.open(folder / name, checksum=True) as hdus:
            for part in hdus:
                header = part.header
                assert (header["OBS_ID"], header["DATACLAS"], header["RECIPE"]) == (
                    "900000001",
                    "30000010",
                    "abc",
                )
                assert (header["ENGINE"], header["PROCVER"], header["CALDBVER"]) == ("native", "9", "8")
                assert "CHECKSUM" in header
    history = "\n".join(hdu(folder / "c.fits", "RATE").header["HISTORY"])
    assert "PI 1:5" in history
    assert "circle(50,40,5)" in history


@pytest.mark.parametrize(("images", "spectra"), [([IMAGE], []), ([], [SPECTRUM])])
def test_flickering_pixels_are_counted_where_events_have_detector_pixels(
    make_events: MakeEvents, folder: Path, images: list[dict[str, Any]], spectra: list[dict[str, Any]]
) -> None:
    columns = {name: [value] * 12 for name, value in {"TIME": 1, "X": 50, "Y": 40, "PI": 1}.items()}
    make_events("plain.evt", columns)
    assert "flickering" not in extract(["plain.evt"], images, [], spectra, "none").facts
    for name in [request["name"] for request in (*images, *spectra)]:
        (folder / name).unlink()
    make_events("hot.evt", {**columns, "DETX": [30] * 12, "DETY": [20] * 12})
    facts = extract(["hot.evt"], images, [], spectra, "none").facts
    assert facts["flickering"] == {"pixels": 1, "events": 12, "brightest": [[30, 20, 12]]}


def test_a_field_without_region(folder: Path) -> None:
    extract(["a.evt.gz"], [], [{**CURVE, "region": None}], [{**SPECTRUM, "region": None}], "none")
    assert hdu(folder / "s.fits", "SPECTRUM").data["COUNTS"].sum() == 3
    assert hdu(folder / "s.fits", "SPECTRUM").header["BACKSCAL"] == 1
    with fits.open(folder / "c.fits") as hdus:
        assert [part.name for part in hdus] == ["PRIMARY", "RATE", "GTI"]


def test_backscal_by_exposure_and_none_without(folder: Path) -> None:
    values = np.zeros((80, 100), np.float32)
    values[39, 44:49] = 10.0
    table = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=np.ones(1))], name="OFFAXISHIST")
    table.header["EXPOSURE"] = 20.0
    fits.HDUList([fits.PrimaryHDU(values), table]).writeto(folder / "map.fits")
    (folder / "dark.reg").write_text("physical\ncircle(20,20,5)\n")
    spectra = [
        {**SPECTRUM, "exposure_map": "map.fits"},
        {"name": "d.fits", "region": "dark.reg", "exposure_map": "map.fits"},
    ]
    report = extract(["a.evt.gz"], [], [], spectra, "none")
    assert report.facts["backscal"] == {"s.fits": 5 * 10 / 20 / 8000}
    assert report.not_made == {"d.fits": "no exposure in the region dark.reg"}
    assert not (folder / "d.fits").exists()


def test_what_is_odd_is_said(make_events: MakeEvents, folder: Path) -> None:
    make_events("odd.evt", gti=None, drop=["TIMEPIXR"], DEADC=0.5)
    report = extract(["odd.evt"], [IMAGE], [], [], "none")
    assert [caution.id for caution in report.cautions] == ["good-time", "dead-time", "timepixr-missing"]


def test_no_event_or_no_good_time_is_no_data(make_events: MakeEvents, folder: Path) -> None:
    make_events("dark.evt", gti=[])
    with pytest.raises(NoData, match=r"dark\.evt holds no good time"):
        extract(["dark.evt"], [IMAGE], [], [], "none")
    make_events("empty.evt", {"TIME": [], "X": [], "Y": [], "PI": []})
    with pytest.raises(NoData, match=r"empty\.evt holds no event"):
        extract(["empty.evt"], [IMAGE], [], [], "none")


def test_a_band_without_events_still_has_products(folder: Path) -> None:
    extract(["a.evt.gz"], [{**IMAGE, "channels": [18, 19]}], [{**CURVE, "channels": [18, 19]}], [], "none")
    assert hdu(folder / "i.fits", 0).data.sum() == 0
    assert hdu(folder / "c.fits", "RATE").data["RATE"].tolist() == [0, 0]


def test_a_bad_region_writes_nothing(folder: Path) -> None:
    (folder / "a.reg").write_text('galactic\ncircle(1,2,3")\n')
    with pytest.raises(BadInput, match="line 1"):
        extract(["a.evt.gz"], [], [CURVE], [], "none")
    assert not (folder / "c.fits").exists()


@pytest.mark.parametrize(
    "request_",
    [
        {**CURVE, "time_bin": 0},
        {**CURVE, "threshold": 2},
        {**CURVE, "more": 1},
        {**CURVE, "name": "../c.fits"},
    ],
)
def test_requests_are_checked(folder: Path, request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        extract(["a.evt.gz"], [], [request_], [], "none")


# What the FTOOLS made of the reference data.


def link(sources: Iterator[Path] | list[Path], folder: Path) -> None:
    for path in sources:
        (folder / path.name).symlink_to(path)


def run(folder: Path, *given: Any) -> Path:
    """`extract` in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        extract(*given, "none")
    return folder


@pytest.fixture(scope="module")
def alpha_products(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alpha")
    events = "xa900000010xtd_p030000010_cl.evt.gz"
    link([alpha / events, *alpha.glob("*.reg")], folder)
    images = [
        {"name": f"image_en{band}_bin{binning}.fits", "channels": channels, "binning": binning}
        for band, channels in BANDS.items()
        for binning in (1, 4)
    ]
    images.append({"name": "image_bin3.fits", "channels": [100, 1667], "binning": 3})
    curves = [
        {"name": f"lc_{region}_en{band}_200s.fits", "channels": channels, "region": f"{region}.reg",
         "time_bin": 200, "threshold": 0}
        for region in ("src", "back")
        for band, channels in CURVES.items()
    ]  # fmt: skip
    for width, threshold, name in ((37.5, 0.5, "37.5s_thresh0.5"), (1000, 1.0, "1000s_thresh1")):
        curves.append({"name": f"lc_src_all_{name}.fits", "channels": None, "region": "src.reg",
                       "time_bin": width, "threshold": threshold})  # fmt: skip
    spectra: list[dict[str, Any]] = [
        {"name": f"spectrum_{region}.fits", "region": f"{region}.reg", "exposure_map": None}
        for region in ("src", "back")
    ]
    spectra.append({"name": "spectrum_field.fits", "region": None, "exposure_map": None})
    spectra += [
        {"name": f"region_{name}.fits", "region": f"{name}.reg", "exposure_map": None} for name in REGIONS
    ]
    return run(folder, [events], images, curves, spectra)


def same_image(made: Path, reference: Path) -> None:
    ours, theirs = hdu(made, 0), hdu(reference, 0)
    assert ours.data.dtype == theirs.data.dtype
    assert np.array_equal(ours.data, theirs.data)
    same_keys(
        ours.header, theirs.header, (*WORLD, *PHYSICAL, *TIMES, "TOTCTS", "IMGBIN", "RA_NOM", "DROLLANG")
    )
    for key in ("CHANMIN", "CHANMAX"):
        assert ours.header.get(key) == theirs.header.get(key)


def same_curve(made: Path, reference: Path) -> None:
    ours, theirs = hdu(made, "RATE"), hdu(reference, "RATE")
    assert np.array_equal(ours.data["TIME"], theirs.data["TIME"])
    for name in ("RATE", "ERROR", "FRACEXP"):
        assert ours.data[name] == pytest.approx(theirs.data[name], rel=3e-7)
    keys = ("TIMEZERO", "TIMEDEL", "TIMEPIXR", "PHALCUT", "PHAHCUT", "NPIXSOU", "MINFREXP", *TIMES)
    same_keys(ours.header, theirs.header, keys)
    same_gti(made, reference)


def same_spectrum(made: Path, reference: Path) -> None:
    ours, theirs = hdu(made, "SPECTRUM"), hdu(reference, "SPECTRUM")
    for name in ("CHANNEL", "COUNTS"):
        assert np.array_equal(ours.data[name], theirs.data[name])
    keys = (
        "EXPOSURE",
        "ONTIME",
        "DETCHANS",
        "TLMIN1",
        "TLMAX1",
        "SPECPIX",
        "AREASCAL",
        "RESPFILE",
        "POISSERR",
    )
    same_keys(ours.header, theirs.header, keys)
    assert ours.header["BACKSCAL"] == pytest.approx(theirs.header["BACKSCAL"], rel=1e-6)
    same_gti(made, reference)


def same_map(made: Path, reference: Path) -> None:
    ours, theirs = hdu(made, 0), hdu(reference, 0)
    assert np.array_equal(ours.data, theirs.data)
    offsets = ("X-OFFSET", "Y-OFFSET", "NPIXSOU", "TOTCTS", "WMAPFIX", "PIXSIZE", *PHYSICAL)
    same_keys(ours.header, theirs.header, offsets)
    same_keys(ours.header, theirs.header, [key for key in theirs.header if key.startswith(("EXT", "REF"))])


def same_gti(made: Path, reference: Path) -> None:
    ours, theirs = hdu(made, "GTI"), hdu(reference, "GTI")
    for name in ("START", "STOP"):
        assert np.array_equal(ours.data[name], theirs.data[name])


def same_keys(ours: fits.Header, theirs: fits.Header, keys: Any) -> None:
    for key in keys:
        expected = theirs[key]
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-12, abs=1e-9)
        assert ours[key] == expected, key


@pytest.mark.parametrize(
    "name", [*(f"image_en{band}_bin{n}" for band in BANDS for n in (1, 4)), "image_bin3"]
)
def test_reference_images(alpha: Path, alpha_products: Path, name: str) -> None:
    same_image(alpha_products / f"{name}.fits", alpha / "ref" / f"{name}.fits.gz")


@pytest.mark.parametrize(
    "name",
    [
        *(f"lc_{region}_en{band}_200s" for region in ("src", "back") for band in CURVES),
        "lc_src_all_37.5s_thresh0.5",
        "lc_src_all_1000s_thresh1",
    ],
)
def test_reference_light_curves(alpha: Path, alpha_products: Path, name: str) -> None:
    same_curve(alpha_products / f"{name}.fits", alpha / "ref" / f"{name}.fits.gz")


@pytest.mark.parametrize("name", ["spectrum_src", "spectrum_back", "spectrum_field"])
def test_reference_spectra_with_their_maps(alpha: Path, alpha_products: Path, name: str) -> None:
    made, reference = alpha_products / f"{name}.fits", alpha / "ref" / f"{name}.fits.gz"
    same_spectrum(made, reference)
    same_map(made, reference)


@pytest.mark.parametrize("name", REGIONS)
def test_reference_regions(alpha: Path, alpha_products: Path, name: str) -> None:
    made, reference = alpha_products / f"region_{name}.fits", alpha / "ref" / f"region_{name}.fits.gz"
    same_spectrum(made, reference)
    ours, theirs = hdu(made, "REG00101"), hdu(reference, "REG00101")
    assert list(ours.data["SHAPE"]) == list(theirs.data["SHAPE"])
    for column in ("X", "Y", "R", "ROTANG", "COMPONENT"):
        assert np.allclose(ours.data[column], theirs.data[column])


def test_reference_backscal_by_exposure(alpha: Path, tmp_path: Path) -> None:
    events, exposure_map = "xa900000010xtd_p030000010_cl.evt.gz", "expmap.fits.gz"
    names = ("src", "back", "ellipse", "box")
    link([alpha / events, alpha / "ref" / exposure_map, *(alpha / f"{name}.reg" for name in names)], tmp_path)
    spectra = [
        {"name": f"{name}.fits", "region": f"{name}.reg", "exposure_map": exposure_map} for name in names
    ]
    run(tmp_path, [events], [], [], spectra)
    expected = json.loads((alpha / "reference.json").read_text())["backscal"]
    for name in names:
        found = hdu(tmp_path / f"{name}.fits", "SPECTRUM").header["BACKSCAL"]
        assert found == pytest.approx(expected[f"{name}_EXPOSURE"], rel=1e-12)


@pytest.mark.parametrize("name", VARIANTS)
def test_reference_variants(extras: Path, tmp_path: Path, name: str) -> None:
    compare_variant(extras, tmp_path, name, [f"{name}_cl.evt.gz"], [100, 1667], [100, 334])


def test_reference_split_list(extras: Path, tmp_path: Path) -> None:
    compare_variant(extras, tmp_path, "split", ["split_p0_cl.evt.gz", "split_p1_cl.evt.gz"], None, None)


def compare_variant(
    extras: Path, folder: Path, name: str, events: list[str], image: list[int] | None, band: list[int] | None
) -> None:
    link([*(extras / event for event in events), extras / "src.reg"], folder)
    run(
        folder,
        events,
        [{"name": "image.fits", "channels": image, "binning": 4}],
        [{"name": "lc.fits", "channels": band, "region": "src.reg", "time_bin": 200, "threshold": 0}],
        [{"name": "spectrum.fits", "region": "src.reg", "exposure_map": None}],
    )
    same_image(folder / "image.fits", extras / "ref" / f"{name}_image_bin4.fits.gz")
    same_curve(folder / "lc.fits", extras / "ref" / f"{name}_lc.fits.gz")
    same_spectrum(folder / "spectrum.fits", extras / "ref" / f"{name}_spectrum.fits.gz")
    same_map(folder / "spectrum.fits", extras / "ref" / f"{name}_spectrum.fits.gz")


def test_the_real_chandra_list(chandra: Path, tmp_path: Path) -> None:
    events = "acis_m82_10027_events.fits"
    link([chandra / events, chandra / "src.reg", chandra / "back.reg"], tmp_path)
    curves = [
        {
            "name": f"lc_{name}_50s.fits",
            "channels": None,
            "region": f"{name}.reg",
            "time_bin": 50,
            "threshold": 0,
        }
        for name in ("src", "back")
    ]
    spectra = [
        {"name": f"spectrum_{name}.fits", "region": f"{name}.reg", "exposure_map": None}
        for name in ("src", "back")
    ]
    images = [
        {"name": "image_bin8.fits", "channels": None, "binning": 8},
        {"name": "image_pi35_137_bin2.fits", "channels": [35, 137], "binning": 2},
    ]
    run(tmp_path, [events], images, curves, spectra)
    for image in images:
        same_image(tmp_path / image["name"], chandra / "ref" / f"{image['name']}.gz")
    for curve in curves:
        same_curve(tmp_path / curve["name"], chandra / "ref" / f"{curve['name']}.gz")
    for spectrum in spectra:
        same_spectrum(tmp_path / spectrum["name"], chandra / "ref" / f"{spectrum['name']}.gz")
        same_map(tmp_path / spectrum["name"], chandra / "ref" / f"{spectrum['name']}.gz")
