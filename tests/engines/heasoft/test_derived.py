"""What lcmath and ftgrouppha are asked for, and how rate images come about."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft import tool
from tasks.engines.heasoft.curves import net_parameters, subtract
from tasks.engines.heasoft.derived import divide, plan
from tasks.engines.heasoft.grouping import group_call, group_parameters
from tasks.engines.runner import run_call_blocking
from tasks.library.call import Report
from tasks.library.manifest import Kind, Role, Step
from tasks.xtend.grouping import GroupingRule

GROUPING = {
    "infile": "source.pha", "backfile": "NONE", "outfile": "grouped0.fits", "minchannel": -1,
    "maxchannel": -1, "templatefile": "NONE", "rows": "-", "clobber": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("min:25", {"grouptype": "min", "groupscale": 25.0}),
        ("opt", {"grouptype": "opt", "groupscale": 1.0, "respfile": "source.rmf"}),
        ("optmin:20", {"grouptype": "optmin", "groupscale": 20.0, "respfile": "source.rmf"}),
        ("bmin:3", {"grouptype": "bmin", "groupscale": 3.0, "backfile": "background.pha"}),
    ],
)
def test_how_a_grouping_is_asked_for(rule, asked):
    given = group_parameters("grouped0.fits", GroupingRule.parse(rule))
    assert given == GROUPING | {"respfile": "NONE"} | asked


@pytest.mark.parametrize(("errors", "mode"), [("gaussian", 2), ("linear", 1)])
def test_a_net_curve(errors, mode):
    assert net_parameters("net0.fits", 0.4321, errors) == {
        "infile": "source.lc", "bgfile": "background.lc", "outfile": "net0.fits", "multi": 1.0,
        "multb": 0.4321, "addsubr": False, "addi": 0.0, "addb": 0.0, "docor": True, "emin": 0, "emax": 0,
        "err_mode": mode,
    }  # fmt: skip


@pytest.mark.parametrize(
    "lacks",
    [
        lambda item: False,
        lambda item: item.spec.role == Role.BACKGROUND,
        lambda item: item.spec.kind == Kind.EXPOSURE_MAP,
        lambda item: item.spec.role in (Role.SOURCE, Role.BACKGROUND),
    ],
    ids=["everything", "no background", "no map", "no region"],
)
def test_a_plan_holds(planned, holds, lacks):
    holds(planned(Step.DERIVED, plan, lacks=lacks), Step.DERIVED)


def test_the_calls_of_a_plan(planned):
    made = planned(
        Step.DERIVED,
        plan,
        recipe={
            "light_curves": {"net_errors": "linear"},
            "spectra": {"grouping": ("opt", "min:25", "optmin:9", "bmin:3")},
        },
    )
    assert [call.function.rpartition(".")[2] for call in made.calls] == [
        "derived:divide", *["curves:subtract"] * 3, *["tool:run"] * 2, "finishing:finish",
    ]  # fmt: skip
    assert [given["err_mode"] for given in made.given("lcmath")] == [1, 1, 1]
    assert [given["grouptype"] for given in made.given("ftgrouppha")] == ["min", "bmin"]
    assert [given["groupscale"] for given in made.given("ftgrouppha")] == [25.0, 3.0]
    assert [call.inputs.keys() for call in made.tool("ftgrouppha")] == [
        {"source.pha"}, {"source.pha", "background.pha"},
    ]  # fmt: skip
    assert "-back-" in made.tool("ftgrouppha")[1].inputs["background.pha"]


def test_a_net_curve_takes_curves_and_spectra_of_both_roles(planned):
    made = planned(Step.DERIVED, plan)
    links = made.tool("lcmath")[1].inputs
    assert "en2.0_6.0keV" in links["source.lc"]
    assert links["background.lc"].endswith("-back-lightcurve.fits")
    assert "-back-" not in links["source.pha"]
    assert links["background.pha"].endswith("-back-spectrum.fits")


def test_history_of_derived_products(planned):
    made = planned(Step.DERIVED, plan)
    assert made.finish["rate0.fits"]["history"] == [
        "divided by xtendflow's own code, since no FTOOL blanks low exposure and calibration sources"
    ]
    assert "BSCRATIO" in made.finish["net0.fits"]["history"][0]
    assert "gaussian errors" in made.finish["net0.fits"]["history"][0]
    assert made.finish["grouped0.fits"]["history"][1].startswith("ftgrouppha infile=source.pha")


def spectrum(name, backscal):
    table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=[1])], name="SPECTRUM")
    table.header["BACKSCAL"] = backscal
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(name)


@pytest.fixture
def lcmath(tmp_path, monkeypatch):
    """Two spectra, and a tool that notes what it was asked for and leaves a curve."""
    asked = {}
    monkeypatch.chdir(tmp_path)
    spectrum("source.pha", 0.002)
    spectrum("background.pha", 0.005)

    def run(then, **given):
        asked.update(given)
        rate = fits.BinTableHDU.from_columns([fits.Column("RATE", "E", array=[1.0])], name="RATE")
        fits.HDUList([fits.PrimaryHDU(), rate]).writeto(given["parameters"]["outfile"])
        then()
        return Report(facts={"ran": True})

    monkeypatch.setattr(tool, "run", run)
    return asked


def test_the_background_is_scaled_by_the_spectra(lcmath):
    told = subtract(net_parameters("net0.fits", 1.0, "gaussian"), tool="lcmath", chatter=1)
    assert (told.facts, told.settled) == ({"ran": True}, {"multb": 0.002 / 0.005})
    assert lcmath["parameters"] == net_parameters("net0.fits", 0.002 / 0.005, "gaussian")
    assert (lcmath["tool"], lcmath["chatter"]) == ("lcmath", 1)
    header = fits.getheader("net0.fits", "RATE")
    assert (header["BSCRATIO"], header["ERRMODE"]) == (0.002 / 0.005, 2)


@pytest.mark.parametrize("name", ["source.pha", "background.pha"])
def test_without_exposure_there_is_no_net_curve(lcmath, name):
    Path(name).unlink()
    spectrum(name, 0.0)
    told = subtract(net_parameters("net0.fits", 1.0, "gaussian"), tool="lcmath")
    assert told.not_made.keys() == {"net0.fits"}
    assert f"BACKSCAL of {name} is 0" in told.not_made["net0.fits"]
    assert not lcmath


def test_a_fault_of_the_tool_is_not_hidden(lcmath, monkeypatch):
    def fail(**given):
        raise SoftwareFault("lcmath ended with 1")

    monkeypatch.setattr(tool, "run", fail)
    with pytest.raises(SoftwareFault, match="ended with 1"):
        subtract(net_parameters("net0.fits", 1.0, "gaussian"), tool="lcmath")


def image(name, values):
    hdu = fits.PrimaryHDU(np.asarray(values, np.float32))
    hdu.header.update(IMGBIN=1, TELESCOP="OTHER")
    hdu.writeto(name)


def test_a_file_without_a_curve_is_not_taken_for_one(lcmath, monkeypatch):
    def nearly(then, **given):
        fits.PrimaryHDU().writeto("net0.fits")
        then()

    monkeypatch.setattr(tool, "run", nearly)
    with pytest.raises(SoftwareFault, match=r"lcmath left no light curve in net0\.fits"):
        subtract(net_parameters("net0.fits", 1.0, "gaussian"), tool="lcmath")


def test_nothing_takes_the_place_of_a_tool_that_is_missing(double, double_headas, tmp_path, monkeypatch):
    headas = tmp_path / "headas"
    shutil.copytree(double_headas, headas)
    (headas / "syspfiles" / "ftgrouppha.par").unlink()
    monkeypatch.setenv("HEADAS", str(headas))
    call = group_call("grouped0.fits", GroupingRule("min", 1), {}, 1)
    with pytest.raises(SoftwareFault, match="ftgrouppha cannot be used by heasoftpy"):
        run_call_blocking(call, tmp_path / "work")


def test_rate_images_are_those_of_the_native_engine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image("counts.fits", [[4, 6], [1, 8]])
    image("exposure.fits", [[2, 3], [0, 4]])
    image("nothing.fits", [[0, 0], [0, 0]])
    asked = {"image": "counts.fits", "minimum_fraction": 0.05}
    told = divide(
        [
            asked | {"name": "rate0.fits", "exposure_map": "exposure.fits"},
            asked | {"name": "rate1.fits", "exposure_map": "nothing.fits"},
        ],
        "none",
    )
    assert fits.getdata("rate0.fits").tolist()[0] == [2, 2]
    assert np.isnan(fits.getdata("rate0.fits")[1, 0])
    assert told.not_made == {"rate1.fits": "nothing.fits holds no exposure"}
