"""Where source and background events are taken: circles on the sky, judged by how much of them is exposed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.coordinates import angular_separation, offset_by
from numpy.typing import NDArray

from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    PIXEL_ARCMIN,
    DetPixels,
    Nominal,
    SkyPixels,
    det_to_sky,
)

TIE_DIGITS: Final = 3
"""Exposed fractions that agree to this many decimals are equally good."""
OUTSIDE: Final = "the target lies outside this data class's exposed area"
_CORE_PIXELS: Final = 10.0
"""Exposure at the target is looked for within 18″: wider than bad pixels and charge-injection rows."""
_FIELD_DEG: Final = 1.0
"""A target further away than this is outside: the field's radius is less than half of it."""
_TOUCH_PIXELS: Final = 1e-3


@dataclass(frozen=True)
class Circle:
    """A circle in unbinned SKY pixels: centre and radius."""

    x: float
    y: float
    radius: float

    def overlaps(self, other: "Circle") -> bool:
        """Whether the two share more than a touching point."""
        distance = np.hypot(self.x - other.x, self.y - other.y)
        return bool(distance < self.radius + other.radius - _TOUCH_PIXELS)


@dataclass(frozen=True)
class Ring:
    """Background circles evenly spaced on a ring around the target.

    Parameters
    ----------
    radius_arcmin, distance_arcmin : float
        Radius of each circle; true angular distance of its centre from the target.
    candidates : int
        How many circles.
    minimum_fraction : float
        The best one is taken only when this part of it is exposed.
    """

    radius_arcmin: float
    distance_arcmin: float
    candidates: int
    minimum_fraction: float


@dataclass(frozen=True)
class Field:
    """What there is to choose from.

    Parameters
    ----------
    nominal : Nominal
        The aspect of the SKY pixels.
    exposure : ndarray, shape (2430, 2430)
        Exposure per unbinned SKY pixel, [y, x], finite and not negative: seconds, or fractions.
    """

    nominal: Nominal
    exposure: NDArray[np.float32]


@dataclass(frozen=True)
class Aperture:
    """A circle that was chosen: the exposed fraction of its area, 0 to 1, and its place on the ring."""

    circle: Circle
    exposed_fraction: float
    candidate: int = 0


@dataclass(frozen=True)
class Apertures:
    """Where source and background events are taken.

    Parameters
    ----------
    offset_arcmin : float
        Distance of the target from the aim point.
    at_target : float
        Mean exposure within 18″ of the target, in the unit of the field's exposure.
    source, background : Aperture or None
        Circles with their exposed fractions; None where `not_made` says why.
    not_made : dict
        `source` or `background` → reason.
    """

    offset_arcmin: float
    at_target: float
    source: Aperture | None
    background: Aperture | None
    not_made: dict[str, str]


def choose_apertures(
    field: Field, ra: float, dec: float, source_radius_arcmin: float, ring: Ring
) -> Apertures:
    """The circles for a target at (ra, dec) in degrees (FK5, J2000).

    Parameters
    ----------
    field : Field
        Where the detector is exposed.
    ra, dec : float
        The target in degrees.
    source_radius_arcmin : float
        Radius of the source circle.
    ring : Ring
        What backgrounds there are to choose from.
    """
    centre = field.nominal.ra, field.nominal.dec
    offset = float(np.degrees(angular_separation(*np.radians([*centre, ra, dec]))))
    circle = source_circle(field.nominal, ra, dec, source_radius_arcmin)
    core = Circle(circle.x, circle.y, _CORE_PIXELS)
    at_target = exposed_mean(field.exposure, core) if offset < _FIELD_DEG else 0.0
    if at_target <= 0:
        return Apertures(offset * 60, 0.0, None, None, {"source": OUTSIDE, "background": OUTSIDE})
    calibration = calibration_circles(field.nominal)
    source = Aperture(circle, exposed_fraction(field.exposure, circle, calibration))
    best = best_background(
        field.exposure, background_candidates(field.nominal, ra, dec, ring), circle, calibration
    )
    if best and best.exposed_fraction >= ring.minimum_fraction:
        return Apertures(offset * 60, at_target, source, best, {})
    return Apertures(offset * 60, at_target, source, None, {"background": _why_poor(best, ring)})


def source_circle(nominal: Nominal, ra: float, dec: float, radius_arcmin: float) -> Circle:
    """The circle around a position in degrees (FK5, J2000)."""
    sky = nominal.sky(ra, dec)
    return Circle(float(sky.x), float(sky.y), radius_arcmin / PIXEL_ARCMIN)


def background_candidates(nominal: Nominal, ra: float, dec: float, ring: Ring) -> tuple[Circle, ...]:
    """The ring's circles around a position in degrees, from north through east."""
    angles = np.arange(ring.candidates) * 2 * np.pi / ring.candidates
    distance = np.radians(ring.distance_arcmin / 60)
    lon, lat = offset_by(np.radians(ra), np.radians(dec), angles, distance)
    centres = nominal.sky(np.degrees(lon), np.degrees(lat))
    radius = ring.radius_arcmin / PIXEL_ARCMIN
    return tuple(Circle(float(x), float(y), radius) for x, y in zip(centres.x, centres.y, strict=True))


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
    inside = _inside(circle, x, y) | (np.abs(x - circle.x) <= 0.5) & (np.abs(y - circle.y) <= 0.5)
    height, width = exposure.shape
    counted = inside & (x >= 1) & (x <= width) & (y >= 1) & (y <= height)
    for other in excluded:
        counted &= ~_inside(other, x, y)
    rows, columns = np.nonzero(counted)
    seen = exposure[y[rows, 0].astype(int) - 1, x[0, columns].astype(int) - 1]
    return float(seen.sum(dtype=np.float64) / inside.sum())


def exposed_fraction(exposure: NDArray[np.float32], circle: Circle, excluded: Sequence[Circle] = ()) -> float:
    """Part of a circle's area that is exposed, 0 to 1, weighted by exposure relative to the array's maximum.

    Parameters and conventions are those of `exposed_mean`.
    """
    most = float(exposure.max())
    return min(1.0, exposed_mean(exposure, circle, excluded) / most) if most > 0 else 0.0


def best_background(
    exposure: NDArray[np.float32],
    candidates: Sequence[Circle],
    source: Circle,
    calibration: Sequence[Circle],
) -> Aperture | None:
    """The best exposed candidate that is clear of the source; the first of equally good ones.

    Returns
    -------
    Aperture or None
        None when every candidate overlaps the source.
    """
    clear = [
        Aperture(circle, exposed_fraction(exposure, circle, calibration), index)
        for index, circle in enumerate(candidates)
        if not circle.overlaps(source)
    ]
    return max(clear, key=lambda aperture: round(aperture.exposed_fraction, TIE_DIGITS), default=None)


def _why_poor(best: Aperture | None, ring: Ring) -> str:
    if best is None:
        return "every background circle overlaps the source"
    return (
        f"only {best.exposed_fraction:.0%} of the best background circle is exposed, less than the "
        f"{ring.minimum_fraction:.0%} asked for"
    )


def _inside(circle: Circle, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (x - circle.x) ** 2 + (y - circle.y) ** 2 <= circle.radius**2
    return inside
