"""What is asked of XSPEC and made of its answers; XSPEC itself is a double here."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import BadInput, EnvironmentFault, SoftwareFault
from tasks.core.identifiers import Band
from tasks.fitting import pyxspec
from tasks.fitting.inputs import read_files
from tasks.fitting.pyxspec import XspecModel, fit_with_xspec
from tasks.library.spectral.result import FitResult


class Parameter(SimpleNamespace):
    """As in PyXspec, a number given for `values` is the first of them."""

    @property
    def values(self) -> list[float]:
        return self.kept

    @values.setter
    def values(self, given: Any) -> None:
        self.kept = list(given) if isinstance(given, list) else [given, *self.kept[1:]]


class Data(SimpleNamespace):
    """As in PyXspec, a name given for `response` is loaded, and an object comes back."""

    @property
    def response(self) -> Any:
        return self.loaded

    @response.setter
    def response(self, name: str) -> None:
        self.loaded = SimpleNamespace(rmf=name)


class Double:
    """As much of PyXspec as is used: it notes what is asked and has one answer for everything."""

    def __init__(self, groups: int, falls: float = 0.0, letters: str = "FFFFFFFFF") -> None:
        self.asked: list[Any] = []
        self.groups, self.falls = groups, falls
        self.parameters = {
            "apec.kT": self._parameter(1, [4.0, 0.1, 0.01, 0.01, 60.0, 60.0], "keV", letters),
            "apec.norm": self._parameter(2, [0.5, 0.1, 0, 0, 1e20, 1e24], "", letters),
        }
        self.Xset = SimpleNamespace(version=("2.1.4", "12.14.1"))
        self.Fit = SimpleNamespace(
            statistic=120.0,
            dof=groups - 2,
            renorm=lambda: None,
            perform=self._perform,
            error=lambda text: self.asked.append(("error", text)),
        )
        self.AllModels = self._all_models()

    def _parameter(self, index: int, values: list[float], unit: str, letters: str) -> Any:
        low, high = 0.9 * values[0], 1.2 * values[0]
        return Parameter(
            index=index, kept=values, unit=unit, frozen=False, link="", error=(low, high, letters)
        )

    def _perform(self) -> None:
        self.Fit.statistic -= self.falls

    def _all_models(self) -> Any:
        class AllModels:
            def __call__(self, number: int) -> Any:
                return SimpleNamespace(folded=lambda _: np.ones(groups))

            def calcFlux(self, text: str) -> None:
                asked.append(("flux", text))

        groups, asked = self.groups, self.asked
        return AllModels()

    def Spectrum(self, name: str) -> Any:
        self.data = Data(
            noticed=range(self.groups),
            response="",
            flux=(3e-12, 0, 0),
            ignore=lambda text: self.asked.append(("ignore", text)),
        )
        self.asked.append(("spectrum", name))
        return self.data

    def Model(self, expression: str) -> Any:
        self.asked.append(("model", expression))
        own = {name.partition(".")[2]: parameter for name, parameter in self.parameters.items()}
        apec = SimpleNamespace(parameterNames=["kT", "norm"], **own)
        return SimpleNamespace(componentNames=["apec"], apec=apec)


@pytest.fixture
def files(toy, monkeypatch):
    """In the working directory: a spectrum of 30 counts a channel, a background, a response."""
    toy.pha(np.full(100, 30), RESPFILE="toy.rmf", ANCRFILE="toy.arf")
    toy.pha(np.full(100, 3), "back.pha")
    toy.rmf(), toy.arf()
    monkeypatch.chdir(toy.folder)


@pytest.fixture
def double(monkeypatch):
    def place(*given: Any, **more: Any) -> Double:
        made = Double(*given, **more)
        monkeypatch.setattr(pyxspec, "import_module", lambda name: {"xspec": made}[name])
        return made

    return place


def fitted(statistic: Any = None, expression: str = "apec", **given: Any) -> FitResult:
    paths = {name: Path(given.pop(name)) for name in ("background", "rmf", "arf") if name in given}
    files = read_files(Path("toy.pha"), **paths)
    model = XspecModel(expression, **given)
    return fit_with_xspec(files, model, Band.parse("0.5-7.5"), statistic=statistic, given=paths)


@pytest.mark.usefixtures("files")
def test_the_same_result_as_of_the_other_engine(double):
    xspec = double(70)
    result = fitted(background="back.pha", statistic="wstat", frozen={"apec.kt": 3.0})
    assert (result.engine, result.versions) == ("xspec", {"xspec": "12.14.1"})
    assert (result.statistic.name, result.statistic.value, result.dof) == ("wstat", 120.0, 69)
    norm = result.parameters["apec.norm"]
    assert (norm.value, norm.low, norm.high, norm.frozen) == (0.5, 0.45, 0.6, False)
    assert result.parameters["apec.kT"].frozen
    assert result.flux.value == 3e-12
    assert result.counts == 70 * 30
    assert result.curve.model == pytest.approx([1 / 0.1] * 70, rel=1e-5)
    assert result.cautions == ()
    assert xspec.asked == [
        ("spectrum", "toy.pha"),
        ("ignore", "bad"),
        ("ignore", "**-0.5 7.5-**"),
        ("model", "apec"),
        ("error", "2.706 2"),
        ("flux", "0.5 7.5"),
    ]
    assert xspec.data.background == "back.pha"
    assert xspec.Fit.statMethod == "cstat"
    assert result.parameters["apec.kT"].value == 3.0


@pytest.mark.usefixtures("files")
def test_bounds_and_start_values(double):
    xspec = double(70)
    fitted(start={"apec.kT": 2.0})
    assert xspec.parameters["apec.kT"].values == [2.0, 0.1, 0.01, 0.01, 60.0, 60.0]
    xspec = double(70)
    fitted(bounds={"apec.kT": (5.0, 9.0)})
    assert xspec.parameters["apec.kT"].values == [5.0, 0.1, 5.0, 5.0, 9.0, 9.0]


@pytest.mark.usefixtures("files")
def test_trouble_in_letters(double):
    double(70, letters="FFFTFFFFF")
    result = fitted()
    assert result.statistic.name == "cstat"
    assert result.parameters["apec.kT"].low is None
    assert result.parameters["apec.kT"].high == pytest.approx(4.8)
    assert [caution.id for caution in result.cautions] == ["range-open"]


@pytest.mark.usefixtures("files")
def test_a_fit_that_goes_on_falling_did_not_converge(double):
    xspec = double(70, falls=5.0)
    result = fitted()
    assert not result.converged
    assert [caution.id for caution in result.cautions] == ["fit-not-converged"]
    assert not [what for what, _ in xspec.asked if what == "error"]


@pytest.mark.usefixtures("files")
def test_what_xspec_does_not_take_is_said_in_its_words(double, monkeypatch):
    def refuse(expression):
        raise Exception("Error: Model string is invalid.")

    xspec = double(70)
    monkeypatch.setattr(xspec, "Model", refuse)
    with pytest.raises(BadInput, match=r"XSPEC does not take the model apec\(: Error: Model string"):
        fitted(expression="apec(")


@pytest.mark.usefixtures("files")
def test_nothing_is_left_to_fit(double):
    double(70)
    with pytest.raises(BadInput, match="every parameter of apec is frozen"):
        fitted(frozen={"apec.kT": 3.0, "apec.norm": 1.0})


@pytest.mark.usefixtures("files")
def test_files_that_are_given_go_before_those_of_the_header(double):
    xspec = double(70)
    fitted(rmf="toy.rmf", arf="toy.arf", background="none")
    loaded = xspec.data.response
    assert (loaded.rmf, loaded.arf, xspec.data.background) == ("toy.rmf", "toy.arf", "none")


@pytest.mark.usefixtures("files")
def test_what_is_refused(double, monkeypatch):
    double(70)
    with pytest.raises(BadInput, match=r"apec has no parameter apec\.Z: it has apec\.kT, apec\.norm"):
        fitted(frozen={"apec.Z": 1.0})
    double(60)
    with pytest.raises(SoftwareFault, match=r"XSPEC uses 60 groups of toy\.pha, but 70 lie in"):
        fitted()

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(pyxspec, "import_module", absent)
    with pytest.raises(EnvironmentFault, match="there is no PyXspec for this Python"):
        fitted()
