"""BACKSCAL: a region's share of the image, by pixels (extractor) or by exposure (ahbackscal)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.axes import Axis
from tasks.engines.native.events import EventList
from tasks.engines.native.files import read_hdus
from tasks.engines.native.selection import Mask
from tasks.xtend.regions import Region

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
        When it cannot be read, is no unbinned map of these events' sky, or does not say the exposure.
    """
    image, histogram = read_hdus(path, ["PRIMARY", _HISTOGRAM])
    values, exposure = image.data, histogram.header.get("EXPOSURE", 0)
    shape = events.axis("Y").size, events.axis("X").size
    if values is None or values.shape != shape:
        raise Permanent(f"{path.name} is no unbinned exposure map of {shape[1]} × {shape[0]} sky pixels")
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


def backscal_by_exposure(region: Region | None, events: EventList, exposure_map: ExposureMap) -> float:
    """Exposed share of the image: Σ map within the region / EXPOSURE / (NAXIS1·NAXIS2), norm=EXPOSURE."""
    values = exposure_map.values
    if region is None:
        exposed = float(values.sum(dtype=np.float64))
    else:
        exposed = sum(
            float(values[rows, columns][mask].sum(dtype=np.float64))
            for rows, columns, mask in _pixels(region, events)
        )
    return exposed / exposure_map.exposure / values.size


def _pixels(region: Region, events: EventList) -> Iterator[tuple[slice, slice, Mask]]:
    """Parts of the sky image with the mask of the region on each, some million pixels at a time."""
    wcs = events.wcs()
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
