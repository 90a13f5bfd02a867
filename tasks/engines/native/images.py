"""Counts images on sky pixels, as extractor makes them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.engines.native.axes import Axis, nearest
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.ogip import gti_hdu, set_axes, set_observation
from tasks.engines.native.selection import Chunk, Selection
from tasks.xtend.channels import Channels
from tasks.xtend.geometry import binned_size

Image = NDArray[np.int32]

_MOST_PIXELS: Final = 100_000_000


class ImageCounter:
    """Counts images of several bands and binnings, filled chunk by chunk.

    Parameters
    ----------
    selection : Selection
        The events.
    cuts : Cuts
        Of the bands' channels.
    binnings : iterable of int
        Sky pixels per image pixel and axis.

    Raises
    ------
    BadInput
        When a binning is larger than the sky, or makes too large an image.
    """

    def __init__(self, selection: Selection, cuts: Cuts, binnings: Iterable[int]) -> None:
        self._cuts = cuts
        self._axes = selection.events.axis("X"), selection.events.axis("Y")
        self._shapes = {binning: image_shape(self._axes, binning) for binning in sorted(set(binnings))}
        self._selected = np.zeros(cuts.count, np.int64)
        # Only these are counted; the others are sums of their pixels.
        self._counts = {
            binning: np.zeros((cuts.count, *shape), np.int32)
            for binning, shape in self._shapes.items()
            if not any(binning % finer == 0 for finer in self._shapes if finer < binning)
        }

    def add(self, chunk: Chunk) -> None:
        """Count the events of a chunk."""
        piece = chunk.piece(self._cuts)
        selected = chunk.good & (piece >= 0)
        self._selected += np.bincount(piece[selected], minlength=self._cuts.count)
        shown = np.flatnonzero(selected & chunk.on_sky)
        piece = piece[shown]
        x, y = (nearest(chunk.columns[axis.name][shown]).astype(np.intp) for axis in self._axes)
        for binning, counts in self._counts.items():
            place = pixel_numbers(x, y, self._axes, binning)
            first = piece * np.intp(counts[0].size)
            if binning > 1:
                framed = place >= 0
                place, first = place[framed], first[framed]
            np.add.at(counts.reshape(-1), place + first, np.int32(1))

    def band(self, channels: Channels | None) -> "BandImages":
        """What was counted of a band."""
        pieces = self._cuts.pieces(channels)
        counts = {}
        for binning, stack in self._counts.items():
            counts[binning] = stack[pieces[0]].copy()
            for piece in pieces[1:]:
                counts[binning] += stack[piece]
        return BandImages(int(self._selected[pieces].sum()), counts, self._shapes)


@dataclass(frozen=True, eq=False)
class BandImages:
    """Images of one band.

    Parameters
    ----------
    selected : int
        Events in good time, on the image or not.
    counts : dict of int to ndarray of int32
        Binning → counts, for those binnings that are no multiples of others.
    shapes : dict of int to tuple
        Binning → (NAXIS2, NAXIS1).
    """

    selected: int
    counts: dict[int, Image]
    shapes: dict[int, tuple[int, int]]

    def image(self, binning: int) -> Image:
        """Counts, ndarray of int32 of shape (NAXIS2, NAXIS1)."""
        finest = max(counted for counted in self.counts if binning % counted == 0)
        return block_sums(self.counts[finest], binning // finest, self.shapes[binning])


def image_shape(axes: tuple[Axis, Axis], binning: int) -> tuple[int, int]:
    """(NAXIS2, NAXIS1) of an image; the trailing partial block is dropped.

    Raises
    ------
    BadInput
        When the binning is not positive or larger than the sky, or makes too large an image.
    """
    height, width = binned_size(binning, axes[1].size), binned_size(binning, axes[0].size)
    if height * width > _MOST_PIXELS:
        raise BadInput(f"binning {binning} makes an image of {width} × {height} pixels: use a larger one")
    return height, width


def pixel_numbers(
    x: NDArray[np.intp], y: NDArray[np.intp], axes: tuple[Axis, Axis], binning: int
) -> NDArray[np.intp]:
    """Number of the image pixel that each event falls into, row by row from 0; −1 in a trailing part block.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Whole sky pixels within the axes' ranges.
    axes : tuple of Axis
        Of x and of y.
    binning : int
        Sky pixels per image pixel and axis.
    """
    height, width = image_shape(axes, binning)
    column, row = x - axes[0].low, y - axes[1].low
    if binning == 1:
        return row * width + column
    column, row = column // binning, row // binning
    return np.where((column < width) & (row < height), row * width + column, -1)


def block_sums(image: Image, factor: int, shape: tuple[int, int]) -> Image:
    """Sums over `factor` × `factor` blocks; the image itself when the factor is 1."""
    if factor == 1:
        return image
    height, width = shape
    # Adding whole rows and then whole columns is ten times as fast as a sum over two axes of four.
    rows = np.zeros((height, image.shape[1]), np.int32)
    blocks = np.zeros(shape, np.int32)
    for first in range(factor):
        rows += image[first : height * factor : factor]
    for first in range(factor):
        blocks += rows[:, first : width * factor : factor]
    return blocks


def image_hdus(
    selection: Selection, channels: Channels | None, binning: int, image: Image, counted: int
) -> list[fits.PrimaryHDU | fits.BinTableHDU]:
    """An image with its header and the good-time intervals; `counted` events of it, on the image or not."""
    # In the byte order of FITS: astropy would turn the bytes three times.
    primary = fits.PrimaryHDU(image.astype(">i4"))
    header = primary.header
    header["BUNIT"] = "count"
    header["HDUCLASS"] = ("OGIP", "format conforms to OGIP/GSFC conventions")
    header["HDUCLAS1"] = ("IMAGE", "extension contains an image")
    header["CONTENT"] = ("IMAGE", "image file")
    header["HDUNAME"] = "IMAGE"
    _set_world(header, selection, binning)
    header["IMGBIN"] = (binning, "image binning factor")
    header["TOTCTS"] = (counted, "events selected, on the image or not")
    if channels is not None:
        header["CHANMIN"] = (channels.low, "low PI channel")
        header["CHANMAX"] = (channels.high, "high PI channel")
        header["CHANTYPE"] = ("PI", "energy channel name")
    set_observation(header, selection)
    return [primary, gti_hdu(selection)]


def _set_world(header: fits.Header, selection: Selection, binning: int) -> None:
    """World and physical coordinates of a binned sky image."""
    axes = selection.events.axis("X"), selection.events.axis("Y")
    set_axes(header, axes, (axes[0].low, axes[1].low), binning)
    header["CROTA2"] = (0.0, "sky coordinate rotation angle")
    if axes[0].ctype:
        header["RA_NOM"] = (axes[0].crval, "[deg] right ascension of the reference pixel")
        header["DEC_NOM"] = (axes[1].crval, "[deg] declination of the reference pixel")
        header["DROLLANG"] = (0.0, "[deg] mean roll angle")
