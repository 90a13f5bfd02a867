"""Exposure maps: for how long each SKY pixel was seen by live detector pixels. No vignetting, no dead time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import NoData, Permanent
from tasks.engines.call import Report
from tasks.engines.native.adoption import EventFile, nominal_of, read_event_file
from tasks.engines.native.attitude import AttitudeHistory, SkyObject, Wedge, read_ehk, wedges
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.engines.native.gti import Gti, union
from tasks.engines.native.headers import write_product
from tasks.engines.native.projection import coverage
from tasks.xtend.cautions import Caution, notice
from tasks.xtend.geometry import PIXEL_DEG, SKY_CENTRE, SKY_SIZE, Floats, Nominal, binned_size

_COPIED: Final = (
    "FILTER", "DETNAM", "DATAMODE", "OBS_MODE", "ORIGIN", "RA_OBJ", "DEC_OBJ", "PA_NOM",
    "MJDREFI", "MJDREFF", "TIMESYS", "TIMEREF", "TIMEUNIT",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ExposureMap:
    """An exposure map of the whole SKY image and what it was made of.

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
    """

    seconds: Floats
    wedges: Sequence[Wedge]
    live: NDArray[np.bool_]
    nominal: Nominal

    @property
    def exposure(self) -> float:
        """Good time in seconds."""
        return sum(wedge.gti.total for wedge in self.wedges)


def make(
    ehk: str,
    events: list[str],
    bad_pixels: str,
    maps: dict[str, str],
    delta_arcmin: float,
    numphi: int,
    recipe: str,
) -> Report:
    """Make the exposure maps of a dataset at several binnings.

    Parameters
    ----------
    ehk : str
        Extended housekeeping with the attitude.
    events : list of str
        Cleaned event files, one per split; their good times are united.
    bad_pixels : str
        Bad-pixel image.
    maps : dict
        Binning → name of the map.
    delta_arcmin, numphi : float, int
        Division of the attitude, as the exposure-map tool takes it.
    recipe : str
        The recipe's hash.

    Returns
    -------
    Report
        Facts: `exposure` (s), `maximum` (s, of the unbinned map), `live_area_pixels`, `wedges`.

    Raises
    ------
    Permanent
        When a file cannot be read, no pixel is live, or the attitude does not cover the good time.
    NoData
        When there is no good time.
    """
    files = [read_event_file(Path(name)) for name in events]
    gti = union([file.good_times for file in files])
    if not gti.total > 0:
        raise NoData(f"no good time in {', '.join(events)}")
    live = live_mask(read_bad_pixels(Path(bad_pixels)))
    if not live.any():
        raise Permanent(f"{bad_pixels} leaves no live pixel")
    history = read_ehk(Path(ehk))
    made = exposure_map(history, gti, live, files[0], delta_arcmin, numphi)
    said = [
        f"exposure map: attitude of {ehk}, good time of {', '.join(events)} ({gti.start.size} intervals, "
        f"{made.exposure:.3f} s), live pixels of {bad_pixels} (flag 0; calibration sources masked)",
        f"delta {delta_arcmin:g} arcmin, numphi {numphi}: {len(made.wedges)} wedges; no vignetting",
    ]
    base = _keywords([file.header for file in files], gti, made)
    for binning, name in maps.items():
        hdus = map_hdus(made, int(binning), base)
        write_product(Path(name), hdus, files[0].header, said, recipe)
    return Report(
        facts={
            "exposure": made.exposure,
            "maximum": float(made.seconds.max()),
            "live_area_pixels": int(live.sum()),
            "wedges": len(made.wedges),
        },
        cautions=_cautions(history, ehk),
    )


def exposure_map(
    history: AttitudeHistory,
    gti: Gti,
    live: NDArray[np.bool_],
    events: EventFile,
    delta_arcmin: float,
    numphi: int,
) -> ExposureMap:
    """Seconds in each SKY pixel: Σ over wedges of their time × the covered fraction of the pixel."""
    nominal = nominal_of(events.header, events.name)
    origin = history.object or SkyObject(
        float(events.header.get("RA_OBJ", nominal.ra)), float(events.header.get("DEC_OBJ", nominal.dec))
    )
    parts = wedges(history, gti, origin, delta_arcmin, numphi)
    seconds = np.zeros((SKY_SIZE, SKY_SIZE))
    for wedge in parts:
        seconds += wedge.gti.total * coverage(live, wedge.attitude, nominal)
    return ExposureMap(seconds, parts, live, nominal)


def block_mean(image: Floats, binning: int) -> Floats:
    """Mean over blocks of binning × binning pixels; the trailing partial block is dropped."""
    rows, columns = (binned_size(binning, size) for size in image.shape)
    blocks = image[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning)
    return np.asarray(blocks.mean(axis=(1, 3)))


def map_hdus(made: ExposureMap, binning: int, keywords: Mapping[str, Any]) -> list[Any]:
    """The HDUs of a map: image, OFFAXISHIST, GTIEXPnnn and, unbinned, PARTIALEXPnnn."""
    image = fits.PrimaryHDU(block_mean(made.seconds, binning).astype(np.float32))
    image.header.update(keywords)
    image.header.update(_wcs_keywords(made.nominal, binning))
    image.header["BUNIT"] = ("s", "exposure; no vignetting")
    image.header["IMGBIN"] = (binning, "SKY pixels averaged per axis")
    image.header["CONTENT"] = "EXPOSURE MAP"
    parts = [_numbered("GTIEXP", number, _gti_table(wedge)) for number, wedge in _counted(made.wedges)]
    if binning == 1:
        dead = _dead_table(made.live)
        parts += [_numbered("PARTIALEXP", number, dead.copy()) for number, _ in _counted(made.wedges)]
    return [image, _off_axis_table(made, keywords), *parts]


def _counted(parts: Sequence[Wedge]) -> Iterable[tuple[int, Wedge]]:
    return enumerate(parts, start=1)


def _keywords(headers: Sequence[fits.Header], gti: Gti, made: ExposureMap) -> dict[str, Any]:
    """What the image and its OFFAXISHIST say in common."""
    first = headers[0]
    times = np.array([wedge.gti.total for wedge in made.wedges])
    axis_ra, axis_dec = np.array([(wedge.axis_ra, wedge.axis_dec) for wedge in made.wedges]).T
    turns = (axis_ra - made.nominal.ra + 180) % 360 - 180
    return {
        **{key: first[key] for key in _COPIED if key in first},
        **_dates(headers),
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


def _dates(headers: Sequence[fits.Header]) -> dict[str, str]:
    """DATE-OBS and DATE-END of all split files together; ISO dates sort as text."""
    ends = {"DATE-OBS": min, "DATE-END": max}
    said = {key: [str(header[key]) for header in headers if key in header] for key in ends}
    return {key: ends[key](values) for key, values in said.items() if values}


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


def _off_axis_table(made: ExposureMap, keywords: Mapping[str, Any]) -> fits.BinTableHDU:
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


def _dead_table(live: NDArray[np.bool_]) -> fits.BinTableHDU:
    """PARTIALEXP: the DET pixels without exposure, DETX by DETX."""
    det_x, det_y = np.nonzero(~live.T)
    return fits.BinTableHDU.from_columns(
        [
            fits.Column(name="DETX", format="1I", array=det_x + 1),
            fits.Column(name="DETY", format="1I", array=det_y + 1),
            fits.Column(name="FRACTION", format="1E", array=np.zeros(det_x.size)),
        ]
    )


def _numbered(name: str, number: int, table: fits.BinTableHDU) -> fits.BinTableHDU:
    table.name = f"{name}{number:03d}"
    table.header["GTINUMBR"] = (number, "number of the wedge")
    return table


def _cautions(history: AttitudeHistory, ehk: str) -> tuple[Caution, ...]:
    if history.axis_known:
        return ()
    return (
        notice(
            "axis-from-spacecraft",
            f"{ehk} gives no pointing of Xtend's axis, so the spacecraft's RA and DEC stand in for it; "
            "an ARF made from this exposure map has off-axis angles that may be 30″ wrong.",
        ),
    )
