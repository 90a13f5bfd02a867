"""The `extract` command: what it makes of which options, and that nothing is written after an error."""

import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from astropy.io import fits
from typer.testing import CliRunner, Result

from flows.cli.extract import extract
from tasks.core.errors import BadInput
from tasks.engines.native import extract_any
from tasks.engines.native.rates import calibration_pixels
from tasks.library.call import Call, Report

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
CHANDRA, ALPHA, EXTRAS = (
    SHARED / "real" / "chandra-acis-m82",
    SHARED / "heasoft-reference" / "alpha",
    SHARED / "heasoft-reference" / "alpha-extras",
)
needs_reference = pytest.mark.skipif(not SHARED.is_dir(), reason="no reference data beside the repository")
Command = Callable[..., Result]
KEYS = ["kind", "role", "channels", "binning", "time_bin", "grouping", "path"]


@pytest.fixture
def command() -> Command:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(extract)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are done in this process, which starts sooner."""

    def run(call: Call, directory: Path) -> Report:
        directory.mkdir(parents=True)
        for name, path in call.inputs.items():
            (directory / name).symlink_to(path)
        module, _, name = call.function.partition(":")
        with monkeypatch.context() as patch:
            patch.chdir(directory)
            return Report.model_validate(getattr(importlib.import_module(module), name)(**call.parameters))

    monkeypatch.setattr(extract_any, "run_call_blocking", run)


@pytest.fixture
def listing(command: Command) -> Callable[..., list[dict[str, Any]]]:
    """The JSON that a run prints, and nothing else; every product in it is there, whole."""

    def run(*words: object) -> list[dict[str, Any]]:
        result = command(*words, "--json")
        if result.exception:
            raise result.exception
        products: list[dict[str, Any]] = json.loads(result.stdout)
        assert all(list(product) == KEYS for product in products)
        assert all(line.startswith("note: ") for line in result.stderr.splitlines())
        for product in products:
            with fits.open(product["path"], checksum=True) as hdus:
                hdus.verify("exception")
        assert all(Path(product["path"]).is_absolute() for product in products)
        assert all(Path(product["path"]).is_file() for product in products)
        return products

    return run


def kinds(products: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(product["kind"], product["role"]) for product in products]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_events(tmp_path / "some events.fits", INSTRUME="OTHER")


def write_events(path: Path, **header: Any) -> Path:
    columns = [
        fits.Column("TIME", "D", array=np.array([1.0, 2.0, 60.0])),
        fits.Column("X", "I", array=np.array([50, 51, 90])),
        fits.Column("Y", "I", array=np.array([40, 41, 70])),
        fits.Column("PI", "J", array=np.array([100, 200, 300])),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    for number, (low, high) in {2: (1, 100), 3: (1, 80), 4: (0, 4095)}.items():
        table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = low, high
    for number, (kind, pixel, value, step) in {
        2: ("RA---TAN", 50.5, 30.0, -1e-3),
        3: ("DEC--TAN", 40.5, 10.0, 1e-3),
    }.items():
        table.header[f"TCTYP{number}"], table.header[f"TCRPX{number}"] = kind, pixel
        table.header[f"TCRVL{number}"], table.header[f"TCDLT{number}"] = value, step
    table.header.update({"TIMEDEL": 1.0, "TIMEPIXR": 0.5, **header})
    bounds = [
        fits.Column("START", "D", array=np.array([0.0])),
        fits.Column("STOP", "D", array=np.array([100.0])),
    ]
    fits.HDUList([fits.PrimaryHDU(), table, fits.BinTableHDU.from_columns(bounds, name="GTI")]).writeto(path)
    return path


def write_map(path: Path, values: Any = None, **header: Any) -> Path:
    """An exposure map of the sky of those events, of 200 s."""
    image = fits.PrimaryHDU(np.full((80, 100), 100, np.float32) if values is None else values)
    sky = {"CTYPE1": "RA---TAN", "CRPIX1": 50.5, "CRVAL1": 30.0, "CDELT1": -1e-3,
           "CTYPE2": "DEC--TAN", "CRPIX2": 40.5, "CRVAL2": 10.0, "CDELT2": 1e-3}  # fmt: skip
    image.header.update(sky | header)
    table = fits.BinTableHDU.from_columns([fits.Column("FRACTION", "D", array=[1.0])], name="OFFAXISHIST")
    table.header["EXPOSURE"] = 200.0
    fits.HDUList([image, table]).writeto(path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.reg"
    path.write_text('fk5\ncircle(30.0,10.0,20")\n')
    return path


@pytest.fixture
def background(tmp_path: Path) -> Path:
    path = tmp_path / "background.reg"
    path.write_text("physical\nannulus(50,40,10,60)\n")
    return path


@pytest.mark.usefixtures("no_children")
def test_alone_an_image_of_the_whole_range(listing: Callable[..., Any], events: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er"
    (product,) = listing(events, "--out", out)
    assert {key: product[key] for key in product if key != "path"} == {
        "kind": "image",
        "role": "field",
        "channels": [0, 4095],
        "binning": 1,
        "time_bin": None,
        "grouping": None,
    }
    assert Path(product["path"]).name == "some_events-imbinfactor1-pi0_4095-image.fits"
    assert fits.getdata(product["path"]).sum() == 3
    assert [path.name for path in out.iterdir()] == [Path(product["path"]).name]


@pytest.mark.usefixtures("no_children")
def test_source_background_curves_and_groups(
    listing: Callable[..., Any], events: Path, source: Path, background: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    products = listing(
        events,
        "--channels",
        "100:150",
        "--channels",
        "100:250",
        "--binning",
        2,
        "--binning",
        4,
        "--source",
        source,
        "--background",
        background,
        "--time-bin",
        50,
        "--exposure-threshold",
        0.5,
        "--group",
        "min:1",
        "--out",
        out,
    )
    images = [("image", "field")] * 4
    curves = [("light-curve", role) for role in ("source", "background", "net")] * 2
    spectra = [("spectrum", "source"), ("spectrum", "background"), ("grouped-spectrum", "source")]
    assert kinds(products) == images + curves + spectra
    assert [product["channels"] for product in products[4:7]] == [[100, 150]] * 3
    assert products[4]["time_bin"] == 50
    assert products[-1]["grouping"] == "min:1"
    assert products[-1]["channels"] is None
    assert len({product["path"] for product in products}) == len(products)
    assert fits.getdata(products[-3]["path"], "SPECTRUM")["COUNTS"].sum() == 2
    assert fits.getheader(products[-3]["path"], "SPECTRUM")["BACKSCAL"] == pytest.approx(96 / 8000, rel=0.05)


@pytest.mark.usefixtures("no_children")
def test_only_curves_of_the_field_and_a_line_a_product(
    command: Command, events: Path, tmp_path: Path
) -> None:
    result = command(events, "--time-bin", 50, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stderr == ""
    (line,) = result.stdout.splitlines()
    assert line.split()[:6] == ["field", "light-curve", "PI", "0:4095,", "50", "s"]
    made = line.split()[-1]
    assert fits.getdata(made, "RATE")["RATE"].tolist() == pytest.approx([0.04, 0.02])


@pytest.mark.usefixtures("no_children")
def test_several_files_are_one_list(listing: Callable[..., Any], events: Path, tmp_path: Path) -> None:
    second = write_events(tmp_path / "second.fits", INSTRUME="OTHER")
    with fits.open(second, mode="update") as hdus:
        hdus["EVENTS"].data["TIME"] += 100
        hdus["GTI"].data["START"], hdus["GTI"].data["STOP"] = 100, 200
    image, curve = listing(events, second, "--binning", 1, "--time-bin", 100, "--out", tmp_path / "out")
    assert Path(image["path"]).name.startswith("some_events-")
    assert fits.getdata(image["path"]).sum() == 6
    assert fits.getdata(curve["path"], "RATE")["RATE"].tolist() == pytest.approx([0.03, 0.03])
    header = fits.getheader(image["path"])
    assert (header["FILIN001"], header["FILIN002"]) == ("some_events.fits", "second.fits")


@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize(
    ("words", "area", "said"),
    [
        ([], 0.5, "map.fits within the region / its EXPOSURE"),
        (["--backscal", "exposure"], 0.5, "map.fits within the region / its EXPOSURE"),
        (["--backscal", "maximum"], 1.0, "map.fits within the region / its maximum"),
        (["--backscal", "pixels", "--binning", 1], 1.0, "share of the image's pixels"),
    ],
)
def test_backscal_of_a_map_that_is_given(
    listing: Callable[..., Any], events: Path, source: Path, tmp_path: Path, words: list[str], area, said
) -> None:
    # 97 pixels lie in the region, and the brightest of the map lies outside.
    values = np.full((80, 100), 100, np.float32)
    values[0, 0] = 200
    given = write_map(tmp_path / "map.fits", values)
    products = listing(events, "--source", source, "--exposure-map", given, *words, "--out", tmp_path / "out")
    header = fits.getheader(products[-1]["path"], "SPECTRUM")
    pixels = fits.getheader(products[-1]["path"], 0)["NPIXSOU"]
    assert header["BACKSCAL"] == pytest.approx(area * pixels / 8000)
    assert said in "".join(f"{line:72}" for line in header["HISTORY"])


@pytest.mark.usefixtures("no_children")
def test_rate_images_of_a_map_that_is_given_are_not_binned(
    listing: Callable[..., Any], events: Path, tmp_path: Path
) -> None:
    given = write_map(tmp_path / "map.fits")
    words = ("--binning", 1, "--binning", 2, "--exposure-map", given)
    products = listing(events, *words, "--out", tmp_path / "out")
    assert [(item["kind"], item["binning"]) for item in products] == [
        ("image", 1), ("rate-image", 1), ("image", 2),
    ]  # fmt: skip
    assert np.nansum(fits.getdata(products[1]["path"])) == pytest.approx(3 / 100)


@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize(("words", "mode"), [([], 2), (["--net-errors", "linear"], 1)])
def test_errors_of_net_curves(
    listing: Callable[..., Any], events: Path, source: Path, background: Path, tmp_path: Path, words, mode
) -> None:
    regions = ("--source", source, "--background", background, "--time-bin", 100)
    products = listing(events, *regions, *words, "--out", tmp_path / "out")
    of_source, of_background, net = (fits.getdata(item["path"], "RATE") for item in products[:3])
    header = fits.getheader(products[2]["path"], "RATE")
    assert header["ERRMODE"] == mode
    expected = of_source["ERROR"] ** 2 + header["BSCRATIO"] ** mode * of_background["ERROR"] ** 2
    assert net["ERROR"] ** 2 == pytest.approx(expected)
    assert of_background["ERROR"].all()


def test_names_of_xtend_products(
    listing: Callable[..., Any], source: Path, background: Path, tmp_path: Path
) -> None:
    identity = {"INSTRUME": "XTEND", "OBS_ID": "000128000", "DATACLAS": "31100010"}
    path = write_events(tmp_path / "xa000128000xtd_p031100010_cl.evt", **identity)
    products = listing(
        path,
        "--bands",
        "0.6-2",
        "--binning",
        4,
        "--source",
        source,
        "--background",
        background,
        "--time-bin",
        50,
        "--group",
        "min:25",
        "--out",
        tmp_path / "out",
    )
    assert products[0]["channels"] == [100, 334]
    stem = "xrism-xtend-obsid000128000-dataclass31100010"
    place, curve = "ra30.0-dec10.0", "en0.6_2.0keV-expthresh0.0-tb50.0s"
    names = [Path(product["path"]).name for product in products]
    digest = names[2].partition("-breg")[2][:8]
    assert names == [
        f"{stem}-imbinfactor4-en0.6_2.0keV-image.fits",
        f"{stem}-{place}-radius0.0056deg-{curve}-lightcurve.fits",
        f"{stem}-{place}-breg{digest}-{curve}-back-lightcurve.fits",
        f"{stem}-{place}-radius0.0056deg-{curve}-net-lightcurve.fits",
        f"{stem}-{place}-radius0.0056deg-enALL-spectrum.fits",
        f"{stem}-{place}-breg{digest}-enALL-back-spectrum.fits",
        f"{stem}-{place}-radius0.0056deg-enALL-mingrp25-spectrum.fits",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--channels", "300:100"], "upside down"),
        (["--channels", "a:b"], "not a channel range"),
        (["--channels", "5000:6000"], "outside PI"),
        (["--bands", "2-0.6"], "upside down"),
        (["--bands", "0.6-2"], "Xtend only"),
        (["--binning", "0"], "binning 0"),
        (["--binning", "81"], "binning 81"),
        (["--time-bin", "0"], "must be positive"),
        (["--time-bin", "nan"], "must be positive"),
        (["--time-bin", "1e-9"], "1e+11 parts: use longer ones"),
        (["--exposure-threshold", "2"], "0 to 1"),
        (["--group", "min:1"], "--source"),
        (["--source", "REGION", "--group", "max:1"], "not a grouping"),
        (["--source", "REGION", "--group", "min:0"], "not a grouping"),
        (["--source", "REGION", "--group", "opt"], "--rmf"),
        (["--source", "REGION", "--group", "optmin:5"], "--group optmin:5 needs --rmf"),
        (["--source", "REGION", "--group", "bmin:5"], "--group bmin:5 needs --background"),
        (["--source", "REGION", "--group", "opt", "--rmf", "nowhere"], "no file nowhere"),
        (["--source", "REGION", "--group", "opt", "--rmf", "RMF"], "small.rmf has 3 channels, the PI of"),
        (["--bands", "0.6-2", "--rmf", "RMF"], "small.rmf has 3 channels, the PI of"),
        (["--source", "REGION", "--group", "opt", "--rmf", "REGION"], "source.reg is no whole FITS file"),
        (["--source", "OFF"], "off.reg holds no pixel"),
        (["--source", "nowhere.reg"], "nowhere.reg"),
        (["--background", "EMPTY"], "holds no shape"),
        (["--ehk", "REGION"], "--bad-pixels"),
        (["--ehk", "REGION", "--exposure-map", "REGION"], "give one or the other"),
        (["--exposure-map", "nowhere"], "no file nowhere"),
        (["--exposure-map", "REGION"], "source.reg"),
        (["--exposure-map", "REGION", "--binning", "4"], "nothing to serve"),
        (["--exposure-map", "REGION", "--source", "REGION", "--backscal", "pixels"], "nothing to serve"),
        (
            ["--exposure-map", "MAP"],
            "map.fits does not lie on the sky pixels of some events.fits: CRVAL1 is",
        ),
        (["--exposure-map", "MAP", "--delta", "5"], "--delta is for exposure maps that are made"),
        (["--numphi", "5"], "--numphi is for exposure maps that are made"),
        (["--keep-calibration-sources"], "--keep-calibration-sources is for exposure maps that are made"),
        (["--ehk", "REGION", "--bad-pixels", "REGION", "--delta", "0"], "--delta) must be positive"),
        (["--ehk", "REGION", "--bad-pixels", "REGION", "--delta", "nan"], "--delta) must be positive"),
        (["--ehk", "REGION", "--bad-pixels", "REGION", "--numphi", "361"], "0 to 360"),
        (["--backscal", "pixels"], "--backscal needs --source or --background"),
        (["--backscal", "maximum", "--source", "REGION"], "--backscal maximum needs an exposure map"),
        (["--backscal", "area", "--source", "REGION"], "'--backscal'"),
        (
            ["--net-errors", "linear", "--source", "REGION", "--time-bin", "9"],
            "--net-errors is for net light",
        ),
        (["--net-errors", "1"], "'--net-errors'"),
        (["EVENTS"], "given twice"),
        (["OTHER"], "other.evt is not of the dataset of some events.fits: its OBS_ID is 000128000, not None"),
        (["--ehk", "REGION", "--bad-pixels", "REGION"], "Xtend only"),
    ],
)
@pytest.mark.usefixtures("no_children")
def test_bad_input_is_one_line_and_nothing_is_written(
    refused: Callable[..., str], events: Path, source: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "empty.reg").write_text("")
    (tmp_path / "off.reg").write_text("physical\ncircle(900,900,5)\n")
    energies = [fits.Column(name, "E", array=np.arange(3.0)) for name in ("CHANNEL", "E_MIN", "E_MAX")]
    fits.BinTableHDU.from_columns(energies, name="EBOUNDS").writeto(tmp_path / "small.rmf")
    write_map(tmp_path / "map.fits", CRVAL1=31.0)
    write_events(tmp_path / "other.evt", INSTRUME="OTHER", OBS_ID="000128000")
    files = {
        "REGION": source, "EMPTY": "empty.reg", "OFF": "off.reg", "RMF": "small.rmf", "MAP": "map.fits",
        "EVENTS": events, "OTHER": "other.evt",
    }  # fmt: skip
    before = set(tmp_path.iterdir())
    given = [tmp_path / files[word] if word in files else word for word in words]
    assert said in refused("extract", events, *given, "--out", tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing(events: Path, tmp_path: Path, number: signal.Signals) -> None:
    before = set(tmp_path.iterdir())
    words = ["extract", str(events), "--time-bin", "0.001", "--out", str(tmp_path / "out"), "--json"]
    run = f"import sys; from flows.cli.main import main; sys.argv[1:] = {words!r}; main()"
    with subprocess.Popen(
        [sys.executable, "-c", run], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        while not list(tmp_path.glob(".xtendflow-*/*.log")):
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(number)
        said = running.communicate()
    assert (running.returncode, *said) == (130, b"", b"")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("content", [None, b"", b"no FITS" * 1000])
def test_events_that_cannot_be_read(command: Command, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.evt"
    if content is not None:
        path.write_bytes(content)
    result = command(path, "--out", tmp_path / "out")
    assert isinstance(result.exception, BadInput)
    assert "a.evt" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_children")
def test_a_fault_found_while_working_leaves_nothing(command: Command, events: Path, tmp_path: Path) -> None:
    with fits.open(events, mode="update") as hdus:
        hdus["EVENTS"].header["TTYPE1"] = "WHEN"
    before = set(tmp_path.iterdir())
    result = command(events, "--out", tmp_path / "out")
    assert isinstance(result.exception, BadInput)
    assert "no column TIME" in str(result.exception)
    assert set(tmp_path.iterdir()) == before


def test_products_are_never_overwritten(command: Command, events: Path, tmp_path: Path) -> None:
    product = tmp_path / "out" / "some_events-imbinfactor1-pi0_4095-image.fits"
    product.parent.mkdir()
    product.write_text("precious")
    result = command(events, "--out", product.parent)
    assert isinstance(result.exception, BadInput)
    assert "is there already" in str(result.exception)
    assert product.read_text() == "precious"
    result = command(events, "--out", product)
    assert "no directory" in str(result.exception)


def test_a_place_that_cannot_be_written(command: Command, events: Path) -> None:
    result = command(events, "--out", "/proc/nowhere")
    assert isinstance(result.exception, BadInput)
    assert "cannot be written" in str(result.exception)


@needs_reference
@pytest.mark.usefixtures("no_children")
def test_the_real_chandra_list(listing: Callable[..., Any], tmp_path: Path) -> None:
    products = listing(
        CHANDRA / "acis_m82_10027_events.fits",
        "--binning",
        8,
        "--source",
        CHANDRA / "src.reg",
        "--background",
        CHANDRA / "back.reg",
        "--time-bin",
        50,
        "--out",
        tmp_path / "out",
    )
    image, curve, back_curve, net, spectrum, back = (product["path"] for product in products)
    assert kinds(products)[3] == ("light-curve", "net")
    assert fits.getdata(net, "RATE").size == 19
    assert np.array_equal(fits.getdata(image), fits.getdata(CHANDRA / "ref" / "image_bin8.fits.gz"))
    for made, name in ((curve, "lc_src_50s"), (back_curve, "lc_back_50s")):
        ours, theirs = (fits.getdata(path, "RATE") for path in (made, CHANDRA / "ref" / f"{name}.fits.gz"))
        assert ours["RATE"] == pytest.approx(theirs["RATE"], rel=1e-6)
    for made, name in ((spectrum, "spectrum_src"), (back, "spectrum_back")):
        reference = CHANDRA / "ref" / f"{name}.fits.gz"
        assert np.array_equal(fits.getdata(made, 1)["COUNTS"], fits.getdata(reference, 1)["COUNTS"])
        assert np.array_equal(fits.getdata(made, 0), fits.getdata(reference, 0))


@needs_reference
def test_the_reference_dataset_with_exposure_map(listing: Callable[..., Any], tmp_path: Path) -> None:
    products = listing(
        ALPHA / "xa900000010xtd_p030000010_cl.evt.gz",
        "--bands",
        "0.6-2",
        "--binning",
        4,
        "--source",
        ALPHA / "src.reg",
        "--ehk",
        ALPHA / "xa900000010.ehk.gz",
        "--bad-pixels",
        ALPHA / "xa900000010xtd_p030000010.bimg.gz",
        "--group",
        "opt",
        "--rmf",
        EXTRAS / "gauss.rmf.gz",
        "--out",
        tmp_path / "out",
    )
    maps, image = [("exposure-map", "field")] * 2, [("image", "field"), ("rate-image", "field")]
    assert kinds(products) == [*maps, *image, ("spectrum", "source"), ("grouped-spectrum", "source")]
    assert [product["binning"] for product in products] == [1, 4, 4, 4, None, None]
    spectrum, grouped = products[-2]["path"], products[-1]["path"]
    expected = json.loads((ALPHA / "reference.json").read_text())["backscal"]["src_EXPOSURE"]
    assert fits.getheader(spectrum, "SPECTRUM")["BACKSCAL"] == pytest.approx(expected, rel=1e-6)
    groups = fits.getdata(EXTRAS / "ref" / "grouped_opt.fits.gz", "SPECTRUM")["GROUPING"]
    assert np.array_equal(fits.getdata(grouped, "SPECTRUM")["GROUPING"], groups)


@needs_reference
@pytest.mark.usefixtures("no_children")
def test_a_split_list_agrees_with_the_tools_list_of_files(
    listing: Callable[..., Any], tmp_path: Path
) -> None:
    products = listing(
        EXTRAS / "split_p0_cl.evt.gz",
        EXTRAS / "split_p1_cl.evt.gz",
        "--binning",
        4,
        "--source",
        EXTRAS / "src.reg",
        "--time-bin",
        200,
        "--out",
        tmp_path / "out",
    )
    image, curve, spectrum = (Path(item["path"]) for item in products)
    ours, theirs = (fits.getdata(path) for path in (image, EXTRAS / "ref" / "split_image_bin4.fits.gz"))
    assert np.array_equal(ours, theirs)
    ours, theirs = (fits.getdata(path, 1) for path in (spectrum, EXTRAS / "ref" / "split_spectrum.fits.gz"))
    assert np.array_equal(ours["COUNTS"], theirs["COUNTS"])
    ours, theirs = (fits.getdata(path, "RATE") for path in (curve, EXTRAS / "ref" / "split_lc.fits.gz"))
    for column in ("TIME", "RATE", "ERROR", "FRACEXP"):
        assert ours[column] == pytest.approx(theirs[column], rel=1e-6)


@needs_reference
@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize(("backscal", "norm"), [("exposure", "EXPOSURE"), ("maximum", "MAX")])
def test_the_tools_own_map_gives_the_tools_areas(
    listing: Callable[..., Any], tmp_path: Path, backscal: str, norm: str
) -> None:
    products = listing(
        ALPHA / "xa900000010xtd_p030000010_cl.evt.gz",
        "--source",
        ALPHA / "ellipse.reg",
        "--background",
        ALPHA / "back.reg",
        "--exposure-map",
        ALPHA / "ref" / "expmap.fits.gz",
        "--backscal",
        backscal,
        "--out",
        tmp_path / "out",
    )
    known = json.loads((ALPHA / "reference.json").read_text())["backscal"]
    areas = [fits.getheader(item["path"], "SPECTRUM")["BACKSCAL"] for item in products]
    assert areas == pytest.approx([known[f"ellipse_{norm}"], known[f"back_{norm}"]], rel=1e-6)


@needs_reference
@pytest.mark.usefixtures("no_children")
@pytest.mark.parametrize(
    ("words", "reference", "wedges"),
    [
        (["--keep-calibration-sources"], "expmap_onewedge_nomask", 1),
        (["--delta", 0.4, "--numphi", 4], "expmap_wedges", 13),
    ],
)
def test_choices_of_exposure_maps_agree_with_the_tool(
    listing: Callable[..., Any], tmp_path: Path, words: list[object], reference: str, wedges: int
) -> None:
    exposure_map, _, rate = listing(
        EXTRAS / "split_p0_cl.evt.gz",
        EXTRAS / "split_p1_cl.evt.gz",
        "--ehk",
        EXTRAS / "drifting.ehk.gz",
        "--bad-pixels",
        ALPHA / "xa900000010xtd_p030000010.bimg.gz",
        *words,
        "--out",
        tmp_path / "out",
    )
    ours = fits.getdata(exposure_map["path"]).astype(float)
    theirs = fits.getdata(EXTRAS / "ref" / f"{reference}.fits.gz").astype(float)
    assert np.abs(ours - theirs).max() < 0.002 * 20345.5
    assert ours.sum() == pytest.approx(theirs.sum(), rel=1e-6)
    assert fits.getheader(exposure_map["path"])["NUMEXMAP"] == wedges
    # Calibration sources are blank in rate images whether the map counts them or not.
    circles = calibration_pixels(fits.getheader(rate["path"]))
    assert np.isnan(fits.getdata(rate["path"])[circles]).all()
    assert (ours[circles].max() > 20000) == ("--keep-calibration-sources" in words)
