"""Where source and background events are taken: by rule, or as given in region files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from astropy.coordinates import angular_separation

from tasks.xtend.backgrounds import Background, BackgroundRule, choose_background
from tasks.xtend.field import (
    BINNING,
    LEAST_EXPOSED,
    Circle,
    Field,
    disc_sums,
    exposed_fraction,
    exposed_mean,
)
from tasks.xtend.geometry import PIXEL_ARCMIN, PIXEL_ARCSEC
from tasks.xtend.nominal import Nominal
from tasks.xtend.shapes import PixelShape
from tasks.xtend.sources import Source, find_sources
from tasks.xtend.target import TargetView, assess_target, without_target

Centre = Literal["target", "peak", "given"]
OUTSIDE: Final = "the target lies outside this data class's exposed area"
_CORE_PIXELS: Final = 10.0
"""Exposure at the target is looked for within 18″: wider than bad pixels and charge-injection rows."""
_FIELD_DEG: Final = 1.0
"""A target further away than this is outside: the field's radius is less than half of it."""
_GAP_PIXELS: Final = 16.0
"""Half the width of gaps that are no edge: between CCDs, at bad columns and charge-injection rows."""
_BEYOND: Final = 0.02
"""A circle crosses the edge when more than this of it lies beyond."""


@dataclass(frozen=True)
class SourceRule:
    """Where source events are taken.

    Parameters
    ----------
    radius_arcmin : float
        Radius of the circle.
    minimum_fraction : float
        No source is taken where less of the circle is exposed.
    centre : {"target", "peak"}
        Whether the circle stands at the target or at the brightest source near it.
    shift_arcsec : float
        How near that source must be.
    """

    radius_arcmin: float
    minimum_fraction: float
    centre: Literal["target", "peak"]
    shift_arcsec: float


@dataclass(frozen=True)
class Aperture:
    """An area that was chosen.

    Parameters
    ----------
    shapes : tuple of PixelShape
        In sky pixels, in the order of a region file.
    around : Circle
        The circle that it is, or the least around the shapes' middle that holds it.
    exposed_fraction : float
        Of its area, 0 to 1.
    background : Background, optional
        How it was judged, when it is a background by rule.
    given : bool
        Whether it was given in a file.
    """

    shapes: tuple[PixelShape, ...]
    around: Circle
    exposed_fraction: float
    background: Background | None = None
    given: bool = False

    @property
    def is_circle(self) -> bool:
        """Whether it is one circle and nothing else."""
        return len(self.shapes) == 1 and self.shapes[0].kind == "circle"


@dataclass(frozen=True)
class Apertures:
    """Where source and background events are taken, and what was seen in choosing.

    Parameters
    ----------
    offset_arcmin : float
        Distance of the target from the aim point.
    at_target : float
        Mean exposure within 18″ of the target, in the unit of the field's exposure.
    source, background : Aperture or None
        None where `not_made` says why.
    not_made : dict
        `source` or `background` → reason.
    centre : {"target", "peak", "given"}
        Where the source region stands.
    at_edge : bool
        Whether the source region crosses the edge of the exposed area.
    target : TargetView or None
        What is there; None without a source region.
    sources : tuple of Source
        Those of the field.
    """

    offset_arcmin: float
    at_target: float
    source: Aperture | None
    background: Aperture | None
    not_made: dict[str, str]
    centre: Centre = "target"
    at_edge: bool = False
    target: TargetView | None = None
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Given:
    """Areas given in files, where they are."""

    source: Aperture | None = None
    background: Aperture | None = None


def choose_apertures(
    field: Field, ra: float, dec: float, rule: SourceRule, background: BackgroundRule, given: Given
) -> Apertures:
    """The areas for a target at (ra, dec) in degrees (FK5, J2000).

    Parameters
    ----------
    field : Field
        Where the detector is exposed, and what was counted.
    ra, dec : float
        The target in degrees.
    rule, background : SourceRule, BackgroundRule
        What is asked for.
    given : Given
        What is given in files instead.
    """
    aim = field.nominal.ra, field.nominal.dec
    offset = float(np.degrees(angular_separation(*np.radians([*aim, ra, dec]))))
    near = offset < _FIELD_DEG
    sources = find_sources(field)
    target = source_circle(field.nominal, ra, dec, rule.radius_arcmin) if near else None
    at_target = exposed_mean(field.exposure, _core(target)) if target else 0.0
    source = given.source
    centre: Centre = "given"
    if source is None and target and at_target > 0:
        circle, centre = _centred(target, rule, sources)
        source = aperture(field, circle)
    why = _why_no_source(source, rule)
    if source is None or why:
        reasons = {"source": why, "background": why}
        return Apertures(offset * 60, at_target, None, None, reasons, sources=sources)
    view, light, level = assess_target(field, source.around, sources)
    lights = [light, *without_target(sources, source.around)]
    chosen = _background(field, source, lights, level, background, given.background)
    return Apertures(
        offset * 60,
        at_target,
        source,
        chosen if isinstance(chosen, Aperture) else None,
        {} if isinstance(chosen, Aperture) else {"background": chosen},
        centre,
        crosses_edge(field, source.around),
        view,
        sources,
    )


def source_circle(nominal: Nominal, ra: float, dec: float, radius_arcmin: float) -> Circle:
    """The circle around a position in degrees (FK5, J2000)."""
    sky = nominal.sky(ra, dec)
    return Circle(float(sky.x), float(sky.y), radius_arcmin / PIXEL_ARCMIN)


def aperture(field: Field, circle: Circle, background: Background | None = None) -> Aperture:
    """A circle with what is exposed of it."""
    shape = PixelShape("circle", True, (circle.x,), (circle.y,), (circle.radius,))
    fraction = exposed_fraction(field.exposure, circle, field.calibration)
    return Aperture((shape,), circle, fraction, background)


def crosses_edge(field: Field, circle: Circle) -> bool:
    """Whether part of a circle lies beyond the exposed area; gaps and calibration sources are no edge."""
    reach = circle.radius + 3 * _GAP_PIXELS
    x, y = (np.arange(np.floor(at - reach), np.ceil(at + reach) + 1, BINNING) for at in (circle.x, circle.y))
    columns, rows = (np.clip(axis.astype(int) - 1, 0, field.exposure.shape[0] - 1) for axis in (x, y))
    px, py = x[np.newaxis, :], y[:, np.newaxis]
    off = (px < 1) | (px > field.exposure.shape[1]) | (py < 1) | (py > field.exposure.shape[0])
    live = (field.exposure[np.ix_(rows, columns)] > LEAST_EXPOSED * field.most) & ~off
    for calibration in field.calibration:
        live |= calibration.holds(px, py)
    # Closed: widened by what half a gap measures, and narrowed again.
    wide = disc_sums(live.astype(float), _GAP_PIXELS / BINNING) > 0.5
    closed = disc_sums((~wide).astype(float), _GAP_PIXELS / BINNING) < 0.5
    inside = circle.holds(px, py)
    return bool((inside & ~(closed | live)).sum() > _BEYOND * inside.sum())


def _centred(target: Circle, rule: SourceRule, sources: Sequence[Source]) -> tuple[Circle, Centre]:
    """The source circle, and where it stands."""
    shift = rule.shift_arcsec / PIXEL_ARCSEC
    near = [source for source in sources if target.distance(source.x, source.y) <= shift]
    if rule.centre == "target" or not near:
        return target, "target"
    peak = max(near, key=lambda source: source.counts)
    return Circle(peak.x, peak.y, target.radius), "peak"


def _core(circle: Circle) -> Circle:
    return Circle(circle.x, circle.y, _CORE_PIXELS)


def _why_no_source(source: Aperture | None, rule: SourceRule) -> str:
    """The reason why there is no source region; empty when there is one."""
    if source is None:
        return OUTSIDE
    if source.exposed_fraction >= rule.minimum_fraction:
        return ""
    what = "given source region" if source.given else "source circle"
    return (
        f"only {source.exposed_fraction:.0%} of the {what} is exposed on this data class, less than the "
        f"{rule.minimum_fraction:.0%} asked for"
    )


def _background(
    field: Field,
    source: Aperture,
    lights: Sequence[Source],
    level: float,
    rule: BackgroundRule,
    given: Aperture | None,
) -> Aperture | str:
    """The background, or why there is none."""
    if given is None:
        found = choose_background(field, source.around, lights, level, rule)
        return found if isinstance(found, str) else aperture(field, found.circle, found)
    return given if given.exposed_fraction > 0 else "the given background region is not exposed at all"
