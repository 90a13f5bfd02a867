"""What is true of a simulated dataset: what a good chain of analysis finds again."""

from typing import Any, Final

import numpy as np

from tasks.archive.simulated.detector import MODES, detector, off_axis_factor
from tasks.archive.simulated.events import target_det
from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.response import redistribution
from tasks.archive.simulated.sources import Source, Spectrum, source_counts
from tasks.core.identifiers import Band, DataClass
from tasks.xtend.channels import channels
from tasks.xtend.geometry import PIXEL_ARCMIN, DetPixels, det_to_sky

SOURCE_RADIUS_ARCMIN: Final = 2.0
"""Radius of the circle around the target that the ARFs are made for."""
BAND: Final = Band.parse("0.6-10")
_ERG_PER_KEV: Final = 1.602176634e-9


def truth_of(
    observation: Observation, dataclass: DataClass, exposure: float, scale: float, seed: int
) -> dict[str, Any]:
    """What is true of a dataset, as JSON has it.

    Parameters
    ----------
    exposure : float
        Good time in seconds.
    scale : float
        Factor on all rates of the observation.
    seed : int
        Of the archive: it decides which pixels are bad.

    Returns
    -------
    dict
        `exposure`, `band` in keV, `background_rate` (counts/s of the particle background on the whole
        detector), `sources`, the target first (see `source_truth`), and of the target in a circle of
        `source_radius_arcmin` its share of the image (`source_share`) and counts/s in the band (`net_rate`).
        What is a rate or a flux is the mean over the good time.
    """
    at = target_det(observation)
    sources = [
        source_truth(source, source.det or at, observation, scale)
        for source in (observation.target, *observation.field)
    ]
    share = detector(MODES[dataclass], seed).share(at, SOURCE_RADIUS_ARCMIN / PIXEL_ARCMIN)
    return {
        "exposure": exposure,
        "band": str(BAND),
        "background_rate": observation.background * scale,
        "sources": sources,
        "source_radius_arcmin": SOURCE_RADIUS_ARCMIN,
        "source_share": share if not observation.target.core_arcmin else None,
        "net_rate": share * sources[0]["rate"] if not observation.target.core_arcmin else None,
    }


def source_truth(
    source: Source, det: tuple[float, float], observation: Observation, scale: float
) -> dict[str, Any]:
    """What is true of a source.

    Returns
    -------
    dict
        `label`, `ra`, `dec` in degrees (FK5, J2000), `core_arcmin` of the beta model (0 is a point),
        `variable`, `spectrum`, and XSPEC's `model` with its `parameters` where there is one; in the band
        `flux` in erg/cm²/s and, of the whole image where it stands in the field, `rate` in counts/s.
    """
    sky = det_to_sky(DetPixels(np.array(det[0]), np.array(det[1])), observation.nominal.pa)
    ra, dec = observation.nominal.world(sky)
    counts = source_counts(source.spectrum)
    photons = float(source.rate * scale / counts.sum())
    first, last = channels(BAND)
    return {
        "label": source.label,
        "ra": float(ra),
        "dec": float(dec),
        "core_arcmin": source.core_arcmin,
        "variable": source.variable,
        "spectrum": source.spectrum.name,
        "model": source.spectrum.model,
        "parameters": {
            name: value * (photons if name.endswith(".norm") else 1)
            for name, value in source.spectrum.parameters
        },
        "flux": photons * flux(source.spectrum),
        "rate": photons * float(counts[first : last + 1].sum()) * off_axis_factor(det),
    }


def flux(spectrum: Spectrum) -> float:
    """Energy flux in the band in erg/cm²/s of a spectrum whose density is in photons/keV/cm²/s."""
    grid = redistribution()
    inside = (grid.centres > float(BAND.low)) & (grid.centres < float(BAND.high))
    energy = grid.centres * spectrum.density(grid.centres) * np.diff(grid.edges)
    return float(energy[inside].sum()) * _ERG_PER_KEV
