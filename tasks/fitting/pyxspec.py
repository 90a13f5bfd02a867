"""Fits with XSPEC itself, through PyXspec.

XSPEC keeps its state in the process, so this is a function for the runner to call in a child process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput, EnvironmentFault, SoftwareFault
from tasks.core.identifiers import Band
from tasks.fitting.inputs import Files
from tasks.fitting.judging import choose
from tasks.fitting.observation import Observation, observe
from tasks.fitting.outcome import End, Problem, refuse_hopeless, result_of
from tasks.library.spectral.result import DELTA_STATISTIC, FitResult, Fitted, Flux, Statistic

Floats = NDArray[np.float64]

_NAMES: Final[Mapping[Statistic, str]] = {"cstat": "cstat", "wstat": "cstat", "chi2": "chi"}
"""XSPEC's cstat is W as soon as there is a background."""
_MOST_STEPS: Final = 1000
_AGREED: Final = 0.01
"""A second fit that lowers the statistic by less has found nothing new."""


@dataclass(frozen=True)
class XspecModel:
    """A model of XSPEC and what its parameters may be.

    Parameters
    ----------
    expression : str
        As XSPEC reads it.
    abundances : str
        XSPEC's name of a table.
    frozen, start, bounds : mapping
        Values, and lowest and highest values, by `component.Parameter`, in any case.
    """

    expression: str
    abundances: str = "angr"
    frozen: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, Sequence[float]] = field(default_factory=dict)


def fit_with_xspec(
    files: Files,
    model: XspecModel,
    band: Band,
    *,
    statistic: Statistic | None = None,
    given: Mapping[str, Path] | None = None,
) -> FitResult:
    """Fit any of XSPEC's models to a spectrum in the groups of its file.

    Parameters
    ----------
    files : Files
        The data as they were read, for what XSPEC does not tell.
    model : XspecModel
        What to fit.
    band : Band
        In keV.
    statistic : {"cstat", "wstat", "chi2"}, optional
        As `tasks.fitting.fit.fit`.
    given : mapping, optional
        `background`, `rmf` and `arf`, as `read_files` was given them.

    Raises
    ------
    BadInput
        When the data or the model do not allow a fit.
    EnvironmentFault
        When there is no PyXspec.
    SoftwareFault
        When XSPEC uses other groups than are expected.
    """
    observed = observe(files.spectrum, files.response, band, background=files.background)
    chosen, said = choose(statistic, observed)
    problem = Problem(
        files.spectrum.name,
        observed,
        chosen,
        model.expression,
        model.abundances,
        band,
        (*files.cautions, *said),
    )
    xspec = _xspec()
    data = _load(xspec, files.spectrum.path, given or {}, band)
    if len(data.noticed) != observed.counts.size:
        raise SoftwareFault(
            f"XSPEC uses {len(data.noticed)} groups of {problem.name}, but {observed.counts.size} lie in "
            f"{band} keV"
        )
    xspec.Xset.abund = model.abundances
    parameters = _set_model(xspec, model)
    free = [one for one in parameters.values() if not _stays(one)]
    refuse_hopeless(problem, len(free))
    return result_of(problem, _end(xspec, data, problem, parameters))


def _end(xspec: Any, data: Any, problem: Problem, parameters: Mapping[str, Any]) -> End:
    """Fit, look for ranges, and take down what XSPEC holds."""
    converged = _perform(xspec, problem.statistic)
    if converged:
        free = " ".join(str(one.index) for one in parameters.values() if not _stays(one))
        xspec.Fit.error(f"{DELTA_STATISTIC} {free}")
    return End(
        parameters=_fitted(parameters, converged),
        value=float(xspec.Fit.statistic),
        expected=_expected(xspec, problem.observed),
        flux=_flux(xspec, data, problem.band) if problem.observed.has_area else None,
        why="" if converged else "a second fit still lowered the statistic",
        engine="xspec",
        versions={"xspec": str(xspec.Xset.version[1])},
    )


def _xspec() -> Any:
    try:
        xspec = import_module("xspec")
    except ImportError as exc:
        raise EnvironmentFault(
            "there is no PyXspec for this Python: it comes with HEASoft built with XSPEC"
        ) from exc
    xspec.Xset.allowPrompting = False
    xspec.Fit.query = "no"
    xspec.Fit.nIterations = _MOST_STEPS
    return xspec


def _load(xspec: Any, spectrum: Path, given: Mapping[str, Path], band: Band) -> Any:
    data = xspec.Spectrum(str(spectrum))
    if "rmf" in given:
        data.response = str(given["rmf"])
    if "arf" in given:
        data.response.arf = str(given["arf"])
    if "background" in given:
        data.background = str(given["background"])
    data.ignore("bad")
    data.ignore(f"**-{float(band.low)} {float(band.high)}-**")
    return data


def _set_model(xspec: Any, asked: XspecModel) -> dict[str, Any]:
    """Parameters by name, with their values and bounds set."""
    model = _model(xspec, asked.expression)
    found = {
        f"{component}.{name}": getattr(getattr(model, component), name)
        for component in model.componentNames
        for name in getattr(model, component).parameterNames
    }
    known = {name.lower(): parameter for name, parameter in found.items()}
    for name in {*asked.frozen, *asked.start, *asked.bounds}:
        if name.lower() not in known:
            raise BadInput(f"{asked.expression} has no parameter {name}: it has {', '.join(found)}")
    for name, (low, high) in asked.bounds.items():
        # Value, step, hard and soft bounds.
        value, step = known[name.lower()].values[:2]
        known[name.lower()].values = [min(max(value, low), high), step, low, low, high, high]
    for name, value in {**asked.start, **asked.frozen}.items():
        known[name.lower()].values = value
    for name in asked.frozen:
        known[name.lower()].frozen = True
    return found


def _model(xspec: Any, expression: str) -> Any:
    try:
        return xspec.Model(expression)
    except Exception as exc:  # PyXspec raises nothing finer
        raise BadInput(f"XSPEC does not take the model {expression}: {exc}") from exc


def _perform(xspec: Any, statistic: Statistic) -> bool:
    """Fit, and whether a second fit from the end finds the same."""
    xspec.Fit.statMethod = _NAMES[statistic]
    xspec.Fit.renorm()
    xspec.Fit.perform()
    before = float(xspec.Fit.statistic)
    xspec.Fit.perform()
    return before - float(xspec.Fit.statistic) < _AGREED


def _fitted(parameters: Mapping[str, Any], searched: bool) -> dict[str, Fitted]:
    """Values and ranges as XSPEC holds them."""
    fitted = {}
    for name, parameter in parameters.items():
        stays = _stays(parameter)
        low, high = _ends(parameter) if searched and not stays else (None, None)
        fitted[name] = Fitted(
            value=float(parameter.values[0]), low=low, high=high, frozen=stays, unit=str(parameter.unit)
        )
    return fitted


def _stays(parameter: Any) -> bool:
    return bool(parameter.frozen or parameter.link)


def _ends(parameter: Any) -> tuple[float | None, float | None]:
    """Ends of a range; of XSPEC's nine letters those are T that tell what went wrong."""
    low, high, letters = parameter.error
    wrong = [letter == "T" for letter in letters]
    # 4 and 5: a bound was met below, above; 7 and 8: the search failed below, above; 9: the fit is poor.
    below, above = wrong[3] or wrong[6] or wrong[8], wrong[4] or wrong[7] or wrong[8]
    return None if below else float(low), None if above else float(high)


def _flux(xspec: Any, data: Any, band: Band) -> Flux:
    xspec.AllModels.calcFlux(f"{float(band.low)} {float(band.high)}")
    return Flux(value=float(data.flux[0]), band=f"{band} keV")


def _expected(xspec: Any, observed: Observation) -> Floats:
    """Counts that the model predicts; XSPEC gives them in counts/s."""
    return np.asarray(xspec.AllModels(1).folded(1), float) * observed.exposure
