"""BACKSCAL: a region's share of the image, by pixels (extractor) or by exposure (ahbackscal)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.axes import Axis
from tasks.engines.native.events import EventList
from tasks.engines.native.files import read_hdus
from tasks.engines.native.selection import Mask
from tasks.xtend.regions import Region

Normalisation = Literal["exposure", "maximum"]
"""What exposure within a region is divided by: the good time, or the map's maximum within the region."""
_PIXELS_AT_ONCE: Final = 4_000_000
_HISTOGRAM: Final = "OFFAXISHIST"


@dataclass(frozen=True, eq=False)
class ExposureMap:
    """An exposure map of unbinned sky pixels.

    Parameters
    ----------
    values : ndarray, shape (NAXIS2, NAXIS1)
        Seconds per pixel.
    exposure : float
        EXPOSURE of its extension OFFAXISHIST, in seconds.
    """

    values: NDArray[np.float32]
    exposure: float


def read_exposure_map(path: Path, events: EventList) -> ExposureMap:
    """The exposure map in a file.

    Raises
    ------
    Permanent
        When it cannot be read, is no unbinned map of these events' sky, holds what is no exposure, or
        does not say the exposure.
    """
    image, histogram = read_hdus(path, ["PRIMARY", _HISTOGRAM])
    values, exposure = image.data, histogram.header.get("EXPOSURE", 0)
    shape = events.axis("Y").size, events.axis("X").size
    if values is None or values.shape != shape:
        raise Permanent(f"{path.name} is no unbinned exposure map of {shape[1]} × {shape[0]} sky pixels")
    # One such pixel would spoil every sum it is in.
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise Permanent(f"{path.name} is no exposure map: it holds negative values or NaN")
    if not exposure > 0:
        raise Permanent(f"{path.name} does not say its exposure ({_HISTOGRAM}, keyword EXPOSURE)")
    return ExposureMap(values, float(exposure))


def count_pixels(region: Region | None, events: EventList) -> int:
    """How many sky pixels have their centre in a region, or on the whole field."""
    if region is None:
        return events.axis("X").size * events.axis("Y").size
    return sum(int(mask.sum()) for _, _, mask in _pixels(region, events))


def backscal_by_pixels(pixels: int, events: EventList) -> float:
    """A region's share of the image by the number of pixels, as extractor does: gaps and bad pixels count."""
    return pixels / (events.axis("X").size * events.axis("Y").size)


def backscal_by_exposure(
    region: Region | None,
    events: EventList,
    exposure_map: ExposureMap,
    normalisation: Normalisation = "exposure",
) -> float:
    """Exposed share of the image, as ahbackscal gives it: Σ map within the region / norm / (NAXIS1·NAXIS2).

    Parameters
    ----------
    region : Region or None
        None is the whole field.
    events : EventList
        Its axes are those of the map.
    exposure_map : ExposureMap
        Seconds per pixel.
    normalisation : {"exposure", "maximum"}
        The norm: EXPOSURE of the map, or its maximum within the region (norm=MAX).

    Returns
    -------
    float
        0 where nothing of the region was exposed.
    """
    values = exposure_map.values
    total, maximum = 0.0, 0.0
    for exposed in _values(region, events, values):
        total += float(exposed.sum(dtype=np.float64))
        maximum = max(maximum, float(exposed.max(initial=0)))
    norm = exposure_map.exposure if normalisation == "exposure" else maximum
    return total / norm / values.size if total else 0.0


def backscal_history(exposure_map: str | None, normalisation: Normalisation) -> str:
    """What a spectrum says of how its BACKSCAL was made; without a map it went by the number of pixels."""
    if exposure_map is None:
        return "BACKSCAL: share of the image's pixels that lie in the region, exposed or not (as extractor)"
    norm = "its EXPOSURE" if normalisation == "exposure" else "its maximum within the region (norm=MAX)"
    return f"BACKSCAL: sum of {exposure_map} within the region / {norm} / number of its pixels"


def _values(
    region: Region | None, events: EventList, values: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    """The values of a map within a region, or of the whole field, in parts."""
    if region is None:
        yield values
        return
    for rows, columns, mask in _pixels(region, events):
        yield values[rows, columns][mask]


def _pixels(region: Region, events: EventList) -> Iterator[tuple[slice, slice, Mask]]:
    """Parts of the sky image with the mask of the region on each, some million pixels at a time."""
    wcs = events.wcs
    x_axis, y_axis = events.axis("X"), events.axis("Y")
    box = region.bounding_box(wcs) or (x_axis.low, x_axis.high, y_axis.low, y_axis.high)
    left, right = _clipped(box[0], box[1], x_axis)
    bottom, top = _clipped(box[2], box[3], y_axis)
    x = np.arange(left, right + 1)
    step = max(1, _PIXELS_AT_ONCE // max(x.size, 1))
    for first in range(bottom, top + 1, step):
        y = np.arange(first, min(first + step, top + 1))
        rows = slice(first - y_axis.low, first - y_axis.low + y.size)
        yield rows, slice(left - x_axis.low, right + 1 - x_axis.low), region.contains(x, y[:, None], wcs)


def _clipped(low: float, high: float, axis: Axis) -> tuple[int, int]:
    """First and last whole pixel between bounds, within an axis; last < first when there is none."""
    first = int(max(np.floor(low), axis.low))
    return first, int(max(min(np.ceil(high), axis.high), first - 1))
