"""What shines: spectra of sources, of the particle background and of the calibration sources."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.archive.simulated.optics import effective_area
from tasks.archive.simulated.response import redistribution

Floats = NDArray[np.float64]

_CALIBRATION_LINES: Final = ((5.895, 0.88), (6.490, 0.12))
"""Mn Kα and Kβ of ⁵⁵Fe: keV, share."""
_NXB_LINES: Final = ((1.487, 0.04), (2.123, 0.02), (7.472, 0.05), (9.713, 0.03))
"""Al K, Au M, Ni K, Au L in the particle background: keV, share."""
# Morrison & McCammon 1983, ApJ 270, 119, table 2: from an energy on, 1e-24 (c0 + c1 E + c2 E²) / E³ cm².
_ABSORPTION: Final = np.array(
    [
        (0.100, 34.6, 267.9, -476.1), (0.284, 78.1, 18.8, 4.3), (0.400, 71.4, 66.8, -51.4),
        (0.532, 95.5, 145.8, -61.1), (0.707, 308.9, -380.6, 294.0), (0.867, 120.6, 169.3, -47.7),
        (1.303, 141.3, 146.8, -31.5), (1.840, 202.7, 104.7, -17.0), (2.471, 342.7, 18.7, 0.0),
        (3.210, 352.2, 18.7, 0.0), (4.038, 433.9, -2.4, 0.75), (7.111, 629.0, 30.9, 0.0),
        (8.331, 701.2, 25.2, 0.0),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Spectrum:
    """Photons of a source, on any scale.

    Parameters
    ----------
    name : str
        What it is called in headers.
    density : callable
        From energies in keV to photons per keV.
    model : str
        The same as a model expression of XSPEC; empty where there is none.
    parameters : tuple of (str, float)
        Of that model, by XSPEC's names; norms are for `density` as it is.
    """

    name: str
    density: Callable[[Floats], Floats]
    model: str = ""
    parameters: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Source:
    """A source of photons.

    Parameters
    ----------
    label : str
        What it is called in headers.
    rate : float
        Counts per second on axis over the whole image of it, before the archive is scaled.
    spectrum : Spectrum
        Its photons.
    det : tuple of float, optional
        DETX, DETY in pixels; None is the observation's target.
    variable : bool
        Whether its light curve flares and pulses.
    core_arcmin : float
        Core radius of a beta model with beta = 2/3; 0 is a point.
    """

    label: str
    rate: float
    spectrum: Spectrum
    det: tuple[float, float] | None = None
    variable: bool = False
    core_arcmin: float = 0.0


def transmission(energy: Floats, column: float) -> Floats:
    """What a column of gas in 10²² hydrogen atoms/cm² lets through: XSPEC's wabs, continued beyond 10 keV."""
    row = np.searchsorted(_ABSORPTION[:, 0], energy, side="right") - 1
    _, c0, c1, c2 = _ABSORPTION[np.maximum(row, 0)].T
    return np.asarray(np.exp(-column * 0.01 * (c0 + c1 * energy + c2 * energy**2) / energy**3))


def _line(energy: Floats, centre: float, width: float = 0.01) -> Floats:
    return np.asarray(np.exp(-0.5 * ((energy - centre) / width) ** 2) / (width * np.sqrt(2 * np.pi)))


def _power_law(energy: Floats) -> Floats:
    return energy**-1.7 * transmission(energy, 0.03)


def _absorbed(energy: Floats) -> Floats:
    return (energy**-1.9 + 0.003 * _line(energy, 6.40)) * transmission(energy, 1.5)


def _thermal(energy: Floats) -> Floats:
    lines = 0.02 * _line(energy, 1.865) + 0.012 * _line(energy, 2.46) + 0.012 * _line(energy, 6.68)
    return (np.exp(-energy / 3.0) / energy + lines) * transmission(energy, 0.1)


def _star(energy: Floats) -> Floats:
    return (np.exp(-energy / 0.7) / energy + 0.15 * _line(energy, 0.83, 0.05)) * transmission(energy, 0.02)


POWER_LAW: Final = Spectrum(
    "power law",
    _power_law,
    "wabs*powerlaw",
    (("wabs.nH", 0.03), ("powerlaw.PhoIndex", 1.7), ("powerlaw.norm", 1.0)),
)
ABSORBED: Final = Spectrum(
    "absorbed",
    _absorbed,
    "wabs*(powerlaw + gaussian)",
    (
        ("wabs.nH", 1.5),
        ("powerlaw.PhoIndex", 1.9),
        ("powerlaw.norm", 1.0),
        ("gaussian.LineE", 6.40),
        ("gaussian.Sigma", 0.01),
        ("gaussian.norm", 0.003),
    ),
)
THERMAL: Final = Spectrum("thermal", _thermal)
STAR: Final = Spectrum("star", _star)


def source_counts(spectrum: Spectrum) -> Floats:
    """Counts/s of a spectrum in each PI channel through ARF on axis and RMF, shape (4096,).

    Its density is taken to be in photons/keV/cm²/s.
    """
    grid = redistribution()
    return grid.fold(spectrum.density(grid.centres) * effective_area(grid.centres) * np.diff(grid.edges))


def source_channels(spectrum: Spectrum) -> Floats:
    """Probability of each PI channel for an event of a source, shape (4096,)."""
    return _normalised(source_counts(spectrum))


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
