"""Regions with the native engine: where source and background are taken, as ds9 region files."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import SoftwareFault
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.engines.native.events import read_events, read_header
from tasks.engines.native.files import read_image
from tasks.engines.native.keywords import nominal_of
from tasks.engines.native.projection import nominal_coverage
from tasks.library.call import Report
from tasks.xtend.apertures import (
    OUTSIDE,
    Aperture,
    Apertures,
    Circle,
    Field,
    Ring,
    calibration_circles,
    choose_apertures,
    world_circle,
)
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.geometry import DET_SIZE, SKY_SIZE, Nominal
from tasks.xtend.regions import read_region

Frame = Literal["fk5", "physical"]

_MOSTLY_EXPOSED: Final = 0.8


def choose(
    obsid: str,
    name: str,
    events: str,
    target: dict[str, Any],
    exposure_map: str | None,
    bad_pixels: str | None,
    source_radius_arcmin: float,
    background: dict[str, Any],
    names: dict[str, str],
    calibration: str | None = None,
) -> Report:
    """Choose source and background circles of a dataset and write their region files.

    A file holds one included circle and then the calibration sources as exclusions; the calibration file
    holds these exclusions alone, so it selects everything else. No file names the recipe: a region that
    comes out the same is the same file.

    Parameters
    ----------
    obsid, name : str
        ObsID and target, for the files' comment.
    events : str
        A cleaned event file: its aspect, and its detector area where nothing else tells it.
    target : dict
        `ra`, `dec` in degrees.
    exposure_map : str or None
        Unbinned exposure map in seconds.
    bad_pixels : str or None
        Bad-pixel image, used when there is no exposure map.
    source_radius_arcmin, background : float, dict
        Radius of the source circle; what a `Ring` takes.
    names : dict
        Files to write, by `source`, `background` (each with `…_pixels` as well) and `calibration`.
    calibration : str, optional
        Region file with the calibration sources in sky pixels; without it they lie where the nominal aspect
        puts them.

    Returns
    -------
    Report
        Facts: `target_offset_arcmin`, `exposed_area` (the file that told it), `source` and `background`.

    Raises
    ------
    Permanent
        When a file cannot be read, or the events do not give their aspect.
    SoftwareFault
        When the exposure map is not that of the whole unbinned field.
    """
    nominal = nominal_of(read_header(Path(events)), events)
    field = Field(nominal, exposed_area(nominal, events, exposure_map, bad_pixels))
    apertures = choose_apertures(field, target["ra"], target["dec"], source_radius_arcmin, Ring(**background))
    excluded = _circles(Path(calibration)) if calibration else calibration_circles(nominal)
    texts = region_texts(nominal, apertures, f"{' '.join(name.split())}, ObsID {obsid}", excluded)
    for key in names.keys() & texts.keys():
        Path(names[key]).write_text(texts[key], encoding="utf-8")
    return Report(
        facts={
            **_facts(nominal, apertures, in_seconds=exposure_map is not None),
            "exposed_area": exposure_map or bad_pixels or events,
        },
        cautions=tuple(_cautions(apertures)),
        not_made={names[key]: apertures.not_made[_role(key)] for key in names.keys() - texts.keys()},
    )


def exposed_area(
    nominal: Nominal, events: str, exposure_map: str | None, bad_pixels: str | None
) -> NDArray[np.float32]:
    """Exposure per SKY pixel, shape (2430, 2430), from the best file there is.

    In seconds from an exposure map; else the fraction of each pixel, at the nominal attitude, that good
    DET pixels cover, or the rectangle of DET pixels in which events were seen.

    Raises
    ------
    SoftwareFault
        When the exposure map is not that of the whole unbinned field.
    """
    if exposure_map:
        exposure: NDArray[np.float32] = np.nan_to_num(read_image(Path(exposure_map))[0].astype(np.float32))
        if exposure.shape != (SKY_SIZE, SKY_SIZE):
            raise SoftwareFault(f"{exposure_map} is no unbinned exposure map of {SKY_SIZE}×{SKY_SIZE} pixels")
        return exposure
    good = live_mask(read_bad_pixels(Path(bad_pixels))) if bad_pixels else _seen(Path(events))
    return nominal_coverage(good, nominal)


def region_texts(
    nominal: Nominal, apertures: Apertures, comment: str, calibration: tuple[Circle, ...]
) -> dict[str, str]:
    """The text of each region file that can be written, by the keys of `choose`'s names.

    Parameters
    ----------
    nominal : Nominal
        The aspect of the SKY pixels.
    apertures : Apertures
        The circles.
    comment : str
        Target and ObsID; one line.
    calibration : tuple of Circle
        The calibration sources.
    """
    texts = {"calibration": _text("fk5", nominal, f"calibration sources, {comment}", None, calibration)}
    for role, aperture in (("source", apertures.source), ("background", apertures.background)):
        if aperture is None:
            continue
        title = f"{role}, {comment}"
        texts[role] = _text("fk5", nominal, title, aperture.circle, calibration)
        texts[f"{role}_pixels"] = _text("physical", nominal, title, aperture.circle, calibration)
    return texts


def _circles(path: Path) -> tuple[Circle, ...]:
    """The circles of a region file in sky pixels."""
    shapes = read_region(path).pixel_shapes(None)
    return tuple(Circle(shape.x[0], shape.y[0], shape.sizes[0]) for shape in shapes)


def _text(
    frame: Frame, nominal: Nominal, comment: str, included: Circle | None, excluded: tuple[Circle, ...]
) -> str:
    lines = ["# Region file format: DS9 version 4.1", f"# {comment}", frame]
    lines += [_line(frame, nominal, included)] if included else []
    lines += [f"-{_line(frame, nominal, circle)}" for circle in excluded]
    return "\n".join(lines) + "\n"


# The regions package would write sizes without a unit, which HEASoft takes as pixels, and no exclusions.
def _line(frame: Frame, nominal: Nominal, circle: Circle) -> str:
    if frame == "physical":
        return f"circle({circle.x:.4f},{circle.y:.4f},{circle.radius:.4f})"
    ra, dec, radius = world_circle(nominal, circle)
    return f'circle({ra:.7f},{dec:.7f},{radius * 3600:.4f}")'


def _seen(path: Path) -> NDArray[np.bool_]:
    """The rectangle of DET pixels in which events were seen, shape (1810, 1810)."""
    bounds: list[tuple[int, int, int, int]] = []
    for chunk in read_events([path], ("DETX", "DETY")).parts:
        x, y = chunk["DETX"], chunk["DETY"]
        inside = (x >= 1) & (x <= DET_SIZE) & (y >= 1) & (y <= DET_SIZE)
        if inside.any():
            x, y = x[inside], y[inside]
            bounds.append((int(x.min()), int(x.max()), int(y.min()), int(y.max())))
    seen = np.zeros((DET_SIZE, DET_SIZE), np.bool_)
    if bounds:
        left, right, bottom, top = zip(*bounds, strict=True)
        seen[min(bottom) - 1 : max(top), min(left) - 1 : max(right)] = True
    return seen


def _facts(nominal: Nominal, apertures: Apertures, *, in_seconds: bool) -> dict[str, Any]:
    source, background = apertures.source, apertures.background
    at_target = apertures.at_target if in_seconds else None
    return {
        "target_offset_arcmin": apertures.offset_arcmin,
        "source": {**_aperture_facts(nominal, source), "exposure_at_target_s": at_target} if source else None,
        "background": {**_aperture_facts(nominal, background), "candidate": background.candidate}
        if background
        else None,
    }


def _aperture_facts(nominal: Nominal, aperture: Aperture) -> dict[str, Any]:
    ra, dec, radius = world_circle(nominal, aperture.circle)
    return {
        "ra": ra,
        "dec": dec,
        "radius_arcmin": radius * 60,
        "exposed_fraction": aperture.exposed_fraction,
        "pixels": asdict(aperture.circle),
    }


def _role(key: str) -> str:
    return key.removesuffix("_pixels")


def _cautions(apertures: Apertures) -> Iterator[Caution]:
    if apertures.source is None:
        yield caution(
            "target-on-other-class",
            f"No source products: {OUTSIDE}; look at the observation's other data class.",
        )
        return
    if apertures.source.exposed_fraction < _MOSTLY_EXPOSED:
        yield caution(
            "source-cut",
            f"Only {apertures.source.exposed_fraction:.0%} of the source circle's area is exposed: counts "
            "and rates miss the rest; compare areas by BACKSCAL.",
        )
    if apertures.background is None:
        yield caution("background-poor", f"No background and no net: {apertures.not_made['background']}.")
