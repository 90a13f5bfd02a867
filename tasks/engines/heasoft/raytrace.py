"""Ray-traced events: when they may be used again, how many photons reach a region, and when too few do.

They take hours and hold for one source, attitude and calibration alone. So they are kept as a product whose
entry names a key over all that decides them; the file's name decides nothing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from tasks.core.errors import SoftwareFault, Transient
from tasks.engines.check import check_file
from tasks.engines.heasoft import tool
from tasks.engines.interface import StepInputs
from tasks.engines.planning import manifest_of, products_of
from tasks.library.call import Report
from tasks.library.coverage import separation
from tasks.library.manifest import Kind, Step
from tasks.library.orders.responses import source_position
from tasks.xtend.cautions import Caution, caution, notice
from tasks.xtend.geometry import PIXEL_ARCMIN

ENOUGH_PHOTONS: Final = 5000
"""Photons in the region per energy from which on an ARF is smooth, as the help of xaarfgen advises."""
_MM_PER_ARCMIN: Final = 0.048 / PIXEL_ARCMIN
_ROWS_AT_ONCE: Final = 1_000_000
_CENTRED: Final = 0.1
"""How far a circle may lie from where photons come from, in radii, to be counted in around their middle."""


def reusable(inputs: StepInputs, key: str) -> str | None:
    """The path of published ray-traced events with this key; None when there are none (any more)."""
    for product in products_of(inputs, Kind.RAYTRACE, key=key):
        try:
            return str(inputs.locate(product))
        except Transient:
            return None
    return None


def countable_radius(inputs: StepInputs) -> float | None:
    """Radius of the source region in arcmin, where it is a circle around where photons come from; else None.

    With an image as the source there is no one place that they come from.
    """
    manifest = manifest_of(inputs)
    record = manifest.steps.get(Step.REGIONS)
    circle: dict[str, Any] = (record.facts.get("source") if record else None) or {}
    radius: float | None = circle.get("radius_arcmin")
    if radius is None or inputs.dataset.recipe.responses.source_type == "IMAGE":
        return None
    centre = np.array([circle["ra"], circle["dec"]])
    off = 60 * float(separation(centre, np.array([source_position(manifest)]))[0])
    return radius if off <= _CENTRED * radius else None


def photons_within(path: Path, radius_arcmin: float) -> dict[float, int]:
    """How many photons fall within a circle around the middle of the source's image, by energy.

    The middle is the median of all photons: that of a point source's core, wherever it lies off-axis. So
    neither the telescope's rotation nor its offset on the detector has to be known. What a region excludes,
    gaps and bad pixels do not count here, nor by which ways photons came: xaarfgen takes only those that
    both mirrors reflected, next to all in the core.

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


def generate(parameters: Mapping[str, Any], radius_arcmin: float | None, **given: Any) -> Report:
    """Run xaarfgen in the current directory; where too few photons reach the region, without its ARF.

    xaarfgen then ends well and leaves none, and what it traced for hours is as good as ever.

    Parameters
    ----------
    parameters : dict
        Those of xaarfgen.
    radius_arcmin : float or None
        Radius of the circle to count in; None where there is none.
    **given
        What else `tool.run` takes.

    Returns
    -------
    Report
        `not_made` where fewer photons than `minphoton` reach the circle at some energy.

    Raises
    ------
    SoftwareFault
        When there is no ARF, and no such reason.
    """
    try:
        return tool.run(parameters=parameters, **given)
    except SoftwareFault:
        arf, traced = Path(parameters["outfile"]), Path(parameters["xrtevtfile"])
        if radius_arcmin is None or arf.exists():
            raise
        why = _too_few(traced, radius_arcmin, parameters["minphoton"])
        if why is None:
            raise
        return Report(not_made={arf.name: why})


def _too_few(traced: Path, radius_arcmin: float, least: int) -> str | None:
    """What is wrong with the number of photons; None when that is not known, or nothing is."""
    try:
        check_file(traced, "xaarfgen")
        counts = photons_within(traced, radius_arcmin)
    except SoftwareFault:
        return None
    energy = min(counts, key=counts.__getitem__, default=None)
    if energy is None or counts[energy] >= least:
        return None
    return (
        f"only {counts[energy]} ray-traced photons reach the source circle at {energy:g} keV, and xaarfgen "
        f"makes no ARF of fewer than {least}: in the recipe raise numphoton, or lower minphoton or the upper "
        "end of erange"
    )


def count(traced: str, arf: str, radius_arcmin: float | None, band_kev: tuple[float, float]) -> Report:
    """Tell how well an ARF is founded, in the current directory.

    Parameters
    ----------
    traced : str
        The ray-traced events it was made of.
    arf : str
        The ARF's name as a product, which a caution goes to.
    radius_arcmin : float or None
        Radius of the circle to count in; None where there is none.
    band_kev : tuple of float
        Energies that matter: those of fits.

    Returns
    -------
    Report
        The fact `photons`: [keV, photons in the circle] for each energy; a caution where these are few, or
        were not counted.
    """
    try:
        counts = None if radius_arcmin is None else photons_within(Path(traced), radius_arcmin)
    except SoftwareFault as exc:
        why = f"The ray-traced photons in the source region could not be counted: {exc}."
        return Report(file_cautions={arf: (caution("arf-photons-uncounted", why),)})
    if counts is None:
        return Report(file_cautions={arf: (_no_circle(),)})
    few = _few(counts, band_kev)
    return Report(
        facts={"photons": [[energy, number] for energy, number in counts.items()]},
        file_cautions={arf: (few,)} if few else {},
    )


def _no_circle() -> Caution:
    return notice(
        "arf-photons-uncounted",
        "How many ray-traced photons reach the source region was not counted: it is no circle around one "
        "place that they come from.",
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
