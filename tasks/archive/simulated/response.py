"""Redistribution of energy into PI channels, as numbers and as OGIP files."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.archive.simulated.optics import effective_area
from tasks.xtend.channels import CHANNEL_COUNT, EV_PER_CHANNEL

Floats = NDArray[np.float64]

_FINE_GRID_EV: Final = (200, 12000, 5)
_COARSE_GRID_EV: Final = (12000, 24000, 24)
_WIDTH_SIGMAS: Final = 5.0


@dataclass(frozen=True)
class Redistribution:
    """Where photons of each energy bin land.

    Parameters
    ----------
    edges : Floats
        Bounds of the energy bins in keV, shape (bins + 1,).
    first : NDArray[np.int64]
        First channel of each row, shape (bins,).
    matrix : Floats
        Probabilities of `first`, `first + 1`, …; rows sum to 1 and end in zeros, shape (bins, widest).
    """

    edges: Floats
    first: NDArray[np.int64]
    matrix: Floats

    @property
    def centres(self) -> Floats:
        """Middles of the energy bins in keV."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def fold(self, photons: Floats) -> Floats:
        """Expected counts per channel of photons per energy bin, shape (4096,)."""
        width = self.matrix.shape[1]
        spread = np.zeros(CHANNEL_COUNT + width)
        np.add.at(spread, self.first[:, None] + np.arange(width), photons[:, None] * self.matrix)
        return spread[:CHANNEL_COUNT]

    def line(self, energy_kev: float) -> Floats:
        """One photon of a narrow line, on the energy bins."""
        photons = np.zeros(len(self.first))
        photons[np.searchsorted(self.edges, energy_kev) - 1] = 1.0
        return photons


def fwhm_ev(energy_kev: Floats) -> Floats:
    """Energy resolution: 175 eV at 5.9 keV, 70 eV at 0.7 keV."""
    return np.asarray(np.sqrt(1437.0 + 4947.0 * energy_kev))


@lru_cache(maxsize=1)
def redistribution() -> Redistribution:
    """A Gaussian of `fwhm_ev`, cut at five standard deviations."""
    fine, coarse = np.arange(*_FINE_GRID_EV), np.arange(_COARSE_GRID_EV[0], 24001, _COARSE_GRID_EV[2])
    edges = np.concatenate([fine, coarse]).astype(float)
    centre = (edges[1:] + edges[:-1]) / 2
    sigma = fwhm_ev(centre / 1000) / (2 * np.sqrt(2 * np.log(2)))
    first = np.maximum((centre - _WIDTH_SIGMAS * sigma) // EV_PER_CHANNEL, 0).astype(np.int64)
    width = int(np.max((centre + _WIDTH_SIGMAS * sigma) // EV_PER_CHANNEL - first)) + 1
    channel = first[:, None] + np.arange(width)
    distance = ((channel + 0.5) * EV_PER_CHANNEL - centre[:, None]) / sigma[:, None]
    matrix = np.where(
        (np.abs(distance) <= _WIDTH_SIGMAS) & (channel < CHANNEL_COUNT), np.exp(-0.5 * distance**2), 0.0
    )
    # The first columns of a row may be cut as well; OGIP rows start at their first channel in use.
    lead = np.argmax(matrix > 0, axis=1)
    shifted = np.take_along_axis(
        np.pad(matrix, ((0, 0), (0, int(lead.max())))), lead[:, None] + np.arange(width), axis=1
    )
    return Redistribution(edges / 1000, first + lead, shifted / shifted.sum(axis=1, keepdims=True))


def rmf_hdus() -> list[Any]:
    """The RMF: primary HDU, MATRIX, EBOUNDS."""
    grid = redistribution()
    count = (grid.matrix > 0).sum(axis=1)
    rows = np.empty(len(count), dtype=object)
    rows[:] = [row[:n].astype(np.float32) for row, n in zip(grid.matrix, count, strict=True)]
    matrix = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "1E", unit="keV", array=grid.edges[:-1]),
            fits.Column("ENERG_HI", "1E", unit="keV", array=grid.edges[1:]),
            fits.Column("N_GRP", "1I", array=np.ones(len(count))),
            fits.Column("F_CHAN", "1I", array=grid.first),
            fits.Column("N_CHAN", "1I", array=count),
            fits.Column("MATRIX", "PE()", array=rows),
        ],
        name="MATRIX",
    )
    matrix.header.update(_ogip("RSP_MATRIX", HDUCLAS3="REDIST", HDUVERS="1.3.0", RMFVERSN="1992a"))
    matrix.header.update({"TLMIN4": 0, "TLMAX4": CHANNEL_COUNT - 1, "NUMGRP": len(count)})
    matrix.header.update({"NUMELT": int(count.sum()), "LO_THRES": 0.0})
    channel = np.arange(CHANNEL_COUNT)
    ebounds = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "1I", array=channel),
            fits.Column("E_MIN", "1E", unit="keV", array=channel * EV_PER_CHANNEL / 1000),
            fits.Column("E_MAX", "1E", unit="keV", array=(channel + 1) * EV_PER_CHANNEL / 1000),
        ],
        name="EBOUNDS",
    )
    ebounds.header.update(_ogip("EBOUNDS", HDUVERS="1.2.0", RMFVERSN="1992a"))
    ebounds.header.update({"TLMIN1": 0, "TLMAX1": CHANNEL_COUNT - 1})
    return [fits.PrimaryHDU(), matrix, ebounds]


def arf_hdus(share: float) -> list[Any]:
    """The ARF: primary HDU, SPECRESP.

    Parameters
    ----------
    share : float
        Vignetting times the share of the point-spread function that the region holds.
    """
    grid = redistribution()
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERG_LO", "1E", unit="keV", array=grid.edges[:-1]),
            fits.Column("ENERG_HI", "1E", unit="keV", array=grid.edges[1:]),
            fits.Column("SPECRESP", "1E", unit="cm**2", array=effective_area(grid.centres) * share),
        ],
        name="SPECRESP",
    )
    table.header.update(_ogip("SPECRESP", HDUVERS="1.1.0", ARFVERSN="1992a"))
    return [fits.PrimaryHDU(), table]


def _ogip(kind: str, **more: str) -> dict[str, Any]:
    common = {"HDUCLASS": "OGIP", "HDUCLAS1": "RESPONSE", "HDUCLAS2": kind, "CHANTYPE": "PI"}
    return common | {"DETCHANS": CHANNEL_COUNT} | more
