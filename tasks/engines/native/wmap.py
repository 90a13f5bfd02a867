"""The weighted map of a spectrum: its counts on detector pixels, which response generators read."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.engines.native.axes import Axis
from tasks.engines.native.ogip import set_axes, set_observation, set_region_reference
from tasks.engines.native.pixel_counts import Integers, PixelCounts
from tasks.engines.native.rotation import Rotation, RotationFit, nominal_rotation
from tasks.engines.native.selection import Chunk, Mask, Selection
from tasks.xtend.regions import Region

_OUTSIDE: Final = -1.0
_DECIMALS: Final = 8
_DETECTOR: Final = ("DETX", "DETY")
_SKY: Final = ("X", "Y")


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


class MapCounter:
    """The map of the events inside a region, filled chunk by chunk.

    The map spans the region on the detector, also where no CCD is; without a region, the events.
    A pixel belongs to the region if its centre, taken to the sky, lies inside.

    Parameters
    ----------
    selection : Selection
        The events.
    region : Region or None
        None is the whole field.
    """

    def __init__(self, selection: Selection, region: Region | None) -> None:
        self._selection, self._region = selection, region
        self._axes = _detector(selection)
        self._counts = PixelCounts(selection.events.name)
        self._fit = self._new_fit()

    def add(self, chunk: Chunk) -> None:
        """Count the events of a chunk."""
        inside = chunk.cut(self._region)
        x, y = (inside.columns[axis.name] for axis in self._axes)
        placed = self._axes[0].valid(x) & self._axes[1].valid(y)
        counted = np.flatnonzero(placed & inside.good)
        self._counts.add(_map_pixel(x[counted]), _map_pixel(y[counted]))
        if self._turned:
            _add(self._fit, inside, placed & inside.on_sky)

    @property
    def _turned(self) -> bool:
        """Whether the region has to be taken to the detector."""
        return self._region is not None and self._axes[0].name != "X"

    def weighted_map(self) -> WeightedMap:
        """What was counted."""
        if self._region is None:
            first, image = self._counts.around((self._axes[0].low, self._axes[1].low))
            return WeightedMap(image, self._axes, first, None)
        rotation = None
        if self._turned:
            # By the events of the region as HEASoft does; by all where these are too few.
            rotation = self._fit.rotation() or self._by_all() or nominal_rotation(self._selection, self._axes)
            if rotation is None:
                self._count_on_sky()
        first, outside = _span_of_region(self._selection, self._region, self._axes, rotation)
        image = self._counts.on(first, outside.shape)
        # On sky pixels the events' own positions have decided; on detector pixels the pixel's centre does.
        image[outside if rotation else outside & (image == 0)] = _OUTSIDE
        return WeightedMap(image, self._axes, first, rotation)

    def _new_fit(self) -> RotationFit:
        # Few events may fit a mirror image by chance; Xtend's detector is none.
        return RotationFit(self._axes, mirrored=self._selection.events.header.get("INSTRUME") != "XTEND")

    def _by_all(self) -> Rotation | None:
        """The rotation that all events tell."""
        fit = self._new_fit()
        for chunk in self._selection.chunks():
            x, y = (axis.valid(chunk.columns[axis.name]) for axis in self._axes)
            _add(fit, chunk, x & y & chunk.on_sky)
        return fit.rotation()

    def _count_on_sky(self) -> None:
        """Start again on sky pixels, since nothing tells how the detector lies on the sky."""
        self._axes = _sky(self._selection)
        self._counts = PixelCounts(self._selection.events.name)
        for chunk in self._selection.chunks():
            self.add(chunk)


def _detector(selection: Selection) -> tuple[Axis, Axis]:
    axes = selection.events.axes
    if "DETX" in axes and "DETY" in axes:
        return axes["DETX"], axes["DETY"]
    return _sky(selection)


def _sky(selection: Selection) -> tuple[Axis, Axis]:
    return selection.events.axis("X"), selection.events.axis("Y")


def _span_of_region(
    selection: Selection, region: Region, axes: tuple[Axis, Axis], rotation: Rotation | None
) -> tuple[tuple[int, int], Mask]:
    """First pixel of the smallest frame around the region, and which of its pixels lie outside."""
    wcs = selection.events.wcs
    box = region.bounding_box(wcs)
    left, right, bottom, top = _frame(box, axes, rotation)
    x, y = np.arange(left, right + 1.0), np.arange(bottom, top + 1.0)[:, None]
    # Rounding errors must not decide on a centre that lies on the edge.
    sky_x, sky_y = (np.round(axis, _DECIMALS) for axis in (rotation.sky(x, y) if rotation else (x, y)))
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


def _add(fit: RotationFit, chunk: Chunk, mask: Mask) -> None:
    fit.add(_points(chunk, _DETECTOR, mask), _points(chunk, _SKY, mask))


def _points(chunk: Chunk, names: tuple[str, str], mask: Mask) -> NDArray[np.float64]:
    """Positions of some events, shape (2, n)."""
    chosen = np.flatnonzero(mask)
    return np.array([chunk.columns[name][chosen] for name in names], np.float64)


def _map_pixel(values: NDArray[Any]) -> Integers:
    """The pixel of a position; halves go down here, unlike in images, as observed with extractor."""
    return (np.ceil(values - 0.5) if values.dtype.kind == "f" else values).astype(np.intp)


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
        **_coordinates(weights),
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


def _coordinates(weights: WeightedMap) -> dict[str, Any]:
    """What its axes mean; xtdrmf takes no map that does not say that they are the detector's."""
    if tuple(axis.name for axis in weights.axes) != _DETECTOR:
        return {}
    return {
        "MTYPE1": ("DET", "data model: what the axes are"),
        "MFORM1": (",".join(_DETECTOR), "data model: their names"),
    }


def _set_rotation(header: fits.Header, rotation: Rotation) -> None:
    header["EXTXF0"] = (rotation.x0, "extractor X image zero")
    header["EXTYF0"] = (rotation.y0, "extractor Y image zero")
    header["EXTXH0"] = (rotation.detector[0], "extractor X detector zero")
    header["EXTYH0"] = (rotation.detector[1], "extractor Y detector zero")
    header["EXTXSIGN"] = (float(rotation.sign), "extractor X orientation")
    header["EXTYSIGN"] = (1.0, "extractor Y orientation")
    header["EXTTHETA"] = (-rotation.angle, "extractor rotation angle (radians)")
