"""Spectra of all channels with their weighted map, as extractor makes them."""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.engines.native.ogip import gti_hdu, region_hdu, set_observation, set_region_reference
from tasks.engines.native.selection import Mask, Selection
from tasks.engines.native.wmap import weighted_map, wmap_hdu
from tasks.xtend.regions import Region


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Counts per PI channel.

    Parameters
    ----------
    first : int
        The first channel (TLMIN of PI).
    counts : ndarray of int32, shape (channels,)
        Events in good time.
    backscal : float
        The region's share of the image.
    pixels : int
        Sky pixels in the region.
    """

    first: int
    counts: NDArray[np.int32]
    backscal: float
    pixels: int

    @property
    def total(self) -> int:
        """Sum of the counts."""
        return int(self.counts.sum())


def count_channels(selection: Selection, inside: Mask) -> NDArray[np.int32]:
    """Counts of every legal channel; events without one are not counted.

    Parameters
    ----------
    selection : Selection
        The events.
    inside : ndarray of bool, shape (n,)
        Events in the region, in good time or not.
    """
    axis, column = selection.events.axis("PI"), selection.events.columns["PI"]
    pi = column[inside & selection.good & axis.valid(column)].astype(np.int64)
    return np.bincount(pi - axis.low, minlength=axis.size).astype(np.int32)


def spectrum_hdus(
    selection: Selection, inside: Mask, region: Region | None, spectrum: Spectrum
) -> list[fits.PrimaryHDU | fits.BinTableHDU]:
    """A spectrum after its weighted map, with the good-time intervals and the region.

    Parameters
    ----------
    selection : Selection
        The events.
    inside : ndarray of bool, shape (n,)
        Events in the region, in good time or not.
    region : Region or None
        None is the whole field.
    spectrum : Spectrum
        Counted from them.
    """
    weights = weighted_map(selection, inside, region)
    # Those without a legal channel or detector pixel count here, too.
    selected = int((inside & selection.good).sum())
    primary = wmap_hdu(selection, weights, region, spectrum.pixels, selected)
    table = _table(spectrum)
    table.header["TOTCTS"] = (selected, "events selected")
    set_region_reference(table.header, region)
    set_observation(table.header, selection)
    regions = [region_hdu(region, selection)] if region is not None else []
    return [primary, table, gti_hdu(selection), *regions]


def _table(spectrum: Spectrum) -> fits.BinTableHDU:
    size = spectrum.counts.size
    last = spectrum.first + size - 1
    columns = [
        fits.Column("CHANNEL", "J", array=np.arange(spectrum.first, last + 1, dtype=np.int32)),
        fits.Column("COUNTS", "J", unit="count", array=spectrum.counts),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    hdu.header.update(
        {
            "TLMIN1": (spectrum.first, "lowest legal channel number"),
            "TLMAX1": (last, "highest legal channel number"),
            "HDUCLASS": ("OGIP", "format conforms to OGIP standard"),
            "HDUCLAS1": ("SPECTRUM", "PHA dataset (OGIP memo OGIP-92-007)"),
            "HDUCLAS2": ("TOTAL", "gross spectrum (source and background)"),
            "HDUCLAS3": ("COUNT", "stored as counts, not rates"),
            "HDUVERS": ("1.2.0", "version of format (OGIP memo OGIP-92-007)"),
            "HDUVERS1": ("1.2.0", "obsolete"),
            "PHAVERSN": ("1992a", "obsolete"),
            "AREASCAL": (1.0, "area scaling factor"),
            "BACKSCAL": (spectrum.backscal, "background file scaling factor"),
            "CORRSCAL": (1.0, "correction file scaling factor"),
            "BACKFILE": ("none", "associated background file"),
            "CORRFILE": ("none", "associated correction file"),
            "RESPFILE": ("none", "associated redistribution matrix"),
            "ANCRFILE": ("none", "associated ancillary response"),
            "DETCHANS": (size, "total number of possible channels"),
            "CHANTYPE": ("PI", "channel type"),
            "POISSERR": (True, "Poissonian errors to be assumed"),
            "STAT_ERR": (0, "no statistical error specified"),
            "SYS_ERR": (0, "no systematic error specified"),
            "GROUPING": (0, "no grouping of the data has been defined"),
            "QUALITY": (0, "no data quality information specified"),
            "SPECDELT": (1, "binning factor of the spectrum"),
            "SPECPIX": (spectrum.first, "channel that SPECVAL stands for"),
            "SPECVAL": (float(spectrum.first), "original channel at the centre of SPECPIX"),
        }
    )
    return hdu
