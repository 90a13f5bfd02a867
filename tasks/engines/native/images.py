"""Counts images on sky pixels, as extractor makes them."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.engines.native.axes import Axis, nearest
from tasks.engines.native.ogip import gti_hdu, set_axes, set_observation
from tasks.engines.native.selection import Selection
from tasks.xtend.channels import Channels
from tasks.xtend.geometry import binned_size

Image = NDArray[np.int32]

_MOST_PIXELS: Final = 100_000_000


def images(
    selection: Selection, channels: Channels | None, binnings: Iterable[int]
) -> Iterator[tuple[int, Image]]:
    """Images of one band, finest binning first.

    Parameters
    ----------
    selection : Selection
        The events.
    channels : Channels or None
        PI range, both inclusive; None takes every event.
    binnings : iterable of int
        Sky pixels per image pixel and axis.

    Yields
    ------
    int, ndarray of int32, shape (NAXIS2, NAXIS1)
        Binning and counts.

    Raises
    ------
    BadInput
        When a binning is larger than the sky.
    """
    chosen = selection.good & selection.on_sky & selection.within(channels)
    x = nearest(selection.events.columns["X"][chosen])
    y = nearest(selection.events.columns["Y"][chosen])
    axes = selection.events.axis("X"), selection.events.axis("Y")
    made: dict[int, Image] = {}
    for binning in sorted(set(binnings)):
        finer = max((other for other in made if binning % other == 0), default=None)
        if finer is None:
            made[binning] = bin_events(x, y, axes, binning)
        else:
            made[binning] = block_sums(made[finer], binning // finer, image_shape(axes, binning))
        yield binning, made[binning]


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


def bin_events(x: NDArray[np.number], y: NDArray[np.number], axes: tuple[Axis, Axis], binning: int) -> Image:
    """Counts per block of `binning` × `binning` sky pixels, shape (NAXIS2, NAXIS1).

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
    column = (x.astype(np.int32) - axes[0].low) // binning
    row = (y.astype(np.int32) - axes[1].low) // binning
    kept = (column < width) & (row < height)
    counts = np.bincount(row[kept] * width + column[kept], minlength=height * width)
    return counts.astype(np.int32).reshape(height, width)


def block_sums(image: Image, factor: int, shape: tuple[int, int]) -> Image:
    """Sums over `factor` × `factor` blocks."""
    height, width = shape
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    return np.asarray(blocks.sum(axis=(1, 3)), np.int32)


def image_hdus(
    selection: Selection, channels: Channels | None, binning: int, image: Image
) -> list[fits.PrimaryHDU | fits.BinTableHDU]:
    """An image with its header and the good-time intervals."""
    primary = fits.PrimaryHDU(image)
    header = primary.header
    header["BUNIT"] = "count"
    header["HDUCLASS"] = ("OGIP", "format conforms to OGIP/GSFC conventions")
    header["HDUCLAS1"] = ("IMAGE", "extension contains an image")
    header["CONTENT"] = ("IMAGE", "image file")
    header["HDUNAME"] = "IMAGE"
    _set_world(header, selection, binning)
    header["IMGBIN"] = (binning, "image binning factor")
    counted = selection.good & selection.within(channels)
    header["TOTCTS"] = (int(counted.sum()), "events selected, on the image or not")
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
