"""What a dataset's manifest tells of it: figures of the steps, and the cautions that follow from them."""

from typing import Any, Final

from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.xtend.cautions import Caution
from tasks.xtend.data_class import Mode
from tasks.xtend.geometry import PIXEL_ARCMIN, SKY_SIZE
from tasks.xtend.measured import Measured
from tasks.xtend.traps import judged

_FIELD_ARCMIN2: Final = (SKY_SIZE * PIXEL_ARCMIN) ** 2
"""What BACKSCAL is a share of."""
_Spectrum = tuple[int | None, float | None]
"""Counts and BACKSCAL, where they are known."""


def judged_cautions(manifest: Manifest) -> tuple[Caution, ...]:
    """The cautions that the figures of the steps ask for; they are judged anew at every publication."""
    return judged(measured(manifest))


def measured(manifest: Manifest) -> Measured:
    """What the steps measured; what a step did not tell, or has not been done, is not known."""
    processing, regions = _facts(manifest, Step.PROCESSING), _facts(manifest, Step.REGIONS)
    extraction, good_time = _facts(manifest, Step.EXTRACTION), processing.get("good_time") or {}
    extent, flickering = regions.get("extent") or {}, extraction.get("flickering") or {}
    detection = regions.get("detection") or {}
    source, background = _counts(manifest, Role.SOURCE), _counts(manifest, Role.BACKGROUND)
    return Measured(
        mode=_mode(manifest, processing),
        live_fraction=good_time.get("live_fraction"),
        span_s=good_time.get("span_s"),
        longest_gap_s=good_time.get("longest_gap_s"),
        events_caldb=str(processing["archive"].get("CALDBVER", "")) if "archive" in processing else None,
        caldb=_caldb(manifest),
        adopted="reprocessing" not in processing,
        wander_arcsec=_facts(manifest, Step.EXPOSURE).get("wander_arcsec"),
        events=processing.get("events"),
        outlier_pixels=flickering.get("pixels"),
        outlier_events=flickering.get("events"),
        exposure_s=extraction.get("exposure"),
        source_counts=source[0],
        net_counts=_net(source, background),
        source_radius_arcmin=(regions.get("source") or {}).get("radius_arcmin"),
        neighbours=detection.get("neighbours"),
        background_brightness=_brightness(background, extraction.get("exposure")),
        extent=extent.get("ratio"),
        extent_error=extent.get("error"),
        extended_category="extended-category" in _told(manifest),
    )


def _facts(manifest: Manifest, step: Step) -> dict[str, Any]:
    return manifest.steps[step].facts if step in manifest.steps else {}


def _told(manifest: Manifest) -> set[str]:
    """Ids of the cautions that processing told or was told."""
    record = manifest.steps.get(Step.PROCESSING)
    return {item.id for item in record.cautions} if record else set()


def _mode(manifest: Manifest, facts: dict[str, Any]) -> Mode | None:
    if "mode" not in facts or "unknown-class" in _told(manifest):
        return None
    told = facts["mode"]
    return Mode(tuple(told["ccds"]), told["window"], told["burst"], told["frame_s"])


def _caldb(manifest: Manifest) -> str | None:
    """The CALDB that steps of the HEASoft engine were done with."""
    used = (record.versions.get("caldb") for record in manifest.steps.values())
    return next(filter(None, used), None)


def _counts(manifest: Manifest, role: Role) -> _Spectrum:
    spectra: tuple[Product, ...] = manifest.find(Kind.SPECTRUM, role)
    if not spectra:
        return None, None
    facts, name = _facts(manifest, Step.EXTRACTION), spectra[0].name
    return facts.get("counts", {}).get(name), facts.get("backscal", {}).get(name)


def _net(source: _Spectrum, background: _Spectrum) -> float | None:
    """The source's counts less the background's in its area; all of them where there is no background."""
    (counts, area), (others, other_area) = source, background
    if counts is None:
        return None
    return float(counts) if not (others and area and other_area) else counts - others * area / other_area


def _brightness(background: _Spectrum, exposure: float | None) -> float | None:
    """Counts per second and square arcmin of the background region."""
    counts, area = background
    return counts / exposure / (area * _FIELD_ARCMIN2) if counts and area and exposure else None
