"""Light curves: counts per exposed second in bins that start with the good time, as extractor makes them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.ogip import gti_hdu, region_hdu, set_observation, set_region_reference
from tasks.engines.native.selection import Chunk, Selection
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region

_MOST_BINS: Final = 5_000_000


@dataclass(frozen=True, eq=False)
class LightCurve:
    """Bins with good time.

    Parameters
    ----------
    start : float
        Start of the first bin in mission time: the earliest good time.
    width : float
        Length of a bin in seconds.
    threshold : float
        Least exposed fraction of the bins kept.
    begin : ndarray of float64, shape (n,)
        Starts of the bins in mission time.
    counts : ndarray of int, shape (n,)
        Events.
    exposure : ndarray of float64, shape (n,)
        Good time in seconds, dead time not taken off.
    """

    start: float
    width: float
    threshold: float
    begin: NDArray[np.float64]
    counts: NDArray[np.int64]
    exposure: NDArray[np.float64]


class CurveCounter:
    """Light curves of several bands in one region, filled chunk by chunk.

    Parameters
    ----------
    selection : Selection
        The events.
    cuts : Cuts
        Of the bands' channels.
    region : Region or None
        None is the whole field.
    width : float
        Length of a bin in seconds.

    Raises
    ------
    BadInput
        When the bins are too short for the span of the observation.
    """

    def __init__(self, selection: Selection, cuts: Cuts, region: Region | None, width: float) -> None:
        self._cuts, self._region, self._width = cuts, region, width
        self._gti = selection.events.gti
        self._start = float(self._gti.start[0])
        span = (float(self._gti.stop[-1]) - self._start) / width
        if not span < _MOST_BINS:
            raise BadInput(
                f"bins of {width} s would divide the observation into {span:.4g} parts: use longer ones"
            )
        self._counts = np.zeros((cuts.count, int(span) + 1), np.int64)

    def add(self, chunk: Chunk) -> None:
        """Count the events of a chunk."""
        inside = chunk.cut(self._region)
        piece = inside.piece(self._cuts)
        chosen = np.flatnonzero(inside.good & (piece >= 0))
        place = np.floor((inside.times[chosen] - self._start) / self._width).astype(np.intp)
        place += piece[chosen] * np.intp(self._counts.shape[1])
        np.add.at(self._counts.reshape(-1), place, 1)

    def curve(self, channels: Channels | None, threshold: float) -> LightCurve:
        """The bins of a band that have enough good time.

        Parameters
        ----------
        channels : Channels or None
            PI range, both inclusive; None takes every event.
        threshold : float
            Bins exposed for less than this fraction are left out; 0 keeps all that have good time.
        """
        # In mission time, so that rounding decides on a full bin or a sliver of one as it does in extractor.
        begin = self._start + self._width * np.arange(self._counts.shape[1], dtype=np.float64)
        exposure = self._gti.overlap(begin, begin + self._width)
        kept = (exposure > 0) & (exposure / self._width >= threshold)
        counts = self._counts[self._cuts.pieces(channels)].sum(axis=0)
        return LightCurve(self._start, self._width, threshold, begin[kept], counts[kept], exposure[kept])


def light_curve_hdus(
    selection: Selection, channels: Channels | None, region: Region | None, pixels: int, curve: LightCurve
) -> list[fits.PrimaryHDU | fits.BinTableHDU]:
    """A light curve with its header, the good-time intervals and the region.

    Parameters
    ----------
    selection, channels, region
        What was selected.
    pixels : int
        Sky pixels in the region.
    curve : LightCurve
        The bins.
    """
    primary = fits.PrimaryHDU()
    primary.header.update(_times(curve))
    set_observation(primary.header, selection)
    rate = _rate_hdu(curve)
    header = rate.header
    band = channels or (selection.events.axis("PI").low, selection.events.axis("PI").high)
    header["PHALCUT"] = (band[0], "minimum PI channel")
    header["PHAHCUT"] = (band[1], "maximum PI channel")
    header["NPIXSOU"] = (float(pixels), "number of sky pixels in the region")
    set_region_reference(header, region)
    set_observation(header, selection)
    for part in (primary.header, header):
        # They would contradict the curve's own TIMEZERO.
        for key in ("TIMEZERI", "TIMEZERF"):
            part.remove(key, ignore_missing=True)
    regions = [region_hdu(region, selection)] if region is not None else []
    return [primary, rate, gti_hdu(selection), *regions]


def _rate_hdu(curve: LightCurve) -> fits.BinTableHDU:
    columns = [
        fits.Column("TIME", "D", unit="s", array=curve.begin - curve.start),
        fits.Column("RATE", "E", unit="count/s", array=curve.counts / curve.exposure),
        fits.Column(
            "ERROR",
            "E",
            unit="count/s",
            array=np.sqrt(curve.counts) / curve.exposure,
        ),
        fits.Column("FRACEXP", "E", array=curve.exposure / curve.width),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="RATE")
    hdu.header.update(
        {
            "HDUCLASS": ("OGIP", "format conforms to OGIP/GSFC conventions"),
            "HDUCLAS1": ("LIGHTCURVE", "extension contains a light curve"),
            "HDUCLAS2": ("TOTAL", "source and background"),
            "HDUCLAS3": ("RATE", "counts per second of good time"),
            **_times(curve),
            "MINFREXP": (curve.threshold, "least FRACEXP included"),
            "VIGNAPP": (False, "whether corrected for vignetting"),
            "BACKAPP": (False, "whether a background was subtracted"),
        }
    )
    return hdu


def _times(curve: LightCurve) -> dict[str, tuple[float, str]]:
    return {
        "TIMEZERO": (curve.start + curve.width / 2, "[s] TIME + TIMEZERO is the centre of a bin"),
        "TIMEDEL": (curve.width, "[s] length of a bin"),
        "TIMEPIXR": (0.5, "times are those of bin centres"),
    }
