"""How detector pixels lie on the sky, as the events themselves tell it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.engines.native.axes import Axis
from tasks.engines.native.selection import Mask, Selection
from tasks.xtend.geometry import DetPixels, Floats, det_to_sky

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


def fit_rotation(selection: Selection, inside: Mask, axes: tuple[Axis, Axis]) -> Rotation | None:
    """The rotation that best turns the events' detector pixels into their sky pixels (least squares).

    HEASoft finds it in the same way, from the events in the region, in good time or not. Where these are too
    few, all events are taken; None when they do not tell either.
    """
    columns = selection.events.columns
    placed = selection.on_sky & axes[0].valid(columns[axes[0].name]) & axes[1].valid(columns[axes[1].name])
    for mask in (placed & inside, placed):
        detector = np.array([columns[axis.name][mask] for axis in axes], float)
        if detector.size and np.ptp(detector, axis=1).any():
            sky = np.array([columns[name][mask] for name in ("X", "Y")], float)
            return _rotation(detector, sky, axes)
    return None


def nominal_rotation(selection: Selection, axes: tuple[Axis, Axis]) -> Rotation | None:
    """The rotation of Xtend by its nominal position angle; None for other instruments."""
    header = selection.events.header
    if header.get("INSTRUME") != "XTEND" or "PA_NOM" not in header:
        return None
    centre = (axes[0].low + axes[0].high) / 2, (axes[1].low + axes[1].high) / 2
    sky = det_to_sky(DetPixels(*np.array(centre)), float(header["PA_NOM"]))
    return Rotation(float(sky.x), float(sky.y), centre, 1, float(np.radians(header["PA_NOM"])))


def _rotation(detector: Floats, sky: Floats, axes: tuple[Axis, Axis]) -> Rotation:
    """Least squares for points of shape (2, n)."""
    centre = (axes[0].low + axes[0].high) / 2, (axes[1].low + axes[1].high) / 2
    u, v = detector - detector.mean(axis=1, keepdims=True)
    p, q = sky - sky.mean(axis=1, keepdims=True)
    sums = {
        sign: (float((sign * u * q - v * p).sum()), float((sign * u * p + v * q).sum())) for sign in (1, -1)
    }
    sign = -1 if np.hypot(*sums[-1]) > _MIRRORED * np.hypot(*sums[1]) else 1
    angle = float(np.arctan2(*sums[sign]))
    trial = Rotation(0.0, 0.0, centre, sign, angle)
    x, y = trial.sky(*detector.mean(axis=1))
    return Rotation(float(sky[0].mean() - x), float(sky[1].mean() - y), centre, sign, angle)
