"""Regions with the native engine: where source and background are taken, as ds9 region files."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from tasks.core.errors import BadInput, Permanent
from tasks.engines.native.field_images import read_field
from tasks.library.call import Report
from tasks.xtend.apertures import (
    Aperture,
    Apertures,
    Given,
    SourceRule,
    choose_apertures,
)
from tasks.xtend.backgrounds import POOR, BackgroundRule
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.field import Circle, Field, world_circle
from tasks.xtend.geometry import SkyPixels
from tasks.xtend.given_regions import check_apart, given_aperture
from tasks.xtend.nominal import Nominal
from tasks.xtend.region_files import region_text
from tasks.xtend.regions import read_region
from tasks.xtend.sources import Source
from tasks.xtend.target import TargetView

_MOSTLY_EXPOSED: Final = 0.8


def choose(
    obsid: str,
    name: str,
    events: Sequence[str],
    target: dict[str, Any],
    exposure_map: str | None,
    bad_pixels: str | None,
    source: dict[str, Any],
    background: dict[str, Any],
    names: dict[str, str],
    calibration: str | None = None,
    given: dict[str, str] | None = None,
) -> Report:
    """Choose source and background regions of a dataset and write their files.

    A file holds what is included and then the calibration sources as exclusions; the calibration file
    holds these exclusions alone, so it selects everything else. No file names the recipe: a region that
    comes out the same is the same file.

    Parameters
    ----------
    obsid, name : str
        ObsID and target, for the files' comment.
    events : sequence of str
        Cleaned event files: sources are found in them.
    target : dict
        `ra`, `dec` in degrees.
    exposure_map : str or None
        Unbinned exposure map in seconds.
    bad_pixels : str or None
        Bad-pixel image, used when there is no exposure map.
    source, background : dict
        What a `SourceRule` and a `BackgroundRule` take.
    names : dict
        Files to write, by `source`, `background` (each with `…_pixels` as well) and `calibration`.
    calibration : str, optional
        Region file with the calibration sources in sky pixels; without it they lie where the nominal aspect
        puts them.
    given : dict, optional
        Region files that override the rules, by `source` and `background`.

    Returns
    -------
    Report
        Facts: `target_offset_arcmin`, `exposed_area` (the file that told it), `source` and `background`
        (dict, or None where there is none), `detection` (`detected`, `significance`,
        `peak_offset_arcsec`, `net_rate` in counts per second in the source circle, 0.6–10 keV,
        `neighbours`; see `TargetView`),
        `extent` (`ratio`, `error`; see `TargetView`) and `field_sources`.

    Raises
    ------
    Permanent
        When a file cannot be read, the events do not give their aspect, or a given region cannot be used.
    SoftwareFault
        When the exposure map is not that of the whole unbinned field.
    """
    field = read_field(events, exposure_map, bad_pixels, _circles(Path(calibration)) if calibration else None)
    apertures = _chosen(field, target, SourceRule(**source), BackgroundRule(**background), given or {})
    texts = region_texts(field, apertures, f"{' '.join(name.split())}, ObsID {obsid}")
    for key in names.keys() & texts.keys():
        Path(names[key]).write_text(texts[key], encoding="utf-8")
    return Report(
        facts={
            **_facts(field, apertures, in_seconds=exposure_map is not None),
            "exposed_area": exposure_map or bad_pixels or events[0],
        },
        cautions=tuple(_cautions(apertures)),
        not_made={names[key]: apertures.not_made[_role(key)] for key in names.keys() - texts.keys()},
    )


def region_texts(field: Field, apertures: Apertures, comment: str) -> dict[str, str]:
    """The text of each region file that can be written, by the keys of `choose`'s names.

    Parameters
    ----------
    field : Field
        Its aspect and calibration sources.
    apertures : Apertures
        The areas.
    comment : str
        Target and ObsID; one line.
    """
    nominal, excluded = field.nominal, field.calibration
    texts = {"calibration": region_text("fk5", nominal, f"calibration sources, {comment}", (), excluded)}
    for role, aperture in (("source", apertures.source), ("background", apertures.background)):
        if aperture is None:
            continue
        title = f"{role}, {comment}"
        texts[role] = region_text("fk5", nominal, title, aperture.shapes, excluded)
        texts[f"{role}_pixels"] = region_text("physical", nominal, title, aperture.shapes, excluded)
    return texts


def _chosen(
    field: Field,
    target: dict[str, Any],
    source: SourceRule,
    background: BackgroundRule,
    given: dict[str, str],
) -> Apertures:
    """The areas; what is wrong with a given one is an error of the dataset, which no other try cures."""
    try:
        areas = Given(**{role: given_aperture(field, Path(path)) for role, path in given.items()})
        apertures = choose_apertures(field, target["ra"], target["dec"], source, background, areas)
        if given and apertures.source and apertures.background:
            check_apart(apertures.source, apertures.background)
    except BadInput as exc:
        raise Permanent(f"a given region cannot be used: {exc}") from exc
    return apertures


def _circles(path: Path) -> tuple[Circle, ...]:
    """The circles of a region file in sky pixels."""
    shapes = read_region(path).pixel_shapes(None)
    return tuple(Circle(shape.x[0], shape.y[0], shape.sizes[0]) for shape in shapes)


def _facts(field: Field, apertures: Apertures, *, in_seconds: bool) -> dict[str, Any]:
    source, background, view = apertures.source, apertures.background, apertures.target
    at_target = apertures.at_target if in_seconds else None
    return {
        "target_offset_arcmin": apertures.offset_arcmin,
        "source": {
            **_aperture_facts(field.nominal, source),
            "exposure_at_target_s": at_target,
            "centre": apertures.centre,
        }
        if source
        else None,
        "background": _background_facts(field.nominal, background) if background else None,
        "detection": {
            "detected": view.detected,
            "significance": view.significance,
            "peak_offset_arcsec": view.peak_offset_arcsec,
            "net_rate": view.net_rate,
            "neighbours": view.neighbours,
        }
        if view
        else None,
        "extent": {"ratio": view.extent_ratio, "error": view.extent_error} if view else None,
        "field_sources": [_source_facts(field, each) for each in apertures.sources],
    }


def _aperture_facts(nominal: Nominal, aperture: Aperture) -> dict[str, Any]:
    """A region that is no circle has no radius; its position is that of the circle around it."""
    ra, dec, radius = world_circle(nominal, aperture.around)
    return {
        "ra": ra,
        "dec": dec,
        "radius_arcmin": radius * 60 if aperture.is_circle else None,
        "exposed_fraction": aperture.exposed_fraction,
        "pixels": asdict(aperture.around),
    }


def _background_facts(nominal: Nominal, aperture: Aperture) -> dict[str, Any]:
    """One that was given is not judged."""
    how = aperture.background
    parts = {"area": how.area, "wings": how.wings, "detx": how.detx} if how else None
    return {
        **_aperture_facts(nominal, aperture),
        "score": how.score if how else None,
        "parts": parts,
        "given": aperture.given,
    }


def _source_facts(field: Field, source: Source) -> dict[str, float]:
    ra, dec = field.nominal.world(SkyPixels(np.array(source.x), np.array(source.y)))
    return {
        "ra": float(ra),
        "dec": float(dec),
        "x": source.x,
        "y": source.y,
        "rate": source.counts / field.seconds if field.seconds > 0 else 0.0,
        "significance": source.significance,
    }


def _role(key: str) -> str:
    return key.removesuffix("_pixels")


def _cautions(apertures: Apertures) -> Iterator[Caution]:
    source, view = apertures.source, apertures.target
    if source is None or view is None:
        yield caution(
            "target-on-other-class",
            f"No source products: {apertures.not_made['source']}; look at the observation's other class.",
        )
        return
    if source.exposed_fraction < _MOSTLY_EXPOSED:
        yield caution(
            "source-cut",
            f"Only {source.exposed_fraction:.0%} of the source region's area is exposed: counts and rates "
            "miss the rest; compare areas by BACKSCAL.",
        )
    if apertures.at_edge:
        yield caution(
            "window-edge",
            "The source region crosses the edge of the exposed area: what of the source lies beyond is lost, "
            "and more or less of it as the pointing wanders.",
        )
    if not view.detected:
        yield caution(
            "no-source-at-target",
            f"Nothing stands out at the target ({view.significance:.1f}σ in 0.6–10 keV){_nearest(view)}: the "
            "spectrum is that of the background and is not to be fitted.",
        )
    yield from _background_cautions(apertures)


def _background_cautions(apertures: Apertures) -> Iterator[Caution]:
    if apertures.background is None:
        yield caution("background-poor", f"No background and no net: {apertures.not_made['background']}.")
        return
    how = apertures.background.background
    if how and how.score < POOR:
        yield caution(
            "background-poor",
            f"The background region has a score of {how.score:.2f} (below {POOR:g}): exposed area "
            f"{how.area:.2f}, outside the wings of sources {how.wings:.2f}, columns of the source "
            f"{how.detx:.2f}, each of 1.",
        )
    elif how is None and apertures.background.exposed_fraction < _MOSTLY_EXPOSED:
        yield caution(
            "background-poor",
            f"Only {apertures.background.exposed_fraction:.0%} of the given background region is exposed.",
        )


def _nearest(view: TargetView) -> str:
    offset = view.peak_offset_arcsec
    return "" if offset is None else f", and the brightest spot of the source circle lies {offset:.0f}″ off"
