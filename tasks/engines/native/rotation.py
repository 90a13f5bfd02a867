"""How detector pixels lie on the sky, as the events themselves tell it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.engines.native.axes import Axis
from tasks.engines.native.selection import Selection
from tasks.xtend.geometry import DetPixels, Floats, det_to_sky

_ROUNDING: Final = 1e-12
"""A spread of events smaller than this fraction of its terms is none."""
_MIRRORED: Final = 1.01
"""A mirror image must fit the events by so much better than a rotation before it is believed."""


@dataclass(frozen=True)
class Rotation:
    """How detector pixels turn into sky pixels: a rotation about the detector's centre, perhaps a mirror.

    Parameters
    ----------
    x0, y0 : float
        Sky pixel of the detector's centre.
    detector : tuple of float
        The detector's centre in its pixels.
    sign : float
        −1 where the first detector axis is mirrored.
    angle : float
        Radians from detector to sky, counter-clockwise.
    """

    x0: float
    y0: float
    detector: tuple[float, float]
    sign: float
    angle: float

    def sky(self, detx: Floats, dety: Floats) -> tuple[Floats, Floats]:
        """Sky pixels, not rounded, of detector pixels; arrays of one shape."""
        dx, dy = self.sign * (detx - self.detector[0]), dety - self.detector[1]
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return self.x0 + dx * cosine - dy * sine, self.y0 + dx * sine + dy * cosine

    def det(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Detector pixels, not rounded, of sky pixels; arrays of one shape."""
        dx, dy = x - self.x0, y - self.y0
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return (
            self.detector[0] + self.sign * (dx * cosine + dy * sine),
            self.detector[1] + dy * cosine - dx * sine,
        )


class RotationFit:
    """The rotation that best turns events' detector pixels into their sky pixels (least squares).

    Only sums are kept, so that any number of events can be added.

    Parameters
    ----------
    axes : tuple of Axis
        The detector's.
    mirrored : bool
        Whether the detector may be a mirror image of the sky.
    """

    def __init__(self, axes: tuple[Axis, Axis], *, mirrored: bool = True) -> None:
        self._centre = _centre(axes)
        self._mirrored = mirrored
        self._count = 0
        self._sums = np.zeros(4)
        self._products = np.zeros((4, 4))

    def add(self, detector: Floats, sky: Floats) -> None:
        """Add events: their detector and sky pixels, arrays of shape (2, n)."""
        # Counted from the middle of the detector the sums of whole pixels are exact.
        points = np.concatenate((detector, sky)) - np.tile(self._centre, 2)[:, None]
        self._count += points.shape[1]
        self._sums += points.sum(axis=1)
        self._products += points @ points.T

    def rotation(self) -> Rotation | None:
        """The rotation; None when the events lie on one detector pixel, or there are none."""
        if not self._count:
            return None
        mean = self._sums / self._count
        spread = self._products - self._count * np.outer(mean, mean)
        if not (np.diag(spread) > _ROUNDING * np.diag(self._products))[:2].any():
            return None
        return _rotation(mean, spread, self._centre, mirrored=self._mirrored)


def nominal_rotation(selection: Selection, axes: tuple[Axis, Axis]) -> Rotation | None:
    """The rotation of Xtend by its nominal position angle; None for other instruments."""
    header = selection.events.header
    if header.get("INSTRUME") != "XTEND" or "PA_NOM" not in header:
        return None
    centre = _centre(axes)
    sky = det_to_sky(DetPixels(*np.array(centre)), float(header["PA_NOM"]))
    return Rotation(float(sky.x), float(sky.y), centre, 1, float(np.radians(header["PA_NOM"])))


def _centre(axes: tuple[Axis, Axis]) -> tuple[float, float]:
    return (axes[0].low + axes[0].high) / 2, (axes[1].low + axes[1].high) / 2


def _rotation(mean: Floats, spread: Floats, centre: tuple[float, float], *, mirrored: bool) -> Rotation:
    """Least squares by means (4,) and sums of products (4, 4) of u, v (detector) and p, q (sky)."""
    (up, uq), (vp, vq) = spread[0, 2:], spread[1, 2:]
    sums = {sign: (float(sign * uq - vp), float(sign * up + vq)) for sign in (1, -1)}
    sign = -1 if mirrored and np.hypot(*sums[-1]) > _MIRRORED * np.hypot(*sums[1]) else 1
    angle = float(np.arctan2(*sums[sign]))
    trial = Rotation(0.0, 0.0, (0.0, 0.0), sign, angle)
    x, y = trial.sky(*mean[:2])
    return Rotation(float(centre[0] + mean[2] - x), float(centre[1] + mean[3] - y), centre, sign, angle)
