"""Where background events are taken: by rule, on the same data class, away from all that shines.

Circles on a grid of the detector are judged: they must be clear of the source, of its read-out trail, of the
calibration sources and of the cores of all sources. What is left is scored by exposed area, by the wings of
sources on it, and by how far it shares the columns of the source (DETX), as the particle background changes
with the distance from the read-out. A detector grid gives the same place for every position angle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.xtend.field import BINNING, Circle, Field, disc_sums, exposed_fraction
from tasks.xtend.geometry import (
    DET_SIZE,
    PIXEL_ARCMIN,
    PIXEL_ARCSEC,
    SKY_SIZE,
    DetPixels,
    Floats,
    SkyPixels,
    det_to_sky,
    sky_to_det,
)
from tasks.xtend.sources import Source, wings_on

POOR: Final = 0.4
"""A background of a lower score is used with a caution."""
TRAIL: Final = 60.0 / PIXEL_ARCSEC
"""Half the width of the read-out trail: the PSF's half-power radius and its own wings' core."""
_CORE: Final = 60.0 / PIXEL_ARCSEC
"""However bright the others are, no background comes nearer than this to a source."""
_MARGIN: Final = 10.0
"""Pixels kept between a background and a calibration source."""
_STEP: Final = 4
_RADII: Final = 5
_OTHER_COLUMNS: Final = 0.8
"""Score of a background that shares no column with the source, relative to one that shares all."""
_IN_WINGS: Final = 0.5
_NEARLY_ALL: Final = 0.97
"""Of the most exposed area there is; what has so much is as good as any."""


@dataclass(frozen=True)
class BackgroundRule:
    """What backgrounds there are to choose from.

    Parameters
    ----------
    radius_arcmin, minimum_radius_arcmin : float
        Radius of the circle, and how far it may shrink where no larger one does well.
    minimum_fraction : float
        Part of the exposed area of the best placed circle of the same size in this field that a background
        must have.
    """

    radius_arcmin: float
    minimum_radius_arcmin: float
    minimum_fraction: float


@dataclass(frozen=True)
class Background:
    """A background that was chosen.

    Parameters
    ----------
    circle : Circle
        Where.
    exposed_fraction : float
        Of its area, 0 to 1.
    area, wings, detx : float
        Parts of the score, 1 being best: exposed area relative to 97 % of the most that there is in this
        field; 1 outside all wings and else at most a half, falling to 0 where they are as bright as the
        background; share of the source's columns.
    """

    circle: Circle
    exposed_fraction: float
    area: float
    wings: float
    detx: float

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return float(_score(self.area, self.wings, self.detx))


@dataclass(frozen=True)
class _Grid:
    """Detector cells of 4 × 4 pixels, shape (452, 452).

    Parameters
    ----------
    det_x, det_y : ndarray, shapes (1, 452) and (452, 1)
        Centres of the cells in DET pixels.
    share : ndarray, shape (452, 452)
        Exposed part of each cell.
    wings : ndarray, shape (452, 452)
        Brightness of all sources' wings relative to the background between them.
    """

    det_x: Floats
    det_y: Floats
    share: Floats
    wings: Floats


def choose_background(
    field: Field, source: Circle, lights: Sequence[Source], level: float, rule: BackgroundRule
) -> Background | str:
    """The best background circle, or why there is none.

    Parameters
    ----------
    field : Field
        Where the detector is exposed.
    source : Circle
        The source circle.
    lights : sequence of Source
        What shines in the field: the target first, then the other sources.
    level : float
        Background between the sources, in counts per fully exposed sky pixel; above 0.
    rule : BackgroundRule
        What is asked for.
    """
    grid = _grid(field, lights, level)
    radius, least = (value / PIXEL_ARCMIN for value in (rule.radius_arcmin, rule.minimum_radius_arcmin))
    most = float(disc_sums(grid.share, radius / BINNING).max()) if field.most else 0.0
    if most < 1:
        return "nothing is exposed"
    found: list[Background] = []
    outshone = False
    for size in np.linspace(radius, min(least, radius), _RADII):
        best, some = _best(field, grid, source, lights, level, float(size), most, rule.minimum_fraction)
        outshone |= some
        found += [best] if best else []
        if best and best.score >= POOR:
            return best
    if found:
        return max(found, key=lambda one: one.score)
    if outshone:
        return "the wings of sources outshine the background in all that is left of the field"
    return (
        f"no circle of {min(rule.minimum_radius_arcmin, rule.radius_arcmin):g}′ or more that is clear of "
        "sources, read-out trail and calibration sources has enough exposed area"
    )


def _best(
    field: Field,
    grid: _Grid,
    source: Circle,
    lights: Sequence[Source],
    level: float,
    radius: float,
    most: float,
    minimum_fraction: float,
) -> tuple[Background | None, bool]:
    """The best circle of a radius; and whether there would be one if it were not for wings."""
    sparse = np.s_[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP]
    everywhere = disc_sums(grid.share, radius / BINNING)
    exposed, area = everywhere[sparse], np.minimum(1, everywhere[sparse] / (_NEARLY_ALL * most))
    wings = disc_sums(grid.share * grid.wings, radius / BINNING)[sparse] / np.maximum(exposed, 1)
    det_x, det_y = grid.det_x[:, _STEP // 2 :: _STEP], grid.det_y[_STEP // 2 :: _STEP]
    centre = sky_to_det(SkyPixels(np.array(source.x), np.array(source.y)), field.nominal.pa)
    sky = det_to_sky(DetPixels(det_x, det_y), field.nominal.pa)
    clear = _clear(field, source, lights, level, sky, radius)
    clear &= np.abs(det_y - centre.y) >= radius + TRAIL
    fits = clear & (exposed >= max(minimum_fraction * everywhere.max(), 1.0))
    usable = fits & (wings < 1)
    if not usable.any():
        return None, bool(fits.any())
    outside = _outside(lights, sky, radius, [light.reach(level) for light in lights])
    clean = np.where(outside, 1.0, _IN_WINGS * (1 - wings))
    detx = _overlap(det_x, radius, float(centre.x), source.radius)
    score = np.where(usable, np.round(_score(area, clean, detx), 2), -1)
    distance = np.round(np.hypot(det_x - centre.x, det_y - centre.y))
    best = np.lexsort((distance.ravel(), -score.ravel()))[0]
    row, column = np.unravel_index(best, score.shape)
    circle = Circle(float(sky.x[row, column]), float(sky.y[row, column]), radius)
    fraction = exposed_fraction(field.exposure, circle, field.calibration)
    parts = float(area[row, column]), float(clean[row, column]), float(detx[0, column])
    return Background(circle, fraction, *parts), False


def _clear(
    field: Field, source: Circle, lights: Sequence[Source], level: float, sky: SkyPixels, radius: float
) -> NDArray[np.bool_]:
    """Which centres of circles keep clear of source, calibration sources and cores of other sources."""
    clear = np.hypot(sky.x - source.x, sky.y - source.y) >= source.radius + radius
    for circle in field.calibration:
        clear &= np.hypot(sky.x - circle.x, sky.y - circle.y) >= circle.radius + radius + _MARGIN
    return clear & _outside(lights, sky, radius, [min(light.reach(level), _CORE) for light in lights])


def _outside(
    lights: Sequence[Source], sky: SkyPixels, radius: float, reaches: Sequence[float]
) -> NDArray[np.bool_]:
    """Which circles lie wholly beyond these distances (pixels) from the sources."""
    outside = np.ones(np.broadcast_shapes(sky.x.shape, sky.y.shape), bool)
    for light, reach in zip(lights, reaches, strict=True):
        outside &= np.hypot(sky.x - light.x, sky.y - light.y) >= radius + reach
    return outside


def _overlap(det_x: Floats, radius: float, source_x: float, source_radius: float) -> Floats:
    """Part of the narrower of background and source whose columns the other has, 0 to 1."""
    common = np.minimum(det_x + radius, source_x + source_radius) - np.maximum(
        det_x - radius, source_x - source_radius
    )
    return np.clip(common / (2 * min(radius, source_radius)), 0, 1)


def _score(area: Floats | float, wings: Floats | float, detx: Floats | float) -> Floats:
    return np.asarray(area * wings * (_OTHER_COLUMNS + (1 - _OTHER_COLUMNS) * np.asarray(detx)))


def _grid(field: Field, lights: Sequence[Source], level: float) -> _Grid:
    centres = np.arange(DET_SIZE // BINNING, dtype=float) * BINNING + (BINNING + 1) / 2
    det_x, det_y = centres[np.newaxis, :], centres[:, np.newaxis]
    sky = det_to_sky(DetPixels(det_x, det_y), field.nominal.pa)
    column, row = (np.rint((axis - (BINNING + 1) / 2) / BINNING).astype(int) for axis in (sky.x, sky.y))
    last = SKY_SIZE // BINNING - 1
    on_sky = (column >= 0) & (column <= last) & (row >= 0) & (row <= last)
    share = field.coarse.share[np.clip(row, 0, last), np.clip(column, 0, last)] / BINNING**2
    return _Grid(det_x, det_y, np.where(on_sky, share, 0), wings_on(lights, sky.x, sky.y) / level)
