"""The field of a dataset on its sky pixels: where it is exposed, what was counted, and circles on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    PIXEL_ARCMIN,
    SKY_SIZE,
    DetPixels,
    Floats,
    SkyPixels,
    det_to_sky,
)
from tasks.xtend.nominal import Nominal

BINNING: Final = 4
"""Sky pixels per coarse pixel and axis: 7″, the size of the PSF's core."""
LEAST_EXPOSED: Final = 0.05
"""Less exposed pixels, relative to the maximum, are not looked at, as in rate images."""
_TOUCH_PIXELS: Final = 1e-3


@dataclass(frozen=True)
class Circle:
    """A circle in unbinned SKY pixels: centre and radius."""

    x: float
    y: float
    radius: float

    def overlaps(self, other: "Circle") -> bool:
        """Whether the two share more than a touching point."""
        return self.distance(other.x, other.y) < self.radius + other.radius - _TOUCH_PIXELS

    def distance(self, x: float, y: float) -> float:
        """Pixels from the centre to a point."""
        return float(np.hypot(self.x - x, self.y - y))

    def holds(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Which points (shapes that broadcast) lie inside or on the edge."""
        return np.asarray((x - self.x) ** 2 + (y - self.y) ** 2 <= self.radius**2)


@dataclass(frozen=True, eq=False)
class Field:
    """What there is to choose from.

    Parameters
    ----------
    nominal : Nominal
        The aspect of the SKY pixels.
    exposure : ndarray, shape (2430, 2430)
        Exposure per unbinned SKY pixel, [y, x], finite and not negative: seconds, or fractions.
    counts : ndarray, shape (2430, 2430)
        Counts per unbinned SKY pixel.
    seconds : float
        The time that the greatest exposure stands for.
    calibration : tuple of Circle
        The calibration sources.
    """

    nominal: Nominal
    exposure: NDArray[np.float32]
    counts: NDArray[np.int32]
    seconds: float
    calibration: tuple[Circle, ...]

    @cached_property
    def most(self) -> float:
        """The greatest exposure."""
        return float(self.exposure.max())

    @cached_property
    def coarse(self) -> "Coarse":
        """The field in coarse pixels, without calibration sources and what is hardly exposed."""
        share, counts = _blocks(self.exposure / (self.most or 1)), _blocks(self.counts)
        x, y = coarse_centres()
        looked_at = share >= LEAST_EXPOSED * BINNING**2
        for circle in self.calibration:
            # A margin of half the diagonal of a coarse pixel.
            wider = Circle(circle.x, circle.y, circle.radius + BINNING * np.sqrt(0.5))
            looked_at &= ~wider.holds(x[np.newaxis, :], y[:, np.newaxis])
        return Coarse(np.where(looked_at, share, 0), np.where(looked_at, counts, 0))


@dataclass(frozen=True, eq=False)
class Coarse:
    """A field in pixels of 4 × 4 sky pixels, shape (607, 607): full sky pixels' worth exposed, and counts."""

    share: Floats
    counts: Floats


@dataclass(frozen=True, eq=False)
class Cutout:
    """The unbinned sky pixels around a point.

    Parameters
    ----------
    x, y : ndarray, shapes (1, n) and (m, 1)
        Sky pixels.
    share : ndarray, shape (m, n)
        Exposure relative to the field's maximum; 0 in calibration sources and off the field.
    counts : ndarray, shape (m, n)
        Counts; 0 where nothing is exposed.
    """

    x: Floats
    y: Floats
    share: Floats
    counts: Floats

    def distance(self, x: float, y: float) -> Floats:
        """Pixels from a point to each pixel, shape (m, n)."""
        return np.hypot(self.x - x, self.y - y)


def cutout(field: Field, x: float, y: float, reach: float) -> Cutout:
    """The pixels within `reach` of a point along each axis; at least one."""
    columns, rows = (np.arange(np.floor(at - reach), np.ceil(at + reach) + 1) for at in (x, y))
    inside_x, inside_y = ((axis >= 1) & (axis <= SKY_SIZE) for axis in (columns, rows))
    inside = np.ix_(inside_y, inside_x)
    place = np.ix_(rows[inside_y].astype(int) - 1, columns[inside_x].astype(int) - 1)
    share, counts = (np.zeros((rows.size, columns.size)) for _ in range(2))
    share[inside] = field.exposure[place] / (field.most or 1)
    counts[inside] = field.counts[place]
    px, py = columns[np.newaxis, :], rows[:, np.newaxis]
    for circle in field.calibration:
        share[circle.holds(px, py)] = 0
    dark = share < LEAST_EXPOSED
    share[dark], counts[dark] = 0, 0
    return Cutout(px, py, share, counts)


def coarse_centres() -> tuple[Floats, Floats]:
    """Sky pixels of the centres of coarse pixels along x and y, shape (607,) each."""
    centres = np.arange(SKY_SIZE // BINNING, dtype=float) * BINNING + (BINNING + 1) / 2
    return centres, centres


def disc_sums(image: Floats, radius: float, inner: float = 0.0) -> Floats:
    """Sums within a disc, or a ring, around each pixel; radii in pixels, shape of the image."""
    reach = int(np.ceil(radius))
    axis = np.arange(-reach, reach + 1.0)
    squares = axis**2 + axis[:, np.newaxis] ** 2
    kernel = (squares <= radius**2) & (squares >= inner**2)
    shape = tuple(size + 2 * reach for size in image.shape)
    product = np.fft.rfft2(image, shape) * np.fft.rfft2(kernel.astype(float), shape)
    sums = np.fft.irfft2(product, shape)[reach : reach + image.shape[0], reach : reach + image.shape[1]]
    # The transform leaves rounding errors, and nothing here is negative.
    return np.maximum(sums, 0)


def calibration_circles(nominal: Nominal) -> tuple[Circle, ...]:
    """The two ⁵⁵Fe sources on the sky, when the attitude is the nominal one."""
    x, y, radius = np.array(CALIBRATION_CIRCLES).T
    centres = det_to_sky(DetPixels(x, y), nominal.pa)
    return tuple(
        Circle(float(cx), float(cy), float(r)) for cx, cy, r in zip(centres.x, centres.y, radius, strict=True)
    )


def world_circle(nominal: Nominal, circle: Circle) -> tuple[float, float, float]:
    """RA and Dec of the centre and the radius, all in degrees (FK5, J2000)."""
    ra, dec = nominal.world(SkyPixels(np.asarray(circle.x), np.asarray(circle.y)))
    return float(ra), float(dec), circle.radius * PIXEL_ARCMIN / 60


def exposed_mean(exposure: NDArray[np.float32], circle: Circle, excluded: Sequence[Circle] = ()) -> float:
    """Mean exposure over a circle's area; outside the array and in excluded circles it is zero.

    Parameters
    ----------
    exposure : ndarray, shape (2430, 2430)
        Exposure per SKY pixel, [y, x], finite and not negative; any unit.
    circle : Circle
        Pixels whose centre lies inside belong to it, and the pixel that holds its centre.
    excluded : sequence of Circle
        Areas that do not count as exposed.

    Returns
    -------
    float
        In the unit of `exposure`.
    """
    x = np.arange(np.floor(circle.x - circle.radius), np.ceil(circle.x + circle.radius) + 1)[np.newaxis, :]
    y = np.arange(np.floor(circle.y - circle.radius), np.ceil(circle.y + circle.radius) + 1)[:, np.newaxis]
    inside = circle.holds(x, y) | (np.abs(x - circle.x) <= 0.5) & (np.abs(y - circle.y) <= 0.5)
    height, width = exposure.shape
    counted = inside & (x >= 1) & (x <= width) & (y >= 1) & (y <= height)
    for other in excluded:
        counted &= ~other.holds(x, y)
    rows, columns = np.nonzero(counted)
    seen = exposure[y[rows, 0].astype(int) - 1, x[0, columns].astype(int) - 1]
    return float(seen.sum(dtype=np.float64) / inside.sum())


def exposed_fraction(exposure: NDArray[np.float32], circle: Circle, excluded: Sequence[Circle] = ()) -> float:
    """Part of a circle's area that is exposed, 0 to 1, weighted by exposure relative to the array's maximum.

    Parameters and conventions are those of `exposed_mean`.
    """
    most = float(exposure.max())
    return min(1.0, exposed_mean(exposure, circle, excluded) / most) if most > 0 else 0.0


def _blocks(image: NDArray[np.float32] | NDArray[np.int32]) -> Floats:
    """Sums over blocks of 4 × 4 pixels; the trailing part block is dropped."""
    height, width = (size // BINNING * BINNING for size in image.shape)
    rows = np.add.reduceat(image[:height, :width], np.arange(0, height, BINNING), axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(rows, np.arange(0, width, BINNING), axis=1))
