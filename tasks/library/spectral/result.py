"""What comes out of a fit, whichever engine made it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.xtend.cautions import Caution

Engine = Literal["sherpa", "xspec"]
Statistic = Literal["cstat", "wstat", "chi2"]
"""Under XSPEC's names, but for its W, which it makes of cstat where there is a background: `wstat`."""

CONFIDENCE = 0.9
"""Of the ranges of parameters, one interesting parameter each: as XSPEC's `error` without options."""
DELTA_STATISTIC = 2.706
"""By which the statistic rises at the ends of the ranges: chi-squared of one degree of freedom at 90 %."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fitted(_Frozen):
    """A parameter.

    Parameters
    ----------
    value : float
        Best fit.
    low, high : float or None
        Ends of the 90 % range: there the statistic has risen by 2.706, all other free parameters refitted.
        None where frozen, and where the range does not end within the parameter's bounds.
    frozen : bool
        Whether it stayed at its value.
    unit : str
        Empty for a pure number.
    """

    value: float
    low: float | None
    high: float | None
    frozen: bool
    unit: str


class StatisticValue(_Frozen):
    """The statistic at the best fit, under XSPEC's name for it (`wstat` is its W)."""

    name: Statistic
    value: float


class Flux(_Frozen):
    """Energy flux of the model in the band, absorption included."""

    value: float
    unit: str = "erg / (cm2 s)"
    band: str


class Curve(_Frozen):
    """What a plot shows, a number each group: energies in keV, rates in counts/s/keV without background."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    rate: tuple[float, ...]
    error: tuple[float, ...]
    model: tuple[float, ...]


class FitResult(_Frozen):
    """A fit.

    Parameters
    ----------
    model : str
        The expression.
    abundances : str
        Table of abundances of the absorbing gas.
    band : str
        In keV; groups wholly inside it were used.
    parameters : dict
        By XSPEC's names, in the order of the model.
    statistic : StatisticValue
        What was made least.
    dof : int
        Groups less free parameters.
    groups : int
        How many were used.
    counts : float
        Counts of the source spectrum in them.
    confidence : float
        Of the ranges.
    flux : Flux or None
        None without an effective area.
    converged : bool
        Whether the fit found its end.
    cautions : tuple of Caution
        What to know before the numbers are used.
    engine : str
        Who fitted.
    versions : dict
        Of the engine.
    curve : Curve or None
        For a plot.
    grouping : str or None
        How the spectrum is grouped, where that is known by its rule.
    """

    model: str
    abundances: str
    band: str
    parameters: dict[str, Fitted]
    statistic: StatisticValue
    dof: int
    groups: int
    counts: float
    confidence: float = CONFIDENCE
    flux: Flux | None
    converged: bool
    cautions: tuple[Caution, ...] = ()
    engine: Engine
    versions: dict[str, str]
    curve: Curve | None = None
    grouping: str | None = None
