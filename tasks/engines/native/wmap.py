"""The weighted map of a spectrum: its counts on detector pixels, which response generators read."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.engines.native.axes import Axis
from tasks.engines.native.ogip import set_axes, set_observation, set_region_reference
from tasks.engines.native.rotation import Rotation, fit_rotation, nominal_rotation
from tasks.engines.native.selection import Mask, Selection
from tasks.xtend.regions import Region

_OUTSIDE: Final = -1.0


@dataclass(frozen=True, eq=False)
class WeightedMap:
    """Counts per detector pixel, −1 outside the region.

    Parameters
    ----------
    image : ndarray of float32, shape (height, width)
        The map.
    axes : tuple of Axis
        The detector's columns, or X and Y where a list has none.
    first : tuple of int
        Detector pixel of the map's first column and row.
    rotation : Rotation or None
        How the detector lies on the sky, where that was needed.
    """

    image: NDArray[np.float32]
    axes: tuple[Axis, Axis]
    first: tuple[int, int]
    rotation: Rotation | None


def weighted_map(selection: Selection, inside: Mask, region: Region | None) -> WeightedMap:
    """The map of the events inside a region.

    The map spans the region on the detector, also where no CCD is; without a region, the events.
    A pixel belongs to the region if its centre, taken to the sky, lies inside.

    Parameters
    ----------
    selection : Selection
        The events.
    inside : ndarray of bool, shape (n,)
        Events in the region, in good time or not.
    region : Region or None
        None is the whole field.
    """
    columns, axes = selection.events.columns, _detector(selection)
    rotation = None
    if region is not None and axes[0].name != "X":
        rotation = fit_rotation(selection, inside, axes) or nominal_rotation(selection, axes)
        if rotation is None:
            axes = _sky(selection)
    names = axes[0].name, axes[1].name
    placed = inside & axes[0].valid(columns[names[0]]) & axes[1].valid(columns[names[1]])
    counted = placed & selection.good
    x, y = (_map_pixel(columns[name][counted]) for name in names)
    if region is None:
        first, shape = _span_of_events(axes, x, y)
        return WeightedMap(_binned(x, y, first, shape), axes, first, None)
    first, outside = _span_of_region(selection, region, axes, rotation)
    image = _binned(x, y, first, outside.shape)
    # On sky pixels the events' own positions have decided; on detector pixels the pixel's centre does.
    image[outside if rotation else outside & (image == 0)] = _OUTSIDE
    return WeightedMap(image, axes, first, rotation)


def _detector(selection: Selection) -> tuple[Axis, Axis]:
    axes = selection.events.axes
    if "DETX" in axes and "DETY" in axes:
        return axes["DETX"], axes["DETY"]
    return _sky(selection)


def _sky(selection: Selection) -> tuple[Axis, Axis]:
    return selection.events.axis("X"), selection.events.axis("Y")


def _span_of_events(
    axes: tuple[Axis, Axis], x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """First pixel and shape of the smallest frame around the events."""
    if not x.size:
        return (axes[0].low, axes[1].low), (1, 1)
    return (int(x.min()), int(y.min())), (int(np.ptp(y)) + 1, int(np.ptp(x)) + 1)


def _span_of_region(
    selection: Selection, region: Region, axes: tuple[Axis, Axis], rotation: Rotation | None
) -> tuple[tuple[int, int], Mask]:
    """First pixel of the smallest frame around the region, and which of its pixels lie outside."""
    wcs = selection.events.wcs()
    box = region.bounding_box(wcs)
    left, right, bottom, top = _frame(box, axes, rotation)
    x, y = np.arange(left, right + 1.0), np.arange(bottom, top + 1.0)[:, None]
    sky_x, sky_y = rotation.sky(x, y) if rotation else (x, y)
    within = region.contains(sky_x, sky_y, wcs)
    rows, columns = np.flatnonzero(within.any(axis=1)), np.flatnonzero(within.any(axis=0))
    if not rows.size:
        return (left, bottom), np.ones((1, 1), bool)
    trimmed = within[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return (left + int(columns[0]), bottom + int(rows[0])), ~trimmed


def _frame(
    box: tuple[float, float, float, float] | None, axes: tuple[Axis, Axis], rotation: Rotation | None
) -> tuple[int, int, int, int]:
    """Whole detector pixels that surely hold a box of sky pixels, within the detector."""
    whole = axes[0].low, axes[0].high, axes[1].low, axes[1].high
    if box is None:
        return whole
    x, y = np.array([box[0], box[0], box[1], box[1]]), np.array([box[2], box[3], box[2], box[3]])
    u, v = rotation.det(x, y) if rotation else (x, y)
    left, right = np.clip([np.floor(u.min()), np.ceil(u.max())], whole[0], whole[1])
    bottom, top = np.clip([np.floor(v.min()), np.ceil(v.max())], whole[2], whole[3])
    return int(left), int(right), int(bottom), int(top)


def _binned(
    x: NDArray[np.int64], y: NDArray[np.int64], first: tuple[int, int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Counts on a frame; those outside of it are dropped."""
    height, width = shape
    column, row = x - first[0], y - first[1]
    framed = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    flat = np.bincount(row[framed] * width + column[framed], minlength=height * width)
    return flat.astype(np.float32).reshape(height, width)


def _map_pixel(values: NDArray[Any]) -> NDArray[np.int64]:
    """The pixel of a position; halves go down here, unlike in images, as observed with extractor."""
    return np.ceil(values - 0.5).astype(np.int64) if values.dtype.kind == "f" else values.astype(np.int64)


def wmap_hdu(
    selection: Selection, weights: WeightedMap, region: Region | None, pixels: int, counts: int
) -> fits.PrimaryHDU:
    """The map as the primary HDU of a spectrum, with the keywords that xtdrmf and xaarfgen read."""
    hdu = fits.PrimaryHDU(weights.image)
    header, sky = hdu.header, _sky(selection)
    header.update(_content(weights, region, pixels, counts))
    header["PIXSIZE"] = (abs(sky[1].cdelt), "[deg] size of a sky pixel")
    set_axes(header, weights.axes, weights.first, 1)
    for letter, axis in zip("XY", sky, strict=True):
        header.update({f"REF{letter}C{ending}": value for ending, value in axis.world.items()})
    if weights.rotation:
        _set_rotation(header, weights.rotation)
    set_region_reference(header, region)
    set_observation(header, selection)
    header.add_history(f"WMAP X axis is {weights.axes[0].name}")
    header.add_history(f"WMAP Y axis is {weights.axes[1].name}")
    return hdu


def _content(weights: WeightedMap, region: Region | None, pixels: int, counts: int) -> dict[str, Any]:
    """What the map is and what it covers."""
    return {
        "HDUCLASS": ("OGIP", "format conforms to OGIP/GSFC conventions"),
        "HDUCLAS1": ("IMAGE", "extension contains an image"),
        "HDUCLAS2": ("WMAP", "extension contains a weighted map"),
        "HDUVERS": ("2.0.0", "version of format (OGIP memo OGIP-96-001)"),
        "HDUNAME": "WMAP",
        "CONTENT": "SPECTRUM",
        "BUNIT": "count",
        "AXLEN1": weights.image.shape[1],
        "AXLEN2": weights.image.shape[0],
        "WMREBIN": (1, "weighted map rebinning"),
        "OBS-MODE": (-10, "observing mode"),
        "NPIXSOU": (float(pixels), "number of sky pixels in the region"),
        "SKYBIN": (1, "image binning factor"),
        "WMAPFIX": (region is not None, "whether pixels outside the region are -1"),
        "TOTCTS": (counts, "events in the spectrum"),
        "X-OFFSET": (weights.first[0], "first original X pixel in map"),
        "Y-OFFSET": (weights.first[1], "first original Y pixel in map"),
        "BBOX1": weights.first[0],
        "BBOX2": weights.first[1],
        "HBBOX1": 1,
        "HBBOX2": 1,
        "OPTIC1": (-999.0, "X optical axis"),
        "OPTIC2": (-999.0, "Y optical axis"),
    }


def _set_rotation(header: fits.Header, rotation: Rotation) -> None:
    header["EXTXF0"] = (rotation.x0, "extractor X image zero")
    header["EXTYF0"] = (rotation.y0, "extractor Y image zero")
    header["EXTXH0"] = (rotation.detector[0], "extractor X detector zero")
    header["EXTYH0"] = (rotation.detector[1], "extractor Y detector zero")
    header["EXTXSIGN"] = (float(rotation.sign), "extractor X orientation")
    header["EXTYSIGN"] = (1.0, "extractor Y orientation")
    header["EXTTHETA"] = (-rotation.angle, "extractor rotation angle (radians)")
