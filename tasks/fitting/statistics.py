"""Fit statistics as XSPEC defines them: what each group adds."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST: Final = 1e-25
"""Expected counts are taken to be at least this, so that a count where none is expected is finite."""


def cstat(counts: Floats, expected: Floats) -> Floats:
    """Poisson statistic in the form of Castor: 2 (m − S + S (ln S − ln m)).

    Cash (1979, ApJ 228, 939) as XSPEC normalises it: 0 where the model equals the data, and distributed as
    chi-squared where counts are many.

    Parameters
    ----------
    counts : ndarray, shape (n,)
        Counts S.
    expected : ndarray, shape (n,)
        Counts m that the model predicts.

    Returns
    -------
    ndarray, shape (n,)
        Never negative.
    """
    expected = np.maximum(expected, _LEAST)
    some = np.where(counts > 0, counts, 1.0)
    terms = expected - counts + np.where(counts > 0, counts * np.log(some / expected), 0.0)
    return np.asarray(np.maximum(2 * terms, 0.0))


def wstat(counts: Floats, background: Floats, expected: Floats, ratio: Floats) -> Floats:
    """XSPEC's W: Poisson counts with a Poisson background whose rate in each group is fitted away.

    The expected background of a group is the one that makes the sum of the two Poisson terms least, the root
    of a quadratic (XSPEC manual, appendix B). XSPEC's cases for groups without counts in source or
    background are limits of it.

    Parameters
    ----------
    counts, background : ndarray, shape (n,)
        Counts S and B in source and background spectrum.
    expected : ndarray, shape (n,)
        Counts that the model predicts for the source alone.
    ratio : ndarray, shape (n,)
        What one count of the background in the source spectrum stands for in the background spectrum:
        EXPOSURE × AREASCAL × BACKSCAL of the background over that of the source.

    Returns
    -------
    ndarray, shape (n,)
        Never negative.
    """
    hidden = background_in_source(counts, background, expected, ratio)
    return cstat(counts, expected + hidden) + cstat(background, ratio * hidden)


def background_in_source(counts: Floats, background: Floats, expected: Floats, ratio: Floats) -> Floats:
    """Counts of background in the source spectrum that make W least; arguments as `wstat`."""
    total = 1 + ratio
    linear = counts + background - total * expected
    root = np.sqrt(linear**2 + 4 * total * background * expected)
    # Of the quadratic's two forms each is exact where the other one loses digits.
    below = 2 * background * expected / np.where(linear < 0, root - linear, 1.0)
    return np.asarray(np.where(linear < 0, below, (linear + root) / (2 * total)))


def chi2(net: Floats, variance: Floats, expected: Floats) -> Floats:
    """(D − m)² / variance.

    Parameters
    ----------
    net : ndarray, shape (n,)
        Counts less the scaled background.
    variance : ndarray, shape (n,)
        As `variance`, or squares of given errors.
    expected : ndarray, shape (n,)
        Counts that the model predicts.

    Returns
    -------
    ndarray, shape (n,)
    """
    return np.asarray((net - expected) ** 2 / variance)


def variance(own: Floats, background: Floats, scale: Floats) -> Floats:
    """Variance of counts less the scaled background with XSPEC's standard weight: the sum of the two.

    Where both are 0 it is the lesser of 1 and scale², one count in either spectrum.

    Parameters
    ----------
    own : ndarray, shape (n,)
        Of the source spectrum: its counts, or squares of given errors.
    background : ndarray, shape (n,)
        Of the background, in units of the source spectrum.
    scale : ndarray, shape (n,)
        What one count of the background spectrum stands for in the source spectrum.

    Returns
    -------
    ndarray, shape (n,)
    """
    found = own + background
    return np.asarray(np.where(found > 0, found, np.minimum(1.0, scale**2)))
