"""Sources of a field: where they are, how bright, and what is between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.xtend.field import BINNING, Coarse, Cutout, Field, coarse_centres, cutout, disc_sums
from tasks.xtend.geometry import PIXEL_ARCSEC, Floats
from tasks.xtend.psf import brightness, radius_of

WING_SHARE: Final = 0.2
"""A source's wings end where they are this part of the background between the sources."""
_CELL, _RING_FROM, _RING_TO = 10.0, 20.0, 45.0
"""Sky pixels: a source is the counts within 18″ against those between 35″ and 80″ around it."""
_THRESHOLD: Final = 5.0
_LEAST_COUNTS: Final = 5.0
_LEAST_CONTRAST: Final = 1.5
"""How much brighter a cell must be than what is around it: clumps of something extended are no sources."""
_LEAST_CELL: Final = 0.3
"""A cell of which less is exposed is not looked at."""
_APART: Final = 60.0 / PIXEL_ARCSEC
"""Peaks within 1′ of a more significant one belong to it; half of the light falls in a circle of 84″."""
_BLOCK: Final = 32
_MOST_SOURCES: Final = 200
_QUIET_BLOCKS: Final = 0.5
_LEAST_CLEAR: Final = 0.2


@dataclass(frozen=True)
class Source:
    """A point source.

    Parameters
    ----------
    x, y : float
        Centroid in unbinned SKY pixels.
    counts : float
        Net counts over the whole PSF, had all of it been exposed for the field's greatest exposure.
    significance : float
        In standard deviations (Li & Ma 1983, equation 17).
    spread : float
        Distance in pixels to which it was seen to reach, for something extended.
    """

    x: float
    y: float
    counts: float
    significance: float
    spread: float = 0.0

    def wings(self, distance: Floats | float) -> Floats:
        """Counts per fully exposed sky pixel at a distance in pixels."""
        return self.counts * brightness(distance)

    def reach(self, level: float) -> float:
        """Distance in pixels at which it ends, for a background of `level` counts per pixel."""
        return max(self.spread, radius_of(WING_SHARE * level / self.counts))


def li_ma(on: Floats | float, off: Floats | float, alpha: Floats | float) -> Floats:
    """Significance of `on` counts over `alpha` times `off` counts; negative where they fall short.

    Equation 17 of Li & Ma (1983), in standard deviations, in the shape to which the arguments broadcast.
    """
    n, m, a = (np.asarray(value, float) for value in (on, off, alpha))
    total = np.maximum(n + m, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.where(n > 0, n * np.log((1 + a) / a * n / total), 0)
        below = np.where(m > 0, m * np.log((1 + a) * m / total), 0)
    return np.asarray(np.sign(n - a * m) * np.sqrt(2 * np.maximum(above + below, 0)))


def find_sources(field: Field) -> tuple[Source, ...]:
    """Point sources of a field, the most significant first.

    Counts within 18″ are compared with those in a ring of 35–80″ around, where both are weighted by
    exposure. In the wings of a bright source the ring is on average brighter than its middle, so that
    wings make no sources, and neither do edges.
    """
    coarse = field.coarse
    significance = _significances(coarse)
    found: list[Source] = []
    for row, column in _peaks(significance):
        x, y = (float(axis[at]) for axis, at in zip(coarse_centres(), (column, row), strict=True))
        around = cutout(field, x, y, _RING_TO + 2 * _CELL)
        x, y = _centroid(around, x, y)
        near = any(np.hypot(x - other.x, y - other.y) < _APART for other in found)
        counts = 0.0 if near else point_counts(around, x, y)
        if counts > 0:
            found.append(Source(x, y, counts, float(significance[row, column])))
    return tuple(found[:_MOST_SOURCES])


def point_counts(around: Cutout, x: float, y: float) -> float:
    """Net counts of a point source at (x, y) over its whole PSF, fully exposed; 0 or less without one.

    From the counts within 18″ and in the ring of 35–80″, which both hold the source and a level background.
    """
    distance = around.distance(x, y)
    cell, ring = distance <= _CELL, (distance >= _RING_FROM) & (distance <= _RING_TO)
    light = brightness(distance) * around.share
    alpha = around.share[cell].sum() / max(around.share[ring].sum(), 1e-300)
    net = around.counts[cell].sum() - alpha * around.counts[ring].sum()
    share = light[cell].sum() - alpha * light[ring].sum()
    return float(net / share) if share > 0 else 0.0


def background_level(field: Field, sources: Sequence[Source]) -> float:
    """Counts per fully exposed sky pixel between the sources; above 0.

    It is taken where no source's wings reach, or else in the fifth of the field that they reach least, and
    the wings that are still there are subtracted.
    """
    coarse = field.coarse
    exposed = coarse.share > 0
    if not exposed.any():
        return 1.0
    level = quiet_level(coarse)
    x, y = np.meshgrid(*coarse_centres(), sparse=True)
    wings = wings_on(sources, x, y)
    # Nobody knows how bright something extended is within its reach.
    beyond = np.where(_within_spread(sources, x, y), np.inf, wings)
    limit = np.quantile(beyond[exposed], _LEAST_CLEAR)
    for _ in range(3):
        clear = exposed & (beyond <= max(WING_SHARE * level, limit))
        counts = coarse.counts[clear].sum()
        net = counts - (wings * coarse.share)[clear].sum()
        # What is left after a great subtraction cannot be known better than this.
        level = max(net, np.sqrt(counts), 1.0) / coarse.share[clear].sum()
    return float(level)


def quiet_level(coarse: Coarse) -> float:
    """Counts per fully exposed sky pixel in the fainter half of the field, in blocks of 3.8′."""
    places = np.arange(0, len(coarse.share), _BLOCK)
    counts, share = (
        np.add.reduceat(np.add.reduceat(image, places, axis=0), places, axis=1).ravel()
        for image in (coarse.counts, coarse.share)
    )
    used = share > 0
    order = np.argsort(counts[used] / share[used], kind="stable")
    quiet = order[: max(1, int(np.ceil(_QUIET_BLOCKS * order.size)))]
    exposed = share[used][quiet].sum()
    return float((counts[used][quiet].sum() + 1) / exposed) if exposed else 1.0


def wings_on(sources: Sequence[Source], x: Floats, y: Floats) -> Floats:
    """Counts of all sources per fully exposed sky pixel at points (shapes that broadcast)."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for source in sources:
        total += source.wings(np.hypot(x - source.x, y - source.y))
    return total


def _within_spread(sources: Sequence[Source], x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Which points lie within the reach of something extended."""
    within = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for source in sources:
        within |= np.hypot(x - source.x, y - source.y) <= source.spread
    return within


def _significances(coarse: Coarse) -> Floats:
    """How significantly each coarse pixel's cell stands out, shape (607, 607); 0 where it cannot be told."""
    cell, ring = ((_CELL, 0.0), (_RING_TO, _RING_FROM))
    on, off = (disc_sums(coarse.counts, outer / BINNING, inner / BINNING) for outer, inner in (cell, ring))
    here, there = (disc_sums(coarse.share, outer / BINNING, inner / BINNING) for outer, inner in (cell, ring))
    # One count at the general level keeps a ring without counts from making anything significant.
    off, there = np.rint(off) + 1, there + 1 / quiet_level(coarse)
    alpha = here / there
    looked_at = (here >= _LEAST_CELL * np.pi * _CELL**2) & (coarse.share > 0)
    stands_out = (on - alpha * off >= _LEAST_COUNTS) & (on >= _LEAST_CONTRAST * alpha * off)
    significance = li_ma(np.rint(on), off, np.maximum(alpha, 1e-300))
    return np.where(looked_at & stands_out, significance, 0)


def _peaks(significance: Floats) -> NDArray[np.intp]:
    """Row and column of the peaks above the threshold, the highest first, shape (n, 2)."""
    if significance.max() <= _THRESHOLD:
        return np.zeros((0, 2), np.intp)
    # Takes a second to import.
    from photutils.detection import find_peaks

    table: Any = find_peaks(significance, _THRESHOLD, box_size=2 * int(_RING_FROM / BINNING) + 1)
    rows, columns = np.asarray(table["y_peak"]), np.asarray(table["x_peak"])
    order = np.lexsort((columns, rows, -significance[rows, columns]))
    return np.stack([rows[order], columns[order]], axis=1)


def _centroid(around: Cutout, x: float, y: float) -> tuple[float, float]:
    """Where a point source is, from the middle of the counts within 18″, a level background taken away.

    Bad pixels and edges in the circle push this middle aside, by as much as they do that of the PSF.
    """
    for _ in range(3):
        distance = around.distance(x, y)
        cell, ring = distance <= _CELL, (distance >= _RING_FROM) & (distance <= _RING_TO)
        level = around.counts[ring].sum() / max(around.share[ring].sum(), 1e-300)
        net = np.where(cell, around.counts - level * around.share, 0)
        light = np.where(cell, brightness(distance) * around.share, 0)
        if net.sum() <= 0 or light.sum() <= 0:
            break
        weight = net / net.sum() - light / light.sum()
        step = float((weight * (around.x - x)).sum()), float((weight * (around.y - y)).sum())
        # A few counts can put the middle anywhere.
        shift = min(1.0, _CELL / 2 / max(float(np.hypot(*step)), 1e-9))
        x, y = x + shift * step[0], y + shift * step[1]
    return x, y
