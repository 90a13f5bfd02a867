"""Gaunt factor of thermal bremsstrahlung."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RYDBERG_KEV: Final = 0.013605693
# Energies of the outgoing electron over kT, and weights, of the average over a thermal distribution.
_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(32)


def gaunt(energy: Floats, kt: float, charge: int) -> Floats:
    """Free-free Gaunt factor averaged over electrons of one temperature.

    Born's approximation with the factor of Elwert (1939, Ann. Phys. 426, 178), not relativistic. Over kT of
    0.7–10 keV it lies within 1.5 % of the tables that XSPEC's bremss interpolates, above that within 4 %.

    Parameters
    ----------
    energy : ndarray, shape (n,)
        Of the photons, in keV.
    kt : float
        Temperature in keV.
    charge : int
        Of the ions.

    Returns
    -------
    ndarray, shape (n,)
    """
    outgoing = _NODES * kt
    incoming = outgoing + energy[:, None]
    before, after = (charge * np.sqrt(_RYDBERG_KEV / electron) for electron in (incoming, outgoing))
    born = 2 * np.sqrt(3) / np.pi * np.arctanh(np.sqrt(outgoing / incoming))
    elwert = after / before * np.expm1(-2 * np.pi * before) / np.expm1(-2 * np.pi * after)
    return np.asarray((born * elwert) @ _WEIGHTS)
