"""Shapes on the sky and in sky pixels, and which points they hold; edges are inside, as in HEASoft."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from astropy.wcs import WCS
from numpy.typing import ArrayLike, NDArray

from tasks.core.errors import BadInput

Frame = Literal["sky", "pixel"]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ON_EDGE: Final = 1e-10


@dataclass(frozen=True)
class PixelShape:
    """A shape in unbinned sky pixels, the centre of pixel n at n.

    Parameters
    ----------
    kind : str
        circle, annulus, ellipse, box or polygon.
    include : bool
        False for an exclusion.
    x, y : tuple of float
        The centre, or the vertices of a polygon.
    sizes : tuple of float
        Radii, semi-axes, or full widths of a box.
    angle : float
        Degrees, counter-clockwise from +X.
    """

    kind: str
    include: bool
    x: tuple[float, ...]
    y: tuple[float, ...]
    sizes: tuple[float, ...] = ()
    angle: float = 0.0

    def contains(self, x: ArrayLike, y: ArrayLike) -> Mask:
        """Whether points (sky pixels, shapes that broadcast) lie inside the outline or on it."""
        px, py = np.asarray(x, float), np.asarray(y, float)
        if self.kind == "polygon":
            return _in_polygon(px, py, self.x, self.y)
        cosine, sine = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        dx, dy = px - self.x[0], py - self.y[0]
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        return _INSIDE[self.kind](along, across, self.sizes)

    def bounds(self) -> tuple[float, float, float, float]:
        """Least x, greatest x, least y, greatest y of a box around the shape."""
        reach = float(np.linalg.norm(self.sizes)) / 2 if self.kind == "box" else max(self.sizes, default=0.0)
        return min(self.x) - reach, max(self.x) + reach, min(self.y) - reach, max(self.y) + reach


@dataclass(frozen=True)
class Shape:
    """A shape as the file has it: in pixels, or in degrees on the sky.

    Parameters
    ----------
    kind, include, angle
        As in `PixelShape`.
    frame : {"sky", "pixel"}
        What positions and sizes are in: degrees (FK5, ICRS), or unbinned sky pixels.
    x, y, sizes : tuple of float
        As in `PixelShape`, in the frame's unit.
    text : str
        The line of the file.
    """

    kind: str
    include: bool
    frame: Frame
    x: tuple[float, ...]
    y: tuple[float, ...]
    sizes: tuple[float, ...]
    angle: float
    text: str

    def on(self, wcs: WCS | None) -> PixelShape:
        """In pixels; sizes are measured along the declination towards the equator, as in HEASoft."""
        if self.frame == "pixel":
            return PixelShape(self.kind, self.include, self.x, self.y, self.sizes, self.angle)
        if wcs is None:
            raise BadInput(f"{self.text}: the event list has no sky coordinates, so give pixels (physical)")
        x, y = wcs.wcs_world2pix(np.array(self.x), np.array(self.y), 1)
        reach = np.array(self.sizes) * (1 if self.y[0] < 0 else -1)
        end = wcs.wcs_world2pix(np.full(len(self.sizes), self.x[0]), self.y[0] + reach, 1)
        if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(end).all()):
            raise BadInput(f"{self.text}: lies on the other side of the sky from the event list")
        sizes = np.hypot(end[0] - x[0], end[1] - y[0])
        px, py, pixels = (tuple(values.tolist()) for values in (x, y, sizes))
        return PixelShape(self.kind, self.include, px, py, pixels, self.angle)


def _in_circle(along: Floats, across: Floats, sizes: Sequence[float]) -> Mask:
    return np.asarray(along**2 + across**2 <= sizes[0] ** 2)


def _in_annulus(along: Floats, across: Floats, sizes: Sequence[float]) -> Mask:
    squared = along**2 + across**2
    return np.asarray((squared >= sizes[0] ** 2) & (squared <= sizes[1] ** 2))


def _in_ellipse(along: Floats, across: Floats, sizes: Sequence[float]) -> Mask:
    return np.asarray((along / sizes[0]) ** 2 + (across / sizes[1]) ** 2 <= 1)


def _in_box(along: Floats, across: Floats, sizes: Sequence[float]) -> Mask:
    return np.asarray((np.abs(along) <= sizes[0] / 2) & (np.abs(across) <= sizes[1] / 2))


_INSIDE: Final[dict[str, Callable[[Floats, Floats, Sequence[float]], Mask]]] = {
    "circle": _in_circle,
    "annulus": _in_annulus,
    "ellipse": _in_ellipse,
    "box": _in_box,
}


def _in_polygon(x: Floats, y: Floats, xs: Sequence[float], ys: Sequence[float]) -> Mask:
    """Even-odd rule; points within 1e-10 pixel of an edge are inside."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    inside, on_edge = np.zeros(shape, bool), np.zeros(shape, bool)
    for x0, y0, x1, y1 in zip(xs, ys, np.roll(xs, -1), np.roll(ys, -1), strict=True):
        if (x0, y0) == (x1, y1):  # A polygon that ends on its first vertex: no edge, so nothing lies on it.
            continue
        inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / ((y1 - y0) or np.inf))
        length = np.hypot(x1 - x0, y1 - y0)
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
        across = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
        on_edge |= (np.abs(across) <= _ON_EDGE) & (along >= -_ON_EDGE) & (along <= length + _ON_EDGE)
    return inside | on_edge
