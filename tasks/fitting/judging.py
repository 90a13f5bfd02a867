"""Which statistic a fit uses, and what is to be said of the data and the fit."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.fitting.observation import Observation
from tasks.fitting.statistics import chi2, cstat, variance, wstat
from tasks.library.spectral.result import Statistic
from tasks.xtend.cautions import Caution, caution, notice, severe

Floats = NDArray[np.float64]

_SPARSE_SHARE: Final = 0.1
_GAUSSIAN_COUNTS: Final = 20
_POOR: Final = 2.0
"""XSPEC computes no ranges above this reduced chi-squared."""


def choose(wanted: Statistic | None, observed: Observation) -> tuple[Statistic, tuple[Caution, ...]]:
    """The statistic that is used, and what is to be said of it.

    Without a wish it is wstat with a background and cstat without one. A cstat with a background becomes
    wstat, as in XSPEC.

    Raises
    ------
    BadInput
        When the data do not allow the one that is wanted.
    """
    with_background = observed.background is not None
    if wanted == "wstat" and not with_background:
        raise BadInput(
            "wstat needs a background spectrum, and there is none: give --background, or use cstat"
        )
    if wanted == "chi2":
        return wanted, ()
    if not observed.counted:
        raise BadInput("the spectrum holds rates with errors of their own, no counts: use chi2")
    if wanted == "cstat" and with_background:
        sentence = "With a background spectrum cstat does not hold: W was used, under the name wstat."
        return "wstat", (notice("cstat-promoted", sentence),)
    return ("wstat" if with_background else "cstat"), ()


def terms(statistic: Statistic, observed: Observation, expected: Floats) -> Floats:
    """What each group adds to the statistic, shape (g,).

    Parameters
    ----------
    statistic : {"cstat", "wstat", "chi2"}
        Which.
    observed : Observation
        The data.
    expected : ndarray, shape (g,)
        Counts that the model predicts.
    """
    if statistic == "cstat":
        return cstat(observed.counts, expected)
    if statistic == "wstat" and observed.background is not None:
        return wstat(observed.counts, observed.background, expected, observed.ratio)
    return chi2(observed.counts - observed.scaled, spread(observed), expected)


def spread(observed: Observation) -> Floats:
    """Variance of the counts less the background, shape (g,)."""
    own = observed.counts if observed.errors is None else observed.errors**2
    return variance(own, observed.scaled_variance, 1 / observed.ratio)


def cautions_on_data(statistic: Statistic, observed: Observation) -> Iterator[Caution]:
    """What is to be said before the fit."""
    yield from observed.cautions
    if not observed.has_area:
        sentence = "There is no effective area: normalisations are meaningless and there is no flux."
        yield severe("no-effective-area", sentence)
    if statistic == "wstat" and observed.background is not None:
        empty = int((observed.background == 0).sum())
        if empty > _SPARSE_SHARE * observed.background.size:
            yield caution(
                "wstat-sparse-background",
                f"{empty} of {observed.background.size} groups hold no background count: W is biased there. "
                "Use wider groups, such as those by counts of the background (bmin:N).",
            )
    if statistic == "chi2" and observed.errors is None:
        few = int((observed.counts < _GAUSSIAN_COUNTS).sum())
        if few:
            yield caution(
                "chi2-few-counts",
                f"{few} of {observed.counts.size} groups hold fewer than {_GAUSSIAN_COUNTS} counts: "
                "chi-squared is biased there. Use wider groups, or cstat or wstat.",
            )


def cautions_on_fit(value: float, dof: int, converged: bool, why: str) -> Iterator[Caution]:
    """What is to be said after the fit."""
    if not converged:
        yield severe("fit-not-converged", f"The fit did not converge, so its numbers mean little: {why}.")
    if value > _POOR * dof:
        yield caution(
            "poor-fit",
            f"The model does not describe the data: the statistic is {value / dof:.1f} times the degrees of "
            "freedom, and ranges mean little.",
        )
