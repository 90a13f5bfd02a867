"""Fits with XSPEC itself, through PyXspec.

XSPEC keeps its state in the process, so this is a function for the runner to call in a child process.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput, EnvironmentFault, SoftwareFault
from tasks.core.identifiers import Band
from tasks.fitting.curve import curve
from tasks.fitting.inputs import read_files
from tasks.fitting.judging import cautions_on_data, cautions_on_fit, choose
from tasks.fitting.observation import Observation, observe
from tasks.fitting.results import DELTA_STATISTIC, FitResult, Fitted, Flux, StatisticValue
from tasks.fitting.statistics import Statistic
from tasks.library.call import Report
from tasks.xtend.cautions import Caution, caution

Floats = NDArray[np.float64]

_NAMES: Final[Mapping[Statistic, str]] = {"cstat": "cstat", "wstat": "cstat", "chi2": "chi"}
"""XSPEC's cstat is W as soon as there is a background."""
_MOST_STEPS: Final = 1000
_AGREED: Final = 0.01
"""A second fit that lowers the statistic by less has found nothing new."""


def fit_with_xspec(
    *,
    spectrum: str,
    model: str,
    band: str,
    background: str | None = None,
    rmf: str | None = None,
    arf: str | None = None,
    statistic: Statistic | None = None,
    abundances: str = "angr",
    frozen: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    bounds: Mapping[str, Sequence[float]] | None = None,
) -> Report:
    """Fit any of XSPEC's models; the result is the fact `fit`.

    The groups are those of the file. Files are named as they are called in the working directory.

    Parameters
    ----------
    spectrum, background, rmf, arf : str
        Files; those that the header names where they are left out, `none` for none.
    model : str
        Expression of XSPEC.
    band : str
        `LO-HI` in keV.
    statistic : {"cstat", "wstat", "chi2"}, optional
        As `tasks.fitting.fit.fit`.
    abundances : str
        XSPEC's name of a table.
    frozen, start, bounds : mapping, optional
        Values, and lowest and highest values, by `component.Parameter`.

    Raises
    ------
    BadInput
        When the files or the model do not allow a fit.
    EnvironmentFault
        When there is no PyXspec.
    SoftwareFault
        When XSPEC uses other groups than are expected.
    """
    paths = {"background": background, "rmf": rmf, "arf": arf}
    files = read_files(Path(spectrum), **{key: Path(name) for key, name in paths.items() if name})
    selected = Band.parse(band)
    observed = observe(files.spectrum, files.response, selected, background=files.background)
    chosen, said = choose(statistic, observed)
    xspec = _xspec()
    data = _load(xspec, Path(spectrum), paths, selected)
    if len(data.noticed) != observed.counts.size:
        raise SoftwareFault(
            f"XSPEC uses {len(data.noticed)} groups of {spectrum}, but {observed.counts.size} lie in "
            f"{band} keV"
        )
    xspec.Xset.abund = abundances
    parameters = _set_model(xspec, model, frozen or {}, start or {}, bounds or {})
    converged = _perform(xspec, chosen)
    if converged:
        free = " ".join(str(one.index) for one in parameters.values() if not _stays(one))
        xspec.Fit.error(f"{DELTA_STATISTIC} {free}")
    fitted = _fitted(parameters, converged)
    value, dof = float(xspec.Fit.statistic), int(xspec.Fit.dof)
    cautions = [*files.cautions, *cautions_on_data(chosen, observed), *said]
    cautions += cautions_on_fit(value, dof, converged, "a second fit still lowered the statistic")
    result = FitResult(
        model=model,
        abundances=abundances,
        band=str(selected),
        parameters=fitted,
        statistic=StatisticValue(name=chosen, value=value),
        dof=dof,
        groups=observed.counts.size,
        counts=float(observed.counts.sum()),
        flux=_flux(xspec, data, selected) if observed.has_area else None,
        converged=converged,
        cautions=(*cautions, *_open_ranges(fitted, converged)),
        engine="xspec",
        versions={"xspec": str(xspec.Xset.version[1])},
        curve=curve(observed, _expected(xspec, observed)),
    )
    return Report(facts={"fit": result.model_dump(mode="json")})


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


def _load(xspec: Any, spectrum: Path, files: Mapping[str, str | None], band: Band) -> Any:
    data = xspec.Spectrum(str(spectrum))
    if files["rmf"]:
        data.response = files["rmf"]
    if files["arf"]:
        data.response.arf = files["arf"]
    if files["background"]:
        data.background = files["background"]
    data.ignore("bad")
    data.ignore(f"**-{float(band.low)} {float(band.high)}-**")
    return data


def _set_model(
    xspec: Any,
    expression: str,
    frozen: Mapping[str, float],
    start: Mapping[str, float],
    bounds: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """Parameters by name, with their values and bounds set."""
    model = xspec.Model(expression)
    found = {
        f"{component}.{name}": getattr(getattr(model, component), name)
        for component in model.componentNames
        for name in getattr(model, component).parameterNames
    }
    known = {name.lower(): parameter for name, parameter in found.items()}
    for name in {*frozen, *start, *bounds}:
        if name.lower() not in known:
            raise BadInput(f"{expression} has no parameter {name}: it has {', '.join(found)}")
    for name, (low, high) in bounds.items():
        # Value, step, hard and soft bounds.
        value, step = known[name.lower()].values[:2]
        known[name.lower()].values = [min(max(value, low), high), step, low, low, high, high]
    for name, value in {**start, **frozen}.items():
        known[name.lower()].values = value
    for name in frozen:
        known[name.lower()].frozen = True
    return found


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


def _open_ranges(fitted: Mapping[str, Fitted], converged: bool) -> tuple[Caution, ...]:
    missing = [
        name for name, one in fitted.items() if not one.frozen and (one.low is None or one.high is None)
    ]
    if not missing or not converged:
        return ()
    return (caution("range-open", f"XSPEC found no range of {', '.join(missing)} that ends on both sides."),)


def _flux(xspec: Any, data: Any, band: Band) -> Flux:
    xspec.AllModels.calcFlux(f"{float(band.low)} {float(band.high)}")
    return Flux(value=float(data.flux[0]), band=f"{band} keV")


def _expected(xspec: Any, observed: Observation) -> Floats:
    """Counts that the model predicts; XSPEC gives them in counts/s."""
    return np.asarray(xspec.AllModels(1).folded(1), float) * observed.exposure
