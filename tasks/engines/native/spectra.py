"""Spectra of all channels with their weighted map, as extractor makes them."""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.engines.native.axes import nearest
from tasks.engines.native.ogip import gti_hdu, region_hdu, set_observation, set_region_reference
from tasks.engines.native.selection import Chunk, Selection
from tasks.engines.native.wmap import MapCounter, WeightedMap, wmap_hdu
from tasks.xtend.regions import Region


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Counts per PI channel.

    Parameters
    ----------
    first : int
        The first channel (TLMIN of PI).
    counts : ndarray of int32, shape (channels,)
        Events in good time; those without a legal channel are not counted.
    selected : int
        Events in good time, with a legal channel or not.
    weights : WeightedMap
        Where they fell.
    """

    first: int
    counts: NDArray[np.int32]
    selected: int
    weights: WeightedMap

    @property
    def total(self) -> int:
        """Sum of the counts."""
        return int(self.counts.sum())


class SpectrumCounter:
    """A spectrum that is filled chunk by chunk.

    Parameters
    ----------
    selection : Selection
        The events.
    region : Region or None
        None is the whole field.
    """

    def __init__(self, selection: Selection, region: Region | None) -> None:
        self.region = region
        self._axis = selection.events.axis("PI")
        self._counts = np.zeros(self._axis.size, np.int64)
        self._selected = 0
        self._map = MapCounter(selection, region)

    def add(self, chunk: Chunk) -> None:
        """Count the events of a chunk."""
        inside = chunk.cut(self.region)
        self._selected += int(np.count_nonzero(inside.good))
        pi = inside.columns["PI"]
        legal = nearest(pi[inside.good & self._axis.valid(pi)]).astype(np.intp) - self._axis.low
        self._counts += np.bincount(legal, minlength=self._axis.size)
        self._map.add(chunk)

    def spectrum(self) -> Spectrum:
        """What was counted."""
        counts = self._counts.astype(np.int32)
        return Spectrum(self._axis.low, counts, self._selected, self._map.weighted_map())


def spectrum_hdus(
    selection: Selection, region: Region | None, spectrum: Spectrum, backscal: float, pixels: int
) -> list[fits.PrimaryHDU | fits.BinTableHDU]:
    """A spectrum after its weighted map, with the good-time intervals and the region.

    Parameters
    ----------
    selection : Selection
        The events.
    region : Region or None
        None is the whole field.
    spectrum : Spectrum
        Counted from them.
    backscal : float
        The region's share of the image.
    pixels : int
        Sky pixels in the region.
    """
    primary = wmap_hdu(selection, spectrum.weights, region, pixels, spectrum.selected)
    table = _table(spectrum, backscal)
    set_region_reference(table.header, region)
    set_observation(table.header, selection)
    # OGIP wants it in every spectrum, extractor does so too.
    table.header.setdefault("FILTER", "NONE")
    regions = [region_hdu(region, selection)] if region is not None else []
    return [primary, table, gti_hdu(selection), *regions]


def _table(spectrum: Spectrum, backscal: float) -> fits.BinTableHDU:
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
            "BACKSCAL": (backscal, "background file scaling factor"),
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
            "TOTCTS": (spectrum.selected, "events selected"),
            "SPECDELT": (1, "binning factor of the spectrum"),
            "SPECPIX": (spectrum.first, "channel that SPECVAL stands for"),
            "SPECVAL": (float(spectrum.first), "original channel at the centre of SPECPIX"),
        }
    )
    return hdu
