"""What shines: spectra of sources, of the particle background and of the calibration sources."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.archive.simulated.optics import effective_area
from tasks.archive.simulated.response import redistribution

Floats = NDArray[np.float64]
SpectrumName = Literal["power law", "absorbed", "thermal", "star"]

_CALIBRATION_LINES: Final = ((5.895, 0.88), (6.490, 0.12))
"""Mn Kα and Kβ of ⁵⁵Fe: keV, share."""
_NXB_LINES: Final = ((1.487, 0.04), (2.123, 0.02), (7.472, 0.05), (9.713, 0.03))
"""Al K, Au M, Ni K, Au L in the particle background: keV, share."""


@dataclass(frozen=True)
class PointSource:
    """A source of photons.

    Parameters
    ----------
    label : str
        What it is called in headers.
    rate : float
        Counts per second on axis over the whole point-spread function, before the archive is scaled.
    spectrum : str
        One of the spectra of this module.
    det : tuple of float, optional
        DETX, DETY in pixels; None is the observation's target.
    variable : bool
        Whether its light curve flares and pulses.
    """

    label: str
    rate: float
    spectrum: SpectrumName
    det: tuple[float, float] | None = None
    variable: bool = False


def _absorption(energy: Floats, column: float) -> Floats:
    """Transmission of a column in 10²² cm⁻², roughly: steeper than E⁻²·⁵, with no edges."""
    return np.asarray(np.exp(-column * 2.2 * energy**-2.7))


def _line(energy: Floats, centre: float, width: float = 0.01) -> Floats:
    return np.asarray(np.exp(-0.5 * ((energy - centre) / width) ** 2) / (width * np.sqrt(2 * np.pi)))


def _power_law(energy: Floats) -> Floats:
    return energy**-1.7 * _absorption(energy, 0.03)


def _absorbed(energy: Floats) -> Floats:
    return energy**-1.9 * _absorption(energy, 1.5) + 0.003 * _line(energy, 6.40)


def _thermal(energy: Floats) -> Floats:
    lines = 0.02 * _line(energy, 1.865) + 0.012 * _line(energy, 2.46) + 0.012 * _line(energy, 6.68)
    return (np.exp(-energy / 3.0) / energy + lines) * _absorption(energy, 0.1)


def _star(energy: Floats) -> Floats:
    return (np.exp(-energy / 0.7) / energy + 0.15 * _line(energy, 0.83, 0.05)) * _absorption(energy, 0.02)


_SPECTRA: Final[dict[SpectrumName, Callable[[Floats], Floats]]] = {
    "power law": _power_law,
    "absorbed": _absorbed,
    "thermal": _thermal,
    "star": _star,
}


def source_channels(spectrum: SpectrumName) -> Floats:
    """PI channels of a spectrum's detected photons through ARF and RMF: probabilities, shape (4096,)."""
    grid = redistribution()
    photons = _SPECTRA[spectrum](grid.centres) * effective_area(grid.centres) * np.diff(grid.edges)
    return _normalised(grid.fold(photons))


def background_channels() -> Floats:
    """Probability of each PI channel for an event of the particle background (no mirror, so no ARF)."""
    grid = redistribution()
    continuum = (0.6 + grid.centres**-1.0) * np.diff(grid.edges) * (grid.centres < 15)
    lines = sum(share * grid.line(energy) for energy, share in _NXB_LINES)
    return _normalised(grid.fold(0.86 * _normalised(continuum) + lines))


def calibration_channels() -> Floats:
    """Probability of each PI channel for an event of the ⁵⁵Fe sources."""
    grid = redistribution()
    return _normalised(grid.fold(np.asarray(sum(s * grid.line(e) for e, s in _CALIBRATION_LINES))))


def light_curve(time: Floats, start: float) -> Floats:
    """Brightness of a variable source relative to its quiet level: a 1800 s pulse and one slow flare."""
    elapsed = time - start
    flare = np.where(elapsed > 8000, np.exp(-(elapsed - 8000) / 3000), 0.0)
    return np.asarray(1 + 0.4 * np.sin(2 * np.pi * elapsed / 1800) + 4 * flare)


def _normalised(values: Floats) -> Floats:
    return np.asarray(values / values.sum())
