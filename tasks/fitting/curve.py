"""Data and model of a fit as a plot shows them."""

import numpy as np
from numpy.typing import NDArray

from tasks.fitting.judging import spread
from tasks.fitting.observation import Observation
from tasks.library.spectral.result import Curve

Floats = NDArray[np.float64]


def curve(observed: Observation, expected: Floats) -> Curve:
    """What a plot of a fit shows.

    Parameters
    ----------
    observed : Observation
        The data.
    expected : ndarray, shape (g,)
        Counts that the model predicts.
    """
    unit = 1 / (observed.exposure * (observed.high - observed.low))
    rate = (observed.counts - observed.scaled) * unit
    return Curve(
        low=tuple(observed.low.tolist()),
        high=tuple(observed.high.tolist()),
        rate=tuple(rate.tolist()),
        error=tuple((np.sqrt(spread(observed)) * unit).tolist()),
        model=tuple((expected * unit).tolist()),
    )
