"""The `fit` command: what it prints of which options, and how it ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from astropy.io import fits
from typer.testing import CliRunner, Result

from flows.cli.fit import fit
from tasks.archive.simulated.optics import effective_area
from tasks.archive.simulated.response import arf_hdus, redistribution, rmf_hdus
from tasks.core.errors import BadInput, EnvironmentFault, Permanent
from tasks.fitting import extras
from tasks.fitting.components import SHAPES

PN = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "real" / "xmm-pn"
SECONDS, SHARE, INDEX = 2000.0, 0.8, 1.7
POWER_LAW = ("--model", "powerlaw", "--band", "0.6-8", "--group", "opt")
Command = Callable[..., Result]


@pytest.fixture
def command() -> Command:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(fit)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A power law seen by the simulated archive's instrument: source, background, RMF and ARF."""
    made = tmp_path_factory.mktemp("spectrum")
    fits.HDUList(rmf_hdus()).writeto(made / "x.rmf")
    fits.HDUList(arf_hdus(SHARE)).writeto(made / "x.arf")
    grid = redistribution()
    photons = SHAPES["powerlaw"](grid.edges[:-1], grid.edges[1:], "angr")(PhoIndex=INDEX, norm=2e-3)
    source = grid.fold(photons * effective_area(grid.centres) * SHARE) * SECONDS
    noise, behind = np.random.default_rng(11), 0.3 * np.exp(-np.arange(4096) / 500)
    write(made / "src.pha", noise.poisson(source + behind), RESPFILE="x.rmf", ANCRFILE="x.arf")
    write(made / "back.pha", noise.poisson(5 * behind), BACKSCAL=5.0)
    write(made / "linked.pha", noise.poisson(source), RESPFILE="x.rmf", ANCRFILE="x.arf", BACKFILE="back.pha")
    write(made / "dark.pha", np.zeros(4096), RESPFILE="x.rmf", ANCRFILE="x.arf")
    write(made / "short.pha", np.ones(1024), RESPFILE="x.rmf", ANCRFILE="x.arf")
    write(made / "alone.pha", np.ones(4096))
    return made


def write(path: Path, counts: Any, **header: Any) -> None:
    columns = [
        fits.Column("CHANNEL", "J", array=np.arange(len(counts))),
        fits.Column("COUNTS", "J", array=counts, unit="count"),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    common = {
        "EXPOSURE": SECONDS,
        "BACKSCAL": 1.0,
        "AREASCAL": 1.0,
        "DETCHANS": len(counts),
        "POISSERR": True,
    }
    table.header.update(common | header)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


@pytest.fixture
def fitted(command: Command) -> Callable[..., dict[str, Any]]:
    """Runs the command with --json: what it prints."""
    pytest.importorskip("sherpa")
    pytest.importorskip("periodictable")

    def run(*words: object) -> dict[str, Any]:
        result = command(*words, "--json")
        assert result.exit_code == 0, result.exception or result.stderr
        return dict(json.loads(result.stdout))

    return run


@pytest.fixture
def refused(command: Command) -> Callable[..., str]:
    """Runs a command that must be refused as bad input: what it says."""

    def run(*words: object) -> str:
        result = command(*words)
        assert isinstance(result.exception, BadInput), result.exception
        assert result.stdout == ""
        return str(result.exception)

    return run


def test_json(fitted, folder):
    found = fitted(folder / "src.pha", "--background", folder / "back.pha", *POWER_LAW)
    index = found["parameters"]["powerlaw.PhoIndex"]
    assert set(index) == {"value", "low", "high", "frozen", "unit"}
    assert index["low"] < index["value"] < index["high"]
    assert index["value"] == pytest.approx(INDEX, abs=0.15)
    assert index["frozen"] is False
    assert found["statistic"]["name"] == "wstat"
    assert 0.5 < found["statistic"]["value"] / found["dof"] < 1.5
    assert found["flux"]["unit"] == "erg / (cm2 s)"
    assert found["confidence"] == 0.9
    assert found["converged"] is True
    assert "curve" not in found


def test_a_process_of_its_own_prints_nothing_but_json(folder):
    pytest.importorskip("sherpa")
    pytest.importorskip("periodictable")
    # Sherpa talks from its import on, which has long happened in this process.
    program = "import typer; from flows.cli.fit import fit; typer.run(fit)"
    words = [str(folder / "linked.pha"), *POWER_LAW, "--json"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["converged"] is True
    assert done.stderr == ""


def test_files_of_the_header_and_none(fitted, folder):
    assert fitted(folder / "linked.pha", *POWER_LAW)["statistic"]["name"] == "wstat"
    without = fitted(folder / "linked.pha", "--background", "none", *POWER_LAW)
    assert without["statistic"]["name"] == "cstat"


def test_a_frozen_parameter_stays(fitted, folder):
    found = fitted(
        folder / "src.pha", "--model", "phabs*powerlaw", "--freeze", "phabs.nH=0.07", "--band", "0.6-8",
        "--group", "min:20", "--statistic", "chi2",
    )  # fmt: skip
    column = found["parameters"]["phabs.nH"]
    assert column == {"value": 0.07, "low": None, "high": None, "frozen": True, "unit": "1e22 cm^-2"}
    assert found["statistic"]["name"] == "chi2"
    assert found["dof"] == found["groups"] - 2


def test_bounds_hold(fitted, folder):
    found = fitted(folder / "src.pha", *POWER_LAW, "--bounds", "powerlaw.phoindex=2.1:3")
    index = found["parameters"]["powerlaw.PhoIndex"]
    assert index["value"] == pytest.approx(2.1, abs=1e-3)
    assert index["low"] is None


def test_groups_by_counts_of_the_background(fitted, folder):
    background = ("--background", folder / "back.pha")
    found = fitted(folder / "src.pha", *background, "--model", "powerlaw", "--group", "bmin:20")
    assert 10 < found["groups"] < 100


def test_cstat_with_a_background_says_what_it_became(command, folder):
    pytest.importorskip("sherpa")
    pytest.importorskip("periodictable")
    result = command(folder / "linked.pha", "--statistic", "cstat", *POWER_LAW)
    assert result.exit_code == 0
    assert "W was used, under the name wstat" in result.stderr
    assert "wstat" in result.stdout
    assert "powerlaw.PhoIndex" in result.stdout
    assert "erg / (cm2 s)" in result.stdout


def test_a_real_spectrum(fitted):
    if not PN.is_dir():
        pytest.skip("no reference data beside the repository")
    found = fitted(
        PN / "pn_spec.fits.gz", "--background", PN / "pn_backspec.fits.gz", "--rmf", PN / "pn.rmf.gz",
        "--arf", PN / "pn.arf.gz", "--model", "phabs*powerlaw", "--band", "0.5-7", "--statistic", "wstat",
        "--group", "opt",
    )  # fmt: skip
    values = {name: parameter["value"] for name, parameter in found["parameters"].items()}
    assert values["phabs.nH"] == pytest.approx(0.177, abs=0.002)
    assert values["powerlaw.PhoIndex"] == pytest.approx(0.739, abs=0.004)
    assert values["powerlaw.norm"] == pytest.approx(6.78e-4, rel=0.005)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("absent.pha",), "there is no file"),
        (("alone.pha",), "alone.pha names no response (RESPFILE): give --rmf"),
        (("alone.pha", "--rmf", "absent.rmf"), "there is no file"),
        (("short.pha",), "x.rmf has 4096 channels and short.pha 1024"),
        (
            ("src.pha", "--background", "short.pha"),
            "the background short.pha has 1024 channels and src.pha 4096",
        ),
        (("src.pha", "--rmf", "x.arf"), "x.arf holds no response matrix"),
        (("src.pha", "--arf", "x.rmf"), "x.rmf holds no effective area"),
        (("src.pha", "--statistic", "wstat"), "wstat needs a background spectrum"),
        (("dark.pha",), "dark.pha holds no count in 0.5-10.0 keV"),
        (("src.pha", "--band", "30-40"), "src.pha has no group of good channels wholly inside 30.0-40.0 keV"),
        (("src.pha", "--band", "7-0.5"), "upside down"),
        (
            ("src.pha", "--model", "apec"),
            "apec is a model of XSPEC, and Sherpa as installed here has no XSPEC",
        ),
        (("src.pha", "--model", "powrlaw"), "there is no model component powrlaw"),
        (("src.pha", "--freeze", "powerlaw.norm"), "cannot be read: write it as phabs.nH=0.07"),
        (("src.pha", "--bounds", "powerlaw.PhoIndex=1"), "write it as powerlaw.PhoIndex=1:3"),
        (("src.pha", "--bounds", "powerlaw.PhoIndex=3:1"), "upside down"),
        (("src.pha", "--background", "none", "--group", "bmin:5"), "a grouping bmin:5 goes by a background"),
        (("src.pha", "--freeze", "phabs.nH=1"), "has no parameter phabs.nH"),
        (("src.pha", "--group", "5"), "'5' is not a grouping"),
        (
            ("src.pha", "--freeze", "powerlaw.norm=1", "--freeze", "powerlaw.PhoIndex=2"),
            "every parameter of powerlaw is frozen",
        ),
        (
            ("src.pha", "--start", "powerlaw.norm=1", "--start", "powerlaw.norm=2"),
            "--start gives powerlaw.norm twice",
        ),
    ],
)
def test_bad_input(refused, folder, words, said):
    files = [folder / word if word.endswith((".pha", ".rmf", ".arf")) else word for word in words]
    model = () if "--model" in words else ("--model", "powerlaw")
    assert said in refused(*files, *model)


def test_a_fit_that_does_not_converge_prints_and_ends_with_1(command, folder, monkeypatch):
    pytest.importorskip("sherpa")
    pytest.importorskip("periodictable")
    monkeypatch.setattr("tasks.fitting.sherpa_engine._MOST_STEPS", 3)
    result = command(folder / "src.pha", *POWER_LAW, "--json")
    assert isinstance(result.exception, Permanent)
    assert Permanent.exit_status == 1
    assert json.loads(result.stdout)["converged"] is False
    assert "did not converge" in result.stderr


def test_without_sherpa_the_extra_is_named(command, folder, monkeypatch):
    def absent(module):
        raise ImportError(module)

    monkeypatch.setattr(extras, "import_module", absent)
    result = command(folder / "src.pha", *POWER_LAW)
    assert isinstance(result.exception, EnvironmentFault)
    assert "pip install 'xtendflow[sherpa]'" in str(result.exception)
