"""The fit of a spectrum with Sherpa: from data and model to a result."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.inputs import Files
from tasks.fitting.judging import choose, terms
from tasks.fitting.model import photons_of
from tasks.fitting.observation import Observation, observe
from tasks.fitting.outcome import End, Problem, refuse_hopeless, result_of
from tasks.fitting.sherpa_engine import Minimum, minimise, versions
from tasks.library.spectral.model import Model
from tasks.library.spectral.result import FitResult, Fitted, Flux, Statistic
from tasks.xtend.grouping import GroupingRule

Floats = NDArray[np.float64]

_ERG_PER_KEV: Final = 1.602176634e-9
_FLUX_BINS: Final = 4000


def fit(
    files: Files,
    model: Model,
    band: Band,
    *,
    statistic: Statistic | None = None,
    group: GroupingRule | None = None,
) -> FitResult:
    """Fit a model to a spectrum with Sherpa.

    Parameters
    ----------
    files : Files
        Data and response.
    model : Model
        What to fit.
    band : Band
        In keV.
    statistic : {"cstat", "wstat", "chi2"}, optional
        wstat with a background and cstat without one when left out.
    group : GroupingRule, optional
        As `tasks.fitting.observation.observe`.

    Raises
    ------
    BadInput
        When the data, the model or the statistic do not allow a fit.
    EnvironmentFault
        When Sherpa is not installed.
    """
    observed = observe(files.spectrum, files.response, band, background=files.background, group=group)
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
    refuse_hopeless(problem, len(model.free))
    return result_of(problem, _end(_scaled(model, observed), problem))


def _end(model: Model, problem: Problem) -> End:
    """Fit, and take down where that ended."""
    observed = problem.observed
    found = minimise(model, observed, problem.statistic)
    expected = observed.fold(photons_of(model, observed.energy_low, observed.energy_high)(found.values))
    return End(
        parameters=_parameters(model, found),
        value=float(terms(problem.statistic, observed, expected).sum()),
        expected=expected,
        flux=flux(model, found.values, problem.band) if observed.has_area else None,
        why=found.message,
        engine="sherpa",
        versions=versions(),
    )


def flux(model: Model, values: Mapping[str, float], band: Band) -> Flux:
    """Energy flux of a model in a band.

    Parameters
    ----------
    model : Model
        The model.
    values : mapping of str to float
        All parameters by name.
    band : Band
        In keV.
    """
    edges = np.geomspace(max(float(band.low), 1e-3), float(band.high), _FLUX_BINS + 1)
    photons = photons_of(model, edges[:-1], edges[1:])(values)
    total = float((photons * np.sqrt(edges[:-1] * edges[1:])).sum()) * _ERG_PER_KEV
    return Flux(value=total, band=f"{band} keV")


def _scaled(model: Model, observed: Observation) -> Model:
    """The model with start values of its normalisations that predict the net counts."""
    spectral = photons_of(model, observed.energy_low, observed.energy_high)
    predicted = float(observed.fold(spectral(model.values)).sum())
    net = float(observed.counts.sum() - observed.scaled.sum())
    aim = max(net, float(np.sqrt(observed.counts.sum())))
    if not predicted > 0:
        raise BadInput(f"{model.expression} sends no photon into the band: start from other values")
    return model.at({one.name: one.start * aim / predicted for one in model.parameters if one.scales})


def _parameters(model: Model, found: Minimum) -> dict[str, Fitted]:
    fitted = {}
    for parameter in model.parameters:
        low, high = found.ranges.get(parameter.name, (None, None))
        fitted[parameter.name] = Fitted(
            value=found.values[parameter.name],
            low=low,
            high=high,
            frozen=parameter.frozen,
            unit=parameter.unit,
        )
    return fitted
