"""The fit of a spectrum with Sherpa: from data and model to a result."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.curve import curve
from tasks.fitting.inputs import Files
from tasks.fitting.judging import cautions_on_data, cautions_on_fit, choose, terms
from tasks.fitting.model import Model
from tasks.fitting.observation import Observation, observe
from tasks.fitting.results import FitResult, Fitted, Flux, StatisticValue
from tasks.fitting.sherpa_engine import Minimum, minimise, versions
from tasks.fitting.spectrum import Spectrum
from tasks.fitting.statistics import Statistic
from tasks.xtend.cautions import Caution, caution

Floats = NDArray[np.float64]

_ERG_PER_KEV: Final = 1.602176634e-9
_FLUX_BINS: Final = 4000


def fit(
    files: Files,
    model: Model,
    band: Band,
    *,
    statistic: Statistic | None = None,
    group: int | str | None = None,
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
    group : int or "opt", optional
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
    _refuse_hopeless(files.spectrum, model, observed, band)
    found = minimise(_scaled(model, observed), observed, chosen)
    spectral = model.on(observed.energy_low, observed.energy_high)
    expected = observed.fold(spectral(found.values))
    value = float(terms(chosen, observed, expected).sum())
    dof = observed.counts.size - len(model.free)
    cautions = [*files.cautions, *cautions_on_data(chosen, observed), *said]
    cautions += cautions_on_fit(value, dof, found.converged, found.message)
    return FitResult(
        model=model.expression,
        abundances=model.abundances,
        band=str(band),
        parameters=_parameters(model, found),
        statistic=StatisticValue(name=chosen, value=value),
        dof=dof,
        groups=observed.counts.size,
        counts=float(observed.counts.sum()),
        flux=flux(model, found.values, band) if observed.has_area else None,
        converged=found.converged,
        cautions=(*cautions, *_open_ranges(model, found)),
        engine="sherpa",
        versions=versions(),
        curve=curve(observed, expected),
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
    photons = model.on(edges[:-1], edges[1:])(values)
    total = float((photons * np.sqrt(edges[:-1] * edges[1:])).sum()) * _ERG_PER_KEV
    return Flux(value=total, band=f"{band} keV")


def _refuse_hopeless(spectrum: Spectrum, model: Model, observed: Observation, band: Band) -> None:
    free = len(model.free)
    if not free:
        raise BadInput(f"every parameter of {model.expression} is frozen: nothing is left to fit")
    if not observed.counts.any():
        raise BadInput(f"{spectrum.name} holds no count in {band} keV")
    if observed.counts.size <= free:
        raise BadInput(
            f"{spectrum.name} has {observed.counts.size} groups in {band} keV, too few for {free} free "
            "parameters"
        )
    if not observed.value.any():
        raise BadInput(f"the response sends no photon to the groups in {band} keV")


def _scaled(model: Model, observed: Observation) -> Model:
    """The model with start values of its normalisations that predict the net counts."""
    spectral = model.on(observed.energy_low, observed.energy_high)
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


def _open_ranges(model: Model, found: Minimum) -> tuple[Caution, ...]:
    if not found.converged:
        return ()
    missing = [one.name for one in model.free if None in found.ranges.get(one.name, (None, None))]
    if not missing:
        return ()
    sentence = f"The data do not bound {', '.join(missing)} on both sides within what is allowed."
    return (caution("range-open", sentence),)
