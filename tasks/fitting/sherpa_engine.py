"""Fits with Sherpa's optimisers and its confidence method; Sherpa is imported when one is made."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from math import sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.fitting.extras import extra
from tasks.fitting.judging import terms
from tasks.fitting.model import photons_of
from tasks.fitting.observation import Observation
from tasks.library.spectral.model import FreeParameter, Model
from tasks.library.spectral.result import DELTA_STATISTIC, Statistic

Floats = NDArray[np.float64]

_ANY_STATISTIC: Final = 1e30
"""Sherpa refuses ranges of poor fits; here they get a caution."""
_ROUNDS: Final = ("LevMar", "LevMar", "NelderMead", "LevMar")
_AGREED: Final = 0.01
"""A round that lowers the statistic by less has found nothing new."""
_MOST_STEPS = 4000
"""Evaluations of a round."""


@dataclass(frozen=True)
class Minimum:
    """Where the statistic is least.

    Parameters
    ----------
    values : dict
        Of all parameters by name.
    ranges : dict
        Lower and upper end by name of the free ones; None where not found.
    converged : bool
        Whether it was found.
    message : str
        Why not; empty where it did.
    """

    values: dict[str, float]
    ranges: dict[str, tuple[float | None, float | None]]
    converged: bool
    message: str


def versions() -> dict[str, str]:
    """Of Sherpa and of the tables of cross sections.

    Raises
    ------
    EnvironmentFault
        When they are not installed.
    """
    extra("sherpa.fit"), extra("periodictable")
    return {name: version(name) for name in ("sherpa", "periodictable")}


def minimise(model: Model, observed: Observation, statistic: Statistic) -> Minimum:
    """Fit a model.

    Levenberg & Marquardt on the roots of what the groups add, begun anew where it ended, and Nelder & Mead
    where the two ends differ; ranges by Sherpa's `confidence`.

    Parameters
    ----------
    model : Model
        With values to start from and at least one free parameter.
    observed : Observation
        The data.
    statistic : {"cstat", "wstat", "chi2"}
        What to make least.

    Raises
    ------
    EnvironmentFault
        When Sherpa is not installed.
    """
    # Its import sets how much Sherpa tells.
    extra("sherpa.fit")
    # Optimisers try what is far from the data, where numbers overflow.
    with _quiet(), np.errstate(all="ignore"):
        fit = _fit(model, observed, statistic)
        message = _descend(fit)
        ranges = {} if message else _ranges(fit, model.free)
        values = _values(model, fit.model.thawedpars)
    return Minimum(values, ranges, not message, message)


def _descend(fit: Any) -> str:
    """Go to the minimum; why it was not found, else nothing.

    Sherpa's Levenberg & Marquardt calls every end a success, also that of its patience.
    """
    before, fallen = np.inf, np.inf
    for name in _ROUNDS:
        fit.method = getattr(extra("sherpa.optmethods"), name)()
        fit.method.maxfev = _MOST_STEPS
        result = fit.fit()
        before, fallen = result.statval, before - result.statval
        if fallen < _AGREED and result.nfev < _MOST_STEPS:
            fit.method = extra("sherpa.optmethods").LevMar()
            return ""
    return f"after {len(_ROUNDS)} rounds of up to {_MOST_STEPS} evaluations the statistic still falls"


def _fit(model: Model, observed: Observation, statistic: Statistic) -> Any:
    """Sherpa's view of it: groups are points, and the whole chain from parameters to counts is its model."""
    spectral = photons_of(model, observed.energy_low, observed.energy_high)

    def predicted(numbers: Any, *grid: Any, **options: Any) -> Floats:
        return observed.fold(spectral(_values(model, numbers)))

    def total(data: Floats, expected: Floats, *rest: Any, **errors: Any) -> tuple[float, Floats]:
        added = terms(statistic, observed, expected)
        return float(added.sum()), np.sqrt(added)

    own = [
        extra("sherpa.models").Parameter(
            "model", f"p{number}", free.start, free.low, free.high, free.low, free.high
        )
        for number, free in enumerate(model.free)
    ]
    shape = extra("sherpa.models.basic").UserModel("model", own)
    shape.calc = predicted
    points = extra("sherpa.data").Data1D("groups", np.arange(observed.counts.size), observed.counts)
    estimate = extra("sherpa.estmethods").Confidence()
    estimate.sigma = sqrt(DELTA_STATISTIC)
    # The default starts processes of its own; a range is to be found in this one.
    estimate.parallel = False
    estimate.max_rstat = _ANY_STATISTIC
    return extra("sherpa.fit").Fit(
        points,
        shape,
        stat=extra("sherpa.stats").UserStat(total, np.sqrt, statistic),
        method=extra("sherpa.optmethods").LevMar(),
        estmethod=estimate,
    )


def _values(model: Model, free: Any) -> dict[str, float]:
    """All parameters by name, where the free ones have these numbers."""
    moved = zip(model.free, free, strict=True)
    return model.values | {parameter.name: float(number) for parameter, number in moved}


def _ranges(fit: Any, free: tuple[FreeParameter, ...]) -> dict[str, tuple[float | None, float | None]]:
    """Ranges of the free parameters; the fit moves where a lower minimum is met on the way."""
    try:
        found = fit.est_errors()
    except extra("sherpa.utils.err").EstErr:
        return {}
    fit.model.thawedpars = found.parvals
    steps = zip(free, found.parvals, found.parmins, found.parmaxes, strict=True)
    return {
        parameter.name: (_end(value, below), _end(value, above)) for parameter, value, below, above in steps
    }


def _end(value: float, step: Any) -> float | None:
    """An end of a range; Sherpa gives the step, or None, or a pair when it is unsure."""
    return value + step if isinstance(step, float) and np.isfinite(step) else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Sherpa's progress, which it writes to standard output, out of ours."""
    logger = logging.getLogger("sherpa")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
