"""The step's function: what it leaves as a file, as a fact and as a caution, and when it makes nothing."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import EnvironmentFault
from tasks.engines.runner import run_call_blocking
from tasks.fitting import extras, sherpa_engine, step
from tasks.fitting.model import photons_of
from tasks.fitting.step import fit_spectrum
from tasks.library.call import Call, Report
from tasks.library.recipe import Fit
from tasks.library.spectral.model import Model
from tasks.library.spectral.result import FitResult

TRUTH = {"powerlaw.PhoIndex": 1.7, "powerlaw.norm": 0.02}
FILES = {"spectrum": "toy.pha", "background": "back.pha", "rmf": "toy.rmf", "arf": "toy.arf"}


@pytest.fixture(autouse=True)
def _folder(toy, monkeypatch):
    """In the working directory: a power law, its background and the response, none of which is linked."""
    pytest.importorskip("sherpa")
    pytest.importorskip("periodictable")
    photons = photons_of(Model.build("powerlaw"), toy.edges[:-1], toy.edges[1:])(TRUTH)
    noise = np.random.default_rng(5)
    toy.pha(noise.poisson(1000 * 50 * photons @ toy.matrix() + 20), RESPFILE="none", ANCRFILE="none")
    toy.pha(noise.poisson(np.full(100, 80)), "back.pha", BACKSCAL=4.0)
    toy.rmf(), toy.arf()
    monkeypatch.chdir(toy.folder)


def parameters(files: dict[str, str] = FILES, fitter: str = "sherpa", **part: Any) -> dict[str, Any]:
    """As an engine plans them."""
    recipe = Fit.model_validate({"model": "powerlaw", "band": "0.5-8"} | part)
    own = {"name": "a-fit.json", "fitter": fitter, "files": files}
    return own | recipe.model_dump(mode="json", exclude={"despite"})


def fitted(toy: Any, **asked: Any) -> tuple[Report, FitResult]:
    report = fit_spectrum(**parameters(**asked))
    assert not report.not_made
    return report, FitResult.model_validate_json((toy.folder / "a-fit.json").read_text())


def test_the_file_holds_the_fit_and_the_fact_the_same_without_its_plot(toy):
    report, result = fitted(toy)
    for name, true in TRUTH.items():
        found = result.parameters[name]
        assert found.low < found.value < found.high
        assert abs(found.value - true) < 2 * (found.high - found.low)
    assert result.statistic.name == "wstat"
    assert (result.grouping, result.engine, result.band) == ("opt", "sherpa", "0.5-8.0")
    assert len(result.curve.rate) == result.groups
    whole = json.loads((toy.folder / "a-fit.json").read_text())
    assert report.facts["fit"] == {key: whole[key] for key in whole if key not in ("curve", "cautions")}
    assert report.file_cautions == {"a-fit.json": result.cautions}


def test_what_the_recipe_says_is_done(toy):
    _, result = fitted(
        toy,
        freeze={"powerlaw.norm": 0.02},
        bounds={"powerlaw.PhoIndex": (1.9, 3.0)},
        statistic="chi2",
        abundances="wilm",
    )
    index, norm = result.parameters["powerlaw.PhoIndex"], result.parameters["powerlaw.norm"]
    assert (norm.value, norm.frozen) == (0.02, True)
    assert index.value == pytest.approx(1.9, abs=1e-3)
    assert (result.statistic.name, result.abundances) == ("chi2", "wilm")
    assert "range-open" in [found.id for found in result.cautions]


def test_without_a_background_and_without_an_arf(toy):
    report, result = fitted(toy, files={"spectrum": "toy.pha", "rmf": "toy.rmf"})
    assert (result.statistic.name, result.flux) == ("cstat", None)
    assert "no-effective-area" in [found.id for found in report.file_cautions["a-fit.json"]]


def test_what_the_header_names_does_not_count(toy):
    toy.pha(np.full(100, 50), BACKFILE="absent.pha", RESPFILE="absent.rmf", ANCRFILE="absent.arf")
    _, result = fitted(toy, files={"spectrum": "toy.pha", "rmf": "toy.rmf"})
    assert result.statistic.name == "cstat"


def test_a_fit_that_does_not_converge_is_a_caution(toy, monkeypatch):
    monkeypatch.setattr(sherpa_engine, "_MOST_STEPS", 3)
    report, result = fitted(toy)
    assert not result.converged
    assert "fit-not-converged" in [found.id for found in report.file_cautions["a-fit.json"]]


@pytest.mark.parametrize(
    ("counts", "part", "said"),
    [
        (np.zeros(100), {}, "toy.pha holds no count in 0.5-8.0 keV"),
        (np.ones(60), {}, "they do not belong together"),
        (np.ones(100), {"band": "0.5-0.7"}, "too few for 2 free parameters"),
        (np.ones(100), {"band": "12-15"}, "no group of good channels wholly inside 12.0-15.0 keV"),
    ],
)
def test_data_that_allow_no_fit_are_the_reason_for_none(toy, counts, part, said):
    toy.pha(counts)
    files = {name: file for name, file in FILES.items() if name != "background"}
    report = fit_spectrum(**parameters(files, **part))
    assert said in report.not_made["a-fit.json"]
    assert not (toy.folder / "a-fit.json").exists()


def test_wstat_without_a_background_is_the_reason_for_none():
    files = {name: file for name, file in FILES.items() if name != "background"}
    report = fit_spectrum(**parameters(files, statistic="wstat"))
    assert "wstat needs a background spectrum" in report.not_made["a-fit.json"]


def test_an_installation_that_is_broken_is_no_reason_of_the_data(monkeypatch):
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(EnvironmentFault, match="a fit needs sherpa"):
        fit_spectrum(**parameters())


def test_xspec_is_asked_for_the_same(monkeypatch):
    asked: dict[str, Any] = {}

    def stand_in(files: Any, model: Any, band: Any, **more: Any) -> Any:
        asked.update(more, model=model, band=str(band), spectrum=files.spectrum.name)
        made = SimpleNamespace(model_dump_json=lambda **_: "{}", model_dump=lambda **_: {}, cautions=())
        made.model_copy = lambda **_: made
        return made

    monkeypatch.setattr(step, "fit_with_xspec", stand_in)
    files = {name: file for name, file in FILES.items() if name != "background"}
    fit_spectrum(**parameters(files, "xspec", model="tbabs*apec", freeze={"apec.kT": 2}, statistic="cstat"))
    assert asked["model"].expression == "tbabs*apec"
    assert asked["model"].frozen == {"apec.kT": 2}
    assert {key: str(path) for key, path in asked["given"].items()} == {
        "background": "none", "rmf": "toy.rmf", "arf": "toy.arf",
    }  # fmt: skip
    assert (asked["spectrum"], asked["band"], asked["statistic"]) == ("toy.pha", "0.5-8.0", "cstat")


def test_in_a_child_process(toy, tmp_path_factory):
    call = Call(
        function="tasks.fitting.step:fit_spectrum",
        parameters=parameters(),
        inputs={name: str(toy.folder / name) for name in FILES.values()},
        outputs=("a-fit.json",),
    )
    folder = tmp_path_factory.mktemp("call") / "here"
    report = run_call_blocking(call, folder)
    assert report.facts["fit"]["converged"] is True
    assert FitResult.model_validate_json((folder / "a-fit.json").read_text()).curve
