"""Errors of counted events."""

from typing import Final

import numpy as np

from tasks.report.previews.canvas import Floats

FEW: Final = 10
"""Below this number of counts the square root is too small an error."""


def count_errors(counts: Floats) -> Floats:
    """1σ errors of counts: Gehrels' approximations for fewer than 10, else the square root.

    Parameters
    ----------
    counts : ndarray, shape (n,)
        Numbers of events, not negative.

    Returns
    -------
    ndarray, shape (2, n)
        Lengths of the error bars downwards and upwards.

    Notes
    -----
    Gehrels 1986, ApJ 303, 336: equation 7 (upper) and 14 (lower), for one standard deviation.
    """
    root = np.sqrt(counts)
    at_least_one = np.maximum(counts, 1.0)
    lowest = counts * (1 - 1 / (9 * at_least_one) - 1 / (3 * np.sqrt(at_least_one))) ** 3
    few = counts < FEW
    return np.stack([np.where(few, counts - lowest, root), np.where(few, 1 + np.sqrt(counts + 0.75), root)])
