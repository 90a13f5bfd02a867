"""What an exposure map is, and the HDUs it is written as (those of the exposure-map tool)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.engines.native.attitude import Wedge
from tasks.engines.native.events import EventList
from tasks.engines.native.flickering import live_shares
from tasks.engines.native.projection import Shares
from tasks.xtend.geometry import PIXEL_DEG, SKY_CENTRE, Floats, binned_size
from tasks.xtend.nominal import Nominal

_COPIED: Final = (
    "FILTER", "DETNAM", "DATAMODE", "OBS_MODE", "ORIGIN", "RA_OBJ", "DEC_OBJ", "PA_NOM",
    "MJDREFI", "MJDREFF", "TIMESYS", "TIMEREF", "TIMEUNIT",
)  # fmt: skip
_DATES: Final = ("DATE-OBS", "DATE-END")


@dataclass(frozen=True, eq=False)
class MadeMap:
    """An exposure map of the whole SKY image as it is made, and of what.

    Parameters
    ----------
    seconds : ndarray, shape (2430, 2430)
        Exposure of each unbinned SKY pixel.
    wedges : sequence of Wedge
        Its parts of constant attitude.
    live : ndarray of bool, shape (1810, 1810)
        The DET pixels that collected it.
    nominal : Nominal
        The aspect of the SKY pixels.
    flickering : structured ndarray, optional
        The pixels that did so for a part of the time only (see `flickering.read_pixels`).
    """

    seconds: Floats
    wedges: Sequence[Wedge]
    live: NDArray[np.bool_]
    nominal: Nominal
    flickering: NDArray[Any] | None = None

    @property
    def exposure(self) -> float:
        """Good time in seconds."""
        return sum(wedge.gti.total for wedge in self.wedges)


def block_mean(image: Floats, binning: int) -> Floats:
    """Mean over blocks of binning × binning pixels; the trailing partial block is dropped.

    Parameters
    ----------
    image : ndarray, shape (m, n)
        Any unit.
    binning : int
        Pixels per block and axis.

    Returns
    -------
    ndarray, shape (m // binning, n // binning)
        In the unit of `image`.

    Raises
    ------
    BadInput
        When the binning is not positive or larger than the image.
    """
    rows, columns = (binned_size(binning, size) for size in image.shape)
    blocks = image[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning)
    return np.asarray(blocks.mean(axis=(1, 3)))


def map_hdus(made: MadeMap, binning: int, keywords: Mapping[str, Any]) -> list[Any]:
    """The HDUs of a map: image, OFFAXISHIST, GTIEXPnnn and, unbinned, PARTIALEXPnnn."""
    image = fits.PrimaryHDU(block_mean(made.seconds, binning).astype(np.float32))
    image.header.update(keywords)
    image.header.update(_wcs_keywords(made.nominal, binning))
    image.header["BUNIT"] = ("s", "exposure; no vignetting")
    image.header["IMGBIN"] = (binning, "SKY pixels averaged per axis")
    image.header["CONTENT"] = "EXPOSURE MAP"
    tables = [_numbered("GTIEXP", number, _gti_table(wedge)) for number, wedge in enumerate(made.wedges, 1)]
    if binning == 1:
        tables += [
            _numbered("PARTIALEXP", number, fits.BinTableHDU(rows.view(fits.FITS_rec)))
            for number, rows in enumerate(_partial_pixels(made), 1)
        ]
    return [image, _off_axis_table(made, keywords), *tables]


def common_keywords(events: EventList, made: MadeMap) -> dict[str, Any]:
    """What the image and its OFFAXISHIST say in common."""
    header, gti = events.keywords, events.gti
    # One list's dates do not hold for what is split in several.
    copied = (*_COPIED, *(_DATES if len(events.names) == 1 else ()))
    times = np.array([wedge.gti.total for wedge in made.wedges])
    axis_ra, axis_dec = np.array([(wedge.axis_ra, wedge.axis_dec) for wedge in made.wedges]).T
    turns = (axis_ra - made.nominal.ra + 180) % 360 - 180
    return {
        **{key: header[key] for key in copied if key in header},
        "RADESYS": "FK5",
        "EQUINOX": 2000.0,
        "RA_NOM": (made.nominal.ra, "[deg] RA of the SKY image's centre"),
        "DEC_NOM": (made.nominal.dec, "[deg] Dec of the SKY image's centre"),
        "RA_PNT": (float(made.nominal.ra + np.average(turns, weights=times)) % 360, "[deg] mean axis"),
        "DEC_PNT": (float(np.average(axis_dec, weights=times)), "[deg] mean axis"),
        "TSTART": (float(gti.start[0]), "[s] first good time"),
        "TSTOP": (float(gti.stop[-1]), "[s] last good time"),
        "TELAPSE": float(gti.stop[-1] - gti.start[0]),
        "NUMEXMAP": (len(made.wedges), "number of wedges"),
        "NUMTHETA": (len({wedge.ring for wedge in made.wedges}), "number of off-axis rings"),
    }


def _wcs_keywords(nominal: Nominal, binning: int) -> dict[str, Any]:
    """Celestial WCS of the binned SKY pixels, and the physical one that ds9 shows."""
    reference = (SKY_CENTRE - 0.5) / binning + 0.5
    said: dict[str, Any] = {"WCSNAMEP": "PHYSICAL"}
    for axis, kind, value, sign in ((1, "RA---TAN", nominal.ra, -1), (2, "DEC--TAN", nominal.dec, 1)):
        said |= {
            f"CTYPE{axis}": kind,
            f"CUNIT{axis}": "deg",
            f"CRVAL{axis}": value,
            f"CRPIX{axis}": reference,
            f"CDELT{axis}": sign * PIXEL_DEG * binning,
            f"CTYPE{axis}P": "XY"[axis - 1],
            f"CRPIX{axis}P": 1.0,
            f"CRVAL{axis}P": (binning + 1) / 2,
            f"CDELT{axis}P": float(binning),
        }
    return said


def _off_axis_table(made: MadeMap, keywords: Mapping[str, Any]) -> fits.BinTableHDU:
    """OFFAXISHIST: one row a wedge; ahbackscal reads EXPOSURE here, xaarfgen the rows."""
    total = made.exposure
    rows = [
        (
            *wedge.off_axis, wedge.mean_off_axis, *wedge.azimuth, wedge.mean_azimuth,
            wedge.gti.total, wedge.gti.total / total,
            wedge.attitude.ra, wedge.attitude.dec, wedge.attitude.roll, wedge.axis_ra, wedge.axis_dec,
        )
        for wedge in made.wedges
    ]  # fmt: skip
    names = (
        "OFFAXISLO", "OFFAXISHI", "OFFAXISVAL", "AZIMUTHLO", "AZIMUTHHI", "AZIMUTH", "TIMEINTERVAL",
        "FRACTION", "RANOMXP", "DECNOMXP", "PA_NOMXP", "RA_PNT", "DEC_PNT",
    )  # fmt: skip
    units = ("arcmin",) * 3 + ("deg",) * 3 + ("s", None) + ("deg",) * 5
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name=name, format="1D", unit=unit, array=values)
            for name, unit, values in zip(names, units, np.array(rows).T, strict=True)
        ],
        name="OFFAXISHIST",
    )
    table.header.update(keywords)
    for key in ("EXPOSURE", "ONTIME", "LIVETIME"):
        table.header[key] = (total, "[s] good time")
    return table


def _gti_table(wedge: Wedge) -> fits.BinTableHDU:
    bounds = {"START": wedge.gti.start, "STOP": wedge.gti.stop}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name=name, format="1D", unit="s", array=values) for name, values in bounds.items()]
    )
    table.header["TSTART"] = float(wedge.gti.start[0])
    table.header["TSTOP"] = float(wedge.gti.stop[-1])
    return table


def _partial_pixels(made: MadeMap) -> Iterator[NDArray[Any]]:
    """Rows of PARTIALEXP of each wedge; they are millions, and the same ones where no pixel flickers."""
    same = _partial_rows(made.live) if made.flickering is None else None
    for wedge in made.wedges:
        yield _partial_rows(live_shares(made.live, made.flickering, wedge.gti)) if same is None else same


def _partial_rows(shares: Shares) -> NDArray[Any]:
    """The DET pixels that were not exposed all the time, DETX by DETX.

    They are in the file's byte order, so that tables can be views of them, neither copied nor swapped.
    """
    det_x, det_y = np.nonzero(shares.T < 1)
    rows = np.zeros(det_x.size, [("DETX", ">i2"), ("DETY", ">i2"), ("FRACTION", ">f4")])
    rows["DETX"], rows["DETY"], rows["FRACTION"] = det_x + 1, det_y + 1, shares[det_y, det_x]
    return rows


def _numbered(name: str, number: int, table: fits.BinTableHDU) -> fits.BinTableHDU:
    table.name = f"{name}{number:03d}"
    table.header["GTINUMBR"] = (number, "number of the wedge")
    return table
