"""Products as others read them: XGA and Sherpa (installed apart by `make readers`), and astropy's checks."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tasks.engines.native import exposure
from tasks.engines.native.derived import derive
from tasks.engines.native.extraction import extract
from tasks.xtend.geometry import DET_SIZE, PIXEL_DEG, SKY_SIZE

PYTHON = Path(__file__).resolve().parents[3] / ".venv-readers" / "bin" / "python"
RECIPE = "0123456789abcdef0123"
RA, DEC = 30.0, 10.0
CENTRE = (SKY_SIZE + 1) / 2
SECONDS = 1000.0
PRODUCTS = {
    "image.fits": "count",
    "map1.fits": "s",
    "map4.fits": "s",
    "rate.fits": "count/s",
    "curve.fits": None,
    "back.fits": None,
    "net.fits": None,
    "source.pha": "count",
    "field.pha": "count",
    "grouped.pha": "count",
}
"""Every kind of product, and the unit of its primary HDU."""

SHOW = """
import json, sys
def show(**values):
    json.dump({key: getattr(value, "tolist", lambda: value)() for key, value in values.items()}, sys.stdout)
"""
XGA = """
import warnings
warnings.simplefilter("ignore")
from astropy.units import Quantity
from xga.products import ExpMap, Image, RateMap
from xga.products.lightcurve import LightCurve
LOW, HIGH = Quantity(0.6, "keV"), Quantity(2.0, "keV")
GIVEN = {"obs_id": "900000001", "instrument": "xtend", "stdout_str": "", "stderr_str": "", "gen_cmd": ""}
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "Support for the")
"""
SHERPA = """
import logging, warnings
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
from sherpa.astro import ui
logging.disable(logging.NOTSET)
warnings.simplefilter("error")
heard = []
class Hear(logging.Handler):
    def emit(self, record):
        heard.append(record.getMessage())
logging.getLogger("sherpa").addHandler(Hear(logging.WARNING))
logging.getLogger("sherpa").setLevel(logging.WARNING)
"""


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one product of every kind, of 3000 events on a full-size sky."""
    folder = tmp_path_factory.mktemp("products")
    events, ehk, flags = write_events(folder), write_attitude(folder), write_flags(folder)
    (folder / "source.reg").write_text(f"physical\ncircle({CENTRE},{CENTRE},40)\n")
    (folder / "back.reg").write_text(
        f"physical\ncircle({CENTRE},{CENTRE},90)\n-circle({CENTRE},{CENTRE},50)\n"
    )
    maps = {binning: str(folder / f"map{binning}.fits") for binning in ("1", "4")}
    exposure.make(
        ehk=ehk, events=[events], bad_pixels=flags, maps=maps, delta_arcmin=20.0, numphi=1,
        mask_calibration=True, recipe=RECIPE,
    )  # fmt: skip
    curves = [
        {"name": f"{name}.fits", "channels": [100, 334], "region": region, "time_bin": 100, "threshold": 0}
        for name, region in (("curve", "source.reg"), ("back", "back.reg"))
    ]
    spectra = [
        {"name": "source.pha", "region": "source.reg", "exposure_map": "map1.fits"},
        {"name": "field.pha", "region": None, "exposure_map": None},
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        image = {"name": "image.fits", "channels": [100, 334], "binning": 4}
        extract([Path(events).name], [image], curves, spectra, RECIPE)
        rates = {
            "name": "rate.fits",
            "image": "image.fits",
            "exposure_map": "map4.fits",
            "minimum_fraction": 0.05,
        }
        net = {"name": "net.fits", "source": "curve.fits", "background": "back.fits", "errors": "gaussian",
               "source_spectrum": "source.pha", "background_spectrum": "field.pha"}  # fmt: skip
        groups = {
            "name": "grouped.pha",
            "spectrum": "source.pha",
            "grouping": "min:20",
            "rmf": None,
            "background": None,
        }
        assert not derive([rates], [net], [groups], RECIPE).not_made
    return folder


def write_events(folder: Path) -> str:
    random = np.random.default_rng(1)
    near = np.clip(random.normal(CENTRE, 25, (2, 3000)).round(), 1, SKY_SIZE)
    detector = np.clip(random.normal(748, 25, (2, 3000)).round(), 1, DET_SIZE)
    columns = {
        "TIME": ("D", np.sort(random.uniform(0, SECONDS, 3000))), "X": ("I", near[0]), "Y": ("I", near[1]),
        "PI": ("J", random.integers(50, 700, 3000)), "DETX": ("I", detector[0]), "DETY": ("I", detector[1]),
    }  # fmt: skip
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, form, array=values) for name, (form, values) in columns.items()], name="EVENTS"
    )
    ranges = {2: SKY_SIZE, 3: SKY_SIZE, 5: DET_SIZE, 6: DET_SIZE}
    for number, size in ranges.items():
        table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = 1, size
    table.header["TLMIN4"], table.header["TLMAX4"] = 0, 4095
    for number, kind, value, step in ((2, "RA---TAN", RA, -PIXEL_DEG), (3, "DEC--TAN", DEC, PIXEL_DEG)):
        table.header[f"TCTYP{number}"], table.header[f"TCUNI{number}"] = kind, "deg"
        table.header[f"TCRPX{number}"], table.header[f"TCRVL{number}"] = CENTRE, value
        table.header[f"TCDLT{number}"] = step
    table.header.update(observation())
    good = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", array=[0.0]), fits.Column("STOP", "D", array=[SECONDS])], name="GTI"
    )
    fits.HDUList([fits.PrimaryHDU(), table, good]).writeto(folder / "a.evt")
    return str(folder / "a.evt")


def observation() -> dict[str, Any]:
    return {
        "TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": "900000001", "DATACLAS": "30000010",
        "OBJECT": "SMALL", "FILTER": "NONE", "PROCVER": "03.00", "CALDBVER": "9", "RADECSYS": "FK5",
        "EQUINOX": 2000.0, "RA_NOM": RA, "DEC_NOM": DEC, "PA_NOM": 0.0, "RA_OBJ": RA, "DEC_OBJ": DEC,
        "TSTART": 0.0, "TSTOP": SECONDS, "TIMEDEL": 4.0, "TIMEPIXR": 0.5, "TIMESYS": "TT", "TIMEUNIT": "s",
        "MJDREFI": 58484, "MJDREFF": 0.000800740740740741,
    }  # fmt: skip


def write_attitude(folder: Path) -> str:
    time = np.arange(-5.0, SECONDS + 5)
    columns = {"TIME": time, "RA": time * 0 + RA, "DEC": time * 0 + DEC, "ROLL": time * 0}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, "D", array=values) for name, values in columns.items()], name="EHK"
    )
    table.writeto(folder / "a.ehk")
    return str(folder / "a.ehk")


def write_flags(folder: Path) -> str:
    flags = np.full((DET_SIZE, DET_SIZE), -1, np.int16)
    flags[500:1000, 500:1000] = 0
    fits.PrimaryHDU(flags).writeto(folder / "a.bimg")
    return str(folder / "a.bimg")


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Runs a script in the readers' environment, at home in a folder of its own; what it shows."""
    if not PYTHON.exists():
        pytest.skip("XGA and Sherpa are not installed: `make readers` does it")
    home = tmp_path_factory.mktemp("home")

    def run(prelude: str, folder: Path, script: str) -> dict[str, Any]:
        done = subprocess.run(
            [PYTHON, "-c", f"{SHOW}{prelude}{script}"],
            cwd=folder, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def table(path: Path, name: str) -> Any:
    with fits.open(path, memmap=False) as hdus:
        return hdus[name].copy()


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_xga_reads_images_and_their_sky(products: Path, read: Callable[..., dict[str, Any]]) -> None:
    found = read(
        XGA,
        products,
        """
image = Image("image.fits", lo_en=LOW, hi_en=HIGH, **GIVEN)
sky = image.coord_conv(Quantity([303.25, 303.25], "pix"), "deg")
corner = image.coord_conv(Quantity([[0, 0], [606, 606]], "pix"), "deg")
show(sum=image.data.sum(), shape=image.shape, sky=sky.value, corner=corner.value, usable=image.usable,
     sky_xy=image.skyxy_wcs.wcs.crval, spot=image.data[300:307, 300:307])
""",
    )
    with fits.open(products / "image.fits") as hdus:
        assert found["usable"]
        assert found["sum"] == hdus[0].data.sum() > 500
        assert found["shape"] == [607, 607]
        assert found["spot"] == hdus[0].data[300:307, 300:307].tolist()
        expected = WCS(hdus[0].header).all_pix2world([[0, 0], [606, 606]], 0)
    assert found["sky"] == pytest.approx([RA, DEC], abs=1e-9)
    assert np.array(found["corner"]) == pytest.approx(expected, abs=1e-9)
    assert found["sky_xy"] == [2.5, 2.5]


def test_xga_divides_images_by_exposure_maps(products: Path, read: Callable[..., dict[str, Any]]) -> None:
    found = read(
        XGA,
        products,
        """
image = Image("image.fits", lo_en=LOW, hi_en=HIGH, **GIVEN)
exposure = ExpMap("map4.fits", lo_en=LOW, hi_en=HIGH, **GIVEN)
rates, ours = RateMap(image, exposure), Image("rate.fits", lo_en=LOW, hi_en=HIGH, **GIVEN)
show(maximum=exposure.data.max(), at=exposure.get_exp(Quantity([30.0, 10.0], "deg")).value,
     rates=rates.data[280:327, 280:327], ours=ours.data[280:327, 280:327])
""",
    )
    assert found["maximum"] == pytest.approx(SECONDS, rel=1e-6)
    assert found["at"] == pytest.approx(SECONDS, rel=1e-6)
    assert np.sum(found["rates"]) > 0.1
    assert np.array(found["rates"]) == pytest.approx(np.array(found["ours"]), rel=1e-6)


@pytest.mark.parametrize(("name", "subtracted"), [("curve.fits", False), ("net.fits", True)])
def test_xga_reads_light_curves(
    products: Path, read: Callable[..., dict[str, Any]], name: str, subtracted: bool
) -> None:
    given = f"""
curve = LightCurve("{name}", central_coord=Quantity([30.0, 10.0], "deg"), inn_rad=Quantity(0, "arcmin"),
                   out_rad=Quantity(1.2, "arcmin"), lo_en=LOW, hi_en=HIGH, time_bin_size=Quantity(100, "s"),
                   is_back_sub={subtracted}, **GIVEN)
rate, error = (curve.count_rate, curve.count_rate_err) if {subtracted} else (
    curve.src_count_rate, curve.src_count_rate_err)
show(rate=rate.value, error=error.value, time=curve.time.value, exposed=curve.frac_exp.value,
     start=curve.start_time.value, stop=curve.stop_time.value, system=curve.time_system,
     reference=curve.ref_time.mjd, zero=curve.header["TIMEZERO"])
"""
    found, ours = read(XGA, products, given), table(products / name, "RATE")
    for key, column in (("rate", "RATE"), ("error", "ERROR"), ("time", "TIME"), ("exposed", "FRACEXP")):
        assert found[key] == pytest.approx(ours.data[column].tolist(), rel=1e-6), column
    assert len(found["rate"]) == 10
    assert (found["start"], found["stop"], found["system"]) == (0.0, SECONDS, "TT")
    assert found["reference"] == pytest.approx(58484.000800740741, abs=1e-9)
    # XGA counts from the reference without TIMEZERO, in curves of extractor as in ours.
    assert found["zero"] == 50.0


def test_sherpa_reads_spectra(products: Path, read: Callable[..., dict[str, Any]]) -> None:
    found = read(
        SHERPA,
        products,
        """
ui.load_pha("source.pha")
data = ui.get_data()
show(counts=data.counts, channel=data.channel, exposure=ui.get_exposure(), backscal=ui.get_backscal(),
     area=ui.get_areascal(), grouped=data.grouped, telescope=data.header["TELESCOP"], heard=heard,
     backgrounds=data.background_ids, responses=data.response_ids)
""",
    )
    ours = table(products / "source.pha", "SPECTRUM")
    assert found["heard"] == []
    assert found["counts"] == ours.data["COUNTS"].tolist()
    assert found["channel"] == list(range(4096))
    assert found["exposure"] == SECONDS
    assert (
        found["backscal"] == ours.header["BACKSCAL"] == pytest.approx(np.pi * 40**2 / SKY_SIZE**2, rel=0.01)
    )
    assert (found["area"], found["telescope"], found["grouped"]) == (1.0, "XRISM", False)
    assert found["backgrounds"] == found["responses"] == []
    with fits.open(products / "source.pha") as hdus:
        assert hdus[0].data.max() > 0
        assert hdus[0].header["HDUCLAS2"] == "WMAP"


def test_sherpa_takes_the_groups(products: Path, read: Callable[..., dict[str, Any]]) -> None:
    found = read(
        SHERPA,
        products,
        """
ui.load_pha("grouped.pha")
data = ui.get_data()
groups = data.apply_grouping(data.counts)
ui.ignore_bad()
show(grouped=data.grouped, grouping=data.grouping, quality=data.quality, groups=groups,
     good=data.apply_filter(data.counts), exposure=ui.get_exposure(), heard=heard)
""",
    )
    ours = table(products / "grouped.pha", "SPECTRUM").data
    starts = np.flatnonzero(ours["GROUPING"] == 1)
    assert found["heard"] == []
    assert found["grouped"] is True
    assert found["grouping"] == ours["GROUPING"].tolist()
    assert found["quality"] == ours["QUALITY"].tolist()
    assert found["groups"] == np.add.reduceat(ours["COUNTS"], starts).tolist()
    assert found["exposure"] == SECONDS
    assert min(found["good"]) >= 20
    assert 10 < len(found["good"]) < len(starts)


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_is_valid_and_says_what_it_is(products: Path, name: str) -> None:
    # A wrong CHECKSUM or DATASUM is a warning, and warnings are errors here.
    with fits.open(products / name, checksum=True) as hdus:
        hdus.verify("exception")
        assert hdus[0].header.get("BUNIT") == PRODUCTS[name]
        for hdu in hdus:
            check_header(hdu, name)


def check_header(hdu: Any, name: str) -> None:
    header = hdu.header
    assert {"CHECKSUM", "DATASUM"} <= set(header), hdu.name
    said = {
        key: header.get(key) for key in ("TELESCOP", "INSTRUME", "OBS_ID", "DATACLAS", "PROCVER", "CALDBVER")
    }
    assert said == {key: observation()[key] for key in said}, hdu.name
    assert header["CREATOR"].startswith("xtendflow ")
    assert (header["ENGINE"], header["RECIPE"]) == ("native", RECIPE[:16])
    if hdu.name not in ("GTI", "REG00101"):
        # These two hold nothing that was selected.
        assert selection(name) in "\n".join(header["HISTORY"]), hdu.name


def selection(name: str) -> str:
    """What HISTORY must tell, among other things."""
    if name.startswith("map"):
        return "good time of"
    return "PI 100:334, both included" if name.endswith(".fits") else "no cut in PI"
