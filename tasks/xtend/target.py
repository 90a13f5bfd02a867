"""What is at the target: whether anything is detected, how far from it, how bright and how extended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.xtend.field import Circle, Cutout, Field, cutout, disc_sums
from tasks.xtend.geometry import PIXEL_ARCSEC
from tasks.xtend.psf import brightness, enclosed
from tasks.xtend.sources import (
    WING_SHARE,
    Source,
    background_level,
    li_ma,
    quiet_level,
    wings_on,
)

DETECTED: Final = 3.0
"""Standard deviations; the place is known, so there is but one trial."""
_OWN: Final = 45.0 / PIXEL_ARCSEC
"""A source within 45″ of the target (half of the light lies in 84″) is the target."""
_CORE: Final = 15.0
_ANNULUS: Final = (60.0 / PIXEL_ARCSEC, 120.0 / PIXEL_ARCSEC)
_SMOOTHED: Final = 10.0
_STEP: Final = 30.0 / PIXEL_ARCSEC
_STEPS: Final = 20
"""The reach of something extended is looked for in rings of 30″, out to 10′."""
_SEEN: Final = 2.0
_KNOWN_COUNTS: Final = 100.0
"""The expected background is known to 10 %, as well as by so many counts."""


@dataclass(frozen=True)
class TargetView:
    """What is at the target.

    Parameters
    ----------
    significance : float
        The greater of those within 27″ and within the source circle, in standard deviations, over the
        background between the sources and the wings of other sources.
    peak_offset_arcsec : float or None
        From the target to the brightest source in the source circle, or to the brightest spot of 18″
        radius where there is none; None where nothing is exposed.
    net_rate : float
        Net counts per second in the exposed part of the source circle.
    neighbours : float
        Counts that the wings of other sources put into the source circle, over the target's net counts.
    extent_ratio, extent_error : float or None
        Net counts of the annulus from 60″ to 120″ over those within 27″, divided by the same for a point
        source seen by the same pixels: 1 for a point source, 14 for a beta model with a core radius of 1.5′.
        The error is that of the counts and of a background known to 10 %; the PSF itself adds some percent,
        and pile-up in the core raises the ratio. None when nothing is detected or an area is not exposed.
    """

    significance: float
    peak_offset_arcsec: float | None
    net_rate: float
    neighbours: float
    extent_ratio: float | None
    extent_error: float | None

    @property
    def detected(self) -> bool:
        """Whether there is a source at the target."""
        return self.significance >= DETECTED


@dataclass(frozen=True)
class _Sum:
    """Counts of an area, the background expected in it, and the share of a point source it sees."""

    counts: float
    expected: float
    share: float

    @property
    def net(self) -> float:
        return self.counts - self.expected

    @property
    def variance(self) -> float:
        # With no count at all one is what could have been.
        return max(self.counts, 1.0) + self.expected**2 / _KNOWN_COUNTS

    @property
    def significance(self) -> float:
        if not self.expected:
            return 0.0
        return float(li_ma(self.counts, _KNOWN_COUNTS, self.expected / _KNOWN_COUNTS))


def assess_target(
    field: Field, circle: Circle, sources: Sequence[Source]
) -> tuple[TargetView, Source, float]:
    """What is at the centre of a source circle, that as a source, and the background between all sources.

    Parameters
    ----------
    field : Field
        Where it lies.
    circle : Circle
        The source circle.
    sources : sequence of Source
        Those of the field.

    Returns
    -------
    view : TargetView
        What is there.
    source : Source
        The target as a point source that gives the net counts of its circle, so that its wings are known.
        What is extended counts with all its light, and with how far it reaches.
    level : float
        Background in counts per fully exposed sky pixel.
    """
    others = without_target(sources, circle)
    level = quiet_level(field.coarse)
    spread = _spread(field, circle, others, level)
    # The light of the target bears on the background between the sources, and the other way round.
    for _ in range(2):
        view = view_target(field, circle, sources, level)
        net = view.net_rate * field.seconds / float(enclosed(circle.radius * PIXEL_ARCSEC))
        own = [source.counts for source in sources if source not in others]
        counts = max([net, *own, 1e-9])
        target = Source(circle.x, circle.y, counts, view.significance, spread)
        level = background_level(field, [target, *others])
    return view_target(field, circle, sources, level), target, level


def view_target(field: Field, circle: Circle, sources: Sequence[Source], level: float) -> TargetView:
    """What is at the centre of a source circle, over a background of `level` counts per sky pixel."""
    reach = max(circle.radius, _ANNULUS[1])
    around = cutout(field, circle.x, circle.y, reach)
    distance = around.distance(circle.x, circle.y)
    wings = wings_on(without_target(sources, circle), around.x, around.y) * around.share
    expected = level * around.share + wings
    light = brightness(distance) * around.share

    def within(low: float, high: float) -> _Sum:
        area = (distance >= low) & (distance <= high)
        return _Sum(*(float(each[area].sum()) for each in (around.counts, expected, light)))

    core, whole = within(0, _CORE), within(0, circle.radius)
    significance = max(core.significance, whole.significance)
    ratio, error = (None, None) if significance < DETECTED else _extent(core, within(*_ANNULUS))
    return TargetView(
        significance,
        _peak_offset(around, circle, sources),
        whole.net / field.seconds if field.seconds > 0 else 0.0,
        float(wings[distance <= circle.radius].sum()) / max(whole.net, 1.0),
        ratio,
        error,
    )


def without_target(sources: Sequence[Source], circle: Circle) -> list[Source]:
    """The sources that are not the target."""
    return [source for source in sources if circle.distance(source.x, source.y) > _OWN]


def _spread(field: Field, circle: Circle, others: Sequence[Source], level: float) -> float:
    """Pixels from the target to where its surroundings are no brighter than a faint wing; 0 at once."""
    around = cutout(field, circle.x, circle.y, _STEPS * _STEP)
    ring = np.minimum(around.distance(circle.x, circle.y) // _STEP, _STEPS).astype(int).ravel()
    expected = (level + wings_on(others, around.x, around.y)) * around.share
    counts, due = (np.bincount(ring, each.ravel(), _STEPS + 1) for each in (around.counts, expected))
    bright = counts - (1 + WING_SHARE) * due > _SEEN * np.sqrt(np.maximum(due, 1))
    # What is not exposed does not end anything, nor does it extend it.
    reached = 0.0
    for number in np.flatnonzero(due[:_STEPS] > 0):
        if not bright[number]:
            break
        reached = (number + 1) * _STEP
    return float(reached)


def _extent(core: _Sum, annulus: _Sum) -> tuple[float | None, float | None]:
    """The annulus over the core relative to the PSF, and its error."""
    if not (core.share and annulus.share):
        return None, None
    # A core that is not seen gives a lower limit.
    inner = max(core.net, np.sqrt(core.variance))
    point = annulus.share / core.share
    ratio = annulus.net / inner / point
    error = np.sqrt(annulus.variance + (ratio * point) ** 2 * core.variance) / inner / point
    return float(ratio), float(error)


def _peak_offset(around: Cutout, circle: Circle, sources: Sequence[Source]) -> float | None:
    """Arcsec from the target to the brightest source in the circle, or else to the brightest spot."""
    inside = [source for source in sources if circle.distance(source.x, source.y) <= circle.radius]
    if inside:
        brightest = max(inside, key=lambda source: source.counts)
        return circle.distance(brightest.x, brightest.y) * PIXEL_ARCSEC
    counts, share = (disc_sums(image, _SMOOTHED) for image in (around.counts, around.share))
    distance = around.distance(circle.x, circle.y)
    seen = (share > np.pi * _SMOOTHED**2 / 2) & (distance <= circle.radius)
    if not seen.any():
        return None
    rate = np.where(seen, np.rint(counts) / np.maximum(share, 1.0), -1)
    # Of equally bright spots the nearest.
    best = np.lexsort((distance.ravel(), -rate.ravel()))[0]
    return float(distance.ravel()[best] * PIXEL_ARCSEC)
