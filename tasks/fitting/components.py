"""What components of models emit or absorb in energy bins."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.fitting.absorption import cross_section
from tasks.fitting.gaunt import gaunt
from tasks.library.spectral.abundances import Abundances

Floats = NDArray[np.float64]
Shape = Callable[..., Floats]
"""From the parameters as keywords to a number for each energy bin: photons/cm²/s, or a factor."""

_ATOMS: Final = 1e22
_HELIUM: Final = 0.085
"""He/H by number in bremss."""
_NARROW: Final = 0.2
"""A Sigma of less than this share of its energy bin is none."""
_REACH: Final = 8.0
"""Standard deviations around a line beyond which it is taken to be zero."""


def _powerlaw(low: Floats, high: Floats, abundances: Abundances) -> Shape:
    """K E^-PhoIndex; K in photons/keV/cm²/s at 1 keV."""
    log_low, width = np.log(low), np.log(high / low)

    def shape(PhoIndex: float, norm: float) -> Floats:  # noqa: N803, the name in XSPEC
        slope = 1 - PhoIndex
        # Integral of E^-PhoIndex; sinh keeps it exact where the slope nears 0.
        half = slope * width / 2
        ratio = np.where(np.abs(half) < 1e-8, 1.0, np.sinh(half) / np.where(half == 0, 1.0, half))
        return np.asarray(norm * width * np.exp(slope * (log_low + width / 2)) * ratio)

    return shape


def _bbody(low: Floats, high: Floats, abundances: Abundances) -> Shape:
    """Black body; norm = L39 / D10², luminosity in 1e39 erg/s and distance in 10 kpc."""

    def shape(kT: float, norm: float) -> Floats:  # noqa: N803
        def density(energy: Floats) -> Floats:
            return np.asarray(8.0525 * energy**2 / kT**4 / np.expm1(np.minimum(energy / kT, 500.0)))

        return norm * _simpson(density, low, high)

    return shape


def _bremss(low: Floats, high: Floats, abundances: Abundances) -> Shape:
    """Thermal bremsstrahlung of H and He; norm = 3.02e-15 / (4 pi D²) times the emission measure in cm."""
    energy, width = np.sqrt(low * high), high - low

    # An optimiser moves one parameter at a time, and the Gaunt factors are slow.
    @lru_cache(maxsize=4)
    def of_unit_norm(kt: float) -> Floats:
        factors = gaunt(energy, kt, 1) + 4 * _HELIUM * gaunt(energy, kt, 2)
        return np.asarray(width * factors * np.exp(-energy / kt) / energy / math.sqrt(kt))

    def shape(kT: float, norm: float) -> Floats:  # noqa: N803
        return norm * of_unit_norm(kT)

    return shape


def _gaussian(low: Floats, high: Floats, abundances: Abundances) -> Shape:
    """A line; norm in photons/cm²/s in the whole line.

    One without width is divided between two bins such that its mean energy stays, so that a fit can move it.
    """
    centre, place = (low + high) / 2, np.arange(low.size)

    def shape(LineE: float, Sigma: float, norm: float) -> Floats:  # noqa: N803
        share = np.zeros_like(low)
        where = float(np.interp(LineE, centre, place))
        first = int(where)
        if Sigma < _NARROW * (high - low)[first]:
            if low[0] <= LineE < high[-1]:
                share[first : first + 2] = [1 - where + first, where - first][: low.size - first]
            return norm * share
        scale = Sigma * math.sqrt(2)
        for number in np.flatnonzero((high > LineE - _REACH * Sigma) & (low < LineE + _REACH * Sigma)):
            share[number] = math.erf((high[number] - LineE) / scale) - math.erf((low[number] - LineE) / scale)
        return norm * share / 2

    return shape


def _phabs(low: Floats, high: Floats, abundances: Abundances) -> Shape:
    """Photoelectric absorption; nH in 1e22 hydrogen atoms/cm²."""
    depth = _ATOMS * cross_section((low + high) / 2, abundances)

    def shape(nH: float) -> Floats:  # noqa: N803
        return np.asarray(np.exp(-nH * depth))

    return shape


def _simpson(density: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Integral over each bin from its bounds and its middle."""
    return (high - low) / 6 * (density(low) + 4 * density((low + high) / 2) + density(high))


SHAPES: Final[Mapping[str, Callable[[Floats, Floats, Abundances], Shape]]] = {
    "phabs": _phabs,
    "powerlaw": _powerlaw,
    "bbody": _bbody,
    "bremss": _bremss,
    "gaussian": _gaussian,
}
"""From lower and upper bounds of energy bins in keV, shape (n,) each, and a table of abundances to the shape
of a component there."""
