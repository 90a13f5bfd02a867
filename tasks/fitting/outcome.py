"""From where a fit ended to its result, whichever engine made it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.curve import curve
from tasks.fitting.judging import cautions_on_data, cautions_on_fit
from tasks.fitting.observation import Observation
from tasks.library.spectral.result import Engine, FitResult, Fitted, Flux, Statistic, StatisticValue
from tasks.xtend.cautions import Caution, caution

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is fitted to what.

    Parameters
    ----------
    name : str
        Of the spectrum's file.
    observed : Observation
        The data in the band.
    statistic : {"cstat", "wstat", "chi2"}
        What is made least.
    expression, abundances : str
        The model.
    band : Band
        In keV.
    cautions : tuple of Caution
        On files and statistic.
    """

    name: str
    observed: Observation
    statistic: Statistic
    expression: str
    abundances: str
    band: Band
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True, eq=False)
class End:
    """Where a fit ended.

    Parameters
    ----------
    parameters : dict
        By name, in the order of the model.
    value : float
        Of the statistic.
    expected : ndarray, shape (g,)
        Counts that the model predicts.
    flux : Flux or None
        None without an effective area.
    why : str
        Why it did not converge; empty where it did.
    engine : {"sherpa", "xspec"}
        Who fitted.
    versions : dict
        Of the engine.
    """

    parameters: dict[str, Fitted]
    value: float
    expected: Floats
    flux: Flux | None
    why: str
    engine: Engine
    versions: dict[str, str]

    @property
    def free(self) -> list[str]:
        """Names of the parameters that were fitted."""
        return [name for name, one in self.parameters.items() if not one.frozen]


def refuse_hopeless(problem: Problem, free: int) -> None:
    """Refuse what no fit can be made of.

    Parameters
    ----------
    problem : Problem
        What is to be fitted.
    free : int
        How many parameters.

    Raises
    ------
    BadInput
        When nothing is free, no count is there, or no photon could be.
    """
    name, observed, band = problem.name, problem.observed, problem.band
    if not free:
        raise BadInput(f"every parameter of {problem.expression} is frozen: nothing is left to fit")
    if not observed.counts.any():
        raise BadInput(f"{name} holds no count in {band} keV")
    if observed.counts.size <= free:
        raise BadInput(
            f"{name} has {observed.counts.size} groups in {band} keV, too few for {free} free parameters"
        )
    if not observed.value.any():
        raise BadInput(f"the response sends no photon to the groups in {band} keV")


def result_of(problem: Problem, end: End) -> FitResult:
    """The result of a fit with everything that is to be said of it."""
    observed, dof = problem.observed, problem.observed.counts.size - len(end.free)
    cautions = (
        *problem.cautions,
        *cautions_on_data(problem.statistic, observed),
        *cautions_on_fit(end.value, dof, not end.why, end.why),
        *_open_ranges(end),
    )
    return FitResult(
        model=problem.expression,
        abundances=problem.abundances,
        band=str(problem.band),
        parameters=end.parameters,
        statistic=StatisticValue(name=problem.statistic, value=end.value),
        dof=dof,
        groups=observed.counts.size,
        counts=float(observed.counts.sum()),
        flux=end.flux,
        converged=not end.why,
        cautions=cautions,
        engine=end.engine,
        versions=end.versions,
        curve=curve(observed, end.expected),
    )


def _open_ranges(end: End) -> tuple[Caution, ...]:
    missing = [name for name in end.free if None in (end.parameters[name].low, end.parameters[name].high)]
    if end.why or not missing:
        return ()
    sentence = f"The data do not bound {', '.join(missing)} on both sides within what is allowed."
    return (caution("range-open", sentence),)
