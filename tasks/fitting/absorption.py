"""Photoelectric absorption by neutral gas."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.fitting.extras import extra
from tasks.library.spectral.abundances import TABLES, Abundances

Floats = NDArray[np.float64]

_TABLE_KEV: Final = (0.0105, 29.9)
"""Where the tables of Henke et al. (1993) hold, 10 eV to 30 keV."""
_CLASSICAL_RADIUS_CM: Final = 2.8179403262e-13
_KEV_CM: Final = 12.398419843320026e-8
"""Energy times wavelength of a photon."""


def cross_section(energy: Floats, abundances: Abundances) -> Floats:
    """Photoelectric cross section of the gas for each of its hydrogen atoms.

    From the scattering factors f2 of Henke, Gullikson & Davis (1993, ADNDT 54, 181) that `periodictable`
    carries: sigma = 2 r_e lambda f2. Atoms only: no molecules, grains or ions, and edges without structure.
    With the abundances of Morrison & McCammon (1983, ApJ 270, 119) it is theirs within 1 % from 0.3 to 10 keV
    and up to 15 % more at 0.1 keV.

    Parameters
    ----------
    energy : ndarray, shape (n,)
        In keV. The tables hold from 10.5 eV to 29.9 keV: below, their first value is used, above it falls
        as the third power.
    abundances : {"angr", "aspl", "wilm"}
        Table of abundances.

    Returns
    -------
    ndarray, shape (n,)
        In cm².

    Raises
    ------
    EnvironmentFault
        When `periodictable` is not installed.
    """
    elements = extra("periodictable").elements
    inside = np.clip(energy, *_TABLE_KEV)
    factor = np.zeros_like(inside)
    for element, abundance in TABLES[abundances].items():
        factor += abundance * elements.symbol(element).xray.scattering_factors(energy=inside)[1]
    falling = np.maximum(energy / _TABLE_KEV[1], 1.0) ** -3
    return np.asarray(2 * _CLASSICAL_RADIUS_CM * _KEV_CM / inside * factor * falling)
