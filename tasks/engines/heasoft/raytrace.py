"""Ray-traced events: when they may be used again, and how many photons of them reach a region.

They take hours and hold for one source, attitude and calibration alone. So they are kept as a product whose
entry names a key over all that decides them; the file's name decides nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from tasks.core.errors import SoftwareFault, Transient
from tasks.engines.interface import StepInputs
from tasks.engines.planning import products_of
from tasks.library.call import Report
from tasks.library.manifest import Kind
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.geometry import PIXEL_ARCMIN

ENOUGH_PHOTONS: Final = 5000
"""Photons in the region per energy from which on an ARF is smooth, as the help of xaarfgen advises."""
_MM_PER_ARCMIN: Final = 0.048 / PIXEL_ARCMIN
_ROWS_AT_ONCE: Final = 1_000_000


def reusable(inputs: StepInputs, key: str) -> str | None:
    """The path of published ray-traced events with this key; None when there are none (any more)."""
    for product in products_of(inputs, Kind.RAYTRACE, key=key):
        try:
            return str(inputs.locate(product))
        except Transient:
            return None
    return None


def photons_within(path: Path, radius_arcmin: float) -> dict[float, int]:
    """How many photons fall within a circle around the middle of the source's image, by energy.

    The middle is the median of all photons: that of a point source's core, wherever it lies off-axis. So
    neither the telescope's rotation nor its offset on the detector has to be known. What a region excludes,
    gaps and bad pixels do not count here.

    Parameters
    ----------
    path : Path
        Ray-traced events: columns ENERGY (keV) and FINALXPOS, FINALYPOS (mm in the focal plane).
    radius_arcmin : float
        Radius of the circle.

    Returns
    -------
    dict
        Energy in keV → photons, ascending; every energy that was traced, where the file lists them.

    Raises
    ------
    SoftwareFault
        When the file is not such a list.
    """
    try:
        with fits.open(path, memmap=True) as hdus:
            photons, counts = hdus[1].data, dict.fromkeys(_energies(hdus), 0)
            if not len(photons):
                return counts
            x, y = (float(np.median(photons[name])) for name in ("FINALXPOS", "FINALYPOS"))
            for energies, inside in _parts(photons, x, y, radius_arcmin * _MM_PER_ARCMIN):
                for energy, count in zip(*np.unique(energies[inside], return_counts=True), strict=True):
                    counts[float(energy)] = counts.get(float(energy), 0) + int(count)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as exc:
        raise SoftwareFault(f"{path.name} is no list of ray-traced photons: {exc}") from exc
    return dict(sorted(counts.items()))


def _energies(hdus: fits.HDUList) -> list[float]:
    """The energies that were traced: the second table lists them, one row for each off-axis angle."""
    table = next((hdu for hdu in hdus[2:] if hdu.is_image is False and "ENERGY" in hdu.columns.names), None)
    return [] if table is None else [float(value) for value in np.unique(table.data["ENERGY"])]


def _parts(photons: Any, x: float, y: float, radius: float) -> Iterator[tuple[Any, Any]]:
    """Energies, and which photons lie within the circle, a million at a time."""
    for first in range(0, len(photons), _ROWS_AT_ONCE):
        part = photons[first : first + _ROWS_AT_ONCE]
        yield part["ENERGY"], np.hypot(part["FINALXPOS"] - x, part["FINALYPOS"] - y) <= radius


def count(traced: str, arf: str, radius_arcmin: float, band_kev: tuple[float, float]) -> Report:
    """Tell how well an ARF is founded, in the current directory.

    Parameters
    ----------
    traced : str
        The ray-traced events it was made of.
    arf : str
        The ARF's name as a product, which a caution goes to.
    radius_arcmin : float
        Radius of the source circle.
    band_kev : tuple of float
        Energies that matter: those of fits.

    Returns
    -------
    Report
        The fact `photons`: [keV, photons in the circle] for each energy; a caution where these are few.

    Raises
    ------
    SoftwareFault
        When the file is no list of photons.
    """
    counts = photons_within(Path(traced), radius_arcmin)
    told = _few(counts, band_kev)
    return Report(
        facts={"photons": [[energy, number] for energy, number in counts.items()]},
        file_cautions={arf: (told,)} if told else {},
    )


def _few(counts: dict[float, int], band_kev: tuple[float, float]) -> Caution | None:
    in_band = {energy: n for energy, n in counts.items() if band_kev[0] <= energy <= band_kev[1]}
    least = min(in_band, key=in_band.__getitem__, default=None)
    if least is not None and in_band[least] >= ENOUGH_PHOTONS:
        return None
    found = f"only {in_band[least]} at {least:g} keV" if least is not None else "none"
    return caution(
        "arf-few-photons",
        f"Of the ray-traced photons {found} reach the source circle within {band_kev[0]:g}–{band_kev[1]:g} "
        f"keV; below {ENOUGH_PHOTONS} an ARF is noisy: raise numphoton in the recipe.",
    )
