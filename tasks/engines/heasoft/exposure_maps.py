"""What xaexpmap is given besides the archive's files, and what it and fimgbin leave undone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.coordinates import angular_separation
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import NoData, Permanent, SoftwareFault
from tasks.engines.heasoft.right_ascension import normalise
from tasks.engines.native.attitude import read_ehk
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.files import read_hdus
from tasks.engines.native.grids import difference
from tasks.engines.native.keywords import figure, nominal_of
from tasks.engines.native.pointing import wander_arcsec
from tasks.library.call import Report
from tasks.xtend.geometry import binned_size

MAP: Final = "map.fits"
BAD_PIXELS: Final = "bad.bimg"
_ROUNDING: Final = 1e-4
"""Relative; maps are in single precision."""
_DATES: Final = ("DATE-OBS", "DATE-END")
_STALE: Final = ("LTV1", "LTV2", "LTM1_1", "LTM2_2", "LTM1_2", "LTM2_1", "DETNAM", *_DATES)
_FARTHEST_DEG: Final = 1.0
"""Far beyond what the attitude wanders while time is good, or a telescope's axis is off."""
_WORLD: Final = tuple(f"{key}{axis}" for key in ("CRPIX", "CDELT", "CRVAL") for axis in (1, 2))
_IDENTITY: Final = (
    "TELESCOP", "INSTRUME", "DETNAM", "DATAMODE", "DATACLAS", "FILTER", "OBS_ID", "OBJECT", "OBS_MODE",
    "PROCVER", "CALDBVER", "SIMULATD", "RA_OBJ", "DEC_OBJ", "RA_NOM", "DEC_NOM", "PA_NOM", "RA_PNT",
    "DEC_PNT", "RADECSYS", "EQUINOX", "DATE-OBS", "DATE-END", "MJDREFI", "MJDREFF", "TIMESYS", "TIMEREF",
    "TIMEUNIT",
)  # fmt: skip


def unite(events: Sequence[str], output: str) -> None:
    """Write the good time of all files that one event list was split into: what is good in one of them.

    Parameters
    ----------
    events : sequence of str
        Cleaned event files.
    output : str
        Where to: the extension GTI with START and STOP in seconds, and the first file's keywords.

    Raises
    ------
    Permanent
        When a file is no event file.
    NoData
        When there is no good time.
    """
    observed = read_events([Path(name) for name in events], ())
    if not observed.gti.total > 0:
        raise NoData(f"no good time in {', '.join(events)}")
    start, stop = observed.gti.start, observed.gti.stop
    bounds = [
        fits.Column("START", "D", unit="s", array=start),
        fits.Column("STOP", "D", unit="s", array=stop),
    ]
    table = fits.BinTableHDU.from_columns(bounds, name="GTI")
    primary = fits.PrimaryHDU()
    for header in (primary.header, table.header):
        copy_identity(observed.keywords, header)
        header.update({"TSTART": float(start[0]), "TSTOP": float(stop[-1]), "ONTIME": observed.gti.total})
    table.header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD"})
    fits.HDUList([primary, table]).writeto(output, checksum=True)


def complete(
    maps: Mapping[str, str],
    binned: Mapping[str, str],
    events: Sequence[str],
    ehk: str,
    mask_calibration: bool,
) -> Report:
    """Write maps with what the tools leave out or stale: binned world coordinates, tables, identity.

    Parameters
    ----------
    maps : mapping
        Binning → name of the completed map.
    binned : mapping
        Binning → what fimgbin made of `map.fits`.
    events : sequence of str
        Cleaned event files, for the identity and the good time.
    ehk : str
        Extended housekeeping with the attitude.
    mask_calibration : bool
        Whether the calibration sources count as not exposed.

    Returns
    -------
    Report
        Facts: `exposure` (s), `maximum` (s, of the unbinned map), `live_area_pixels`, `wedges`,
        `wander_arcsec` (of the pointing, from its mean).

    Raises
    ------
    Permanent
        When the map is empty, so that the attitude points elsewhere, or lies on another sky than the events,
        or the attitude cannot be read or is far from the nominal one.
    SoftwareFault
        When what the tools left is no exposure map, or was not averaged.
    """
    image, *tables = _read_map(Path(MAP))
    observed = read_events([Path(name) for name in events], ())
    _check_sky(image.header, observed)
    normalise(image.header, tables[0])
    _check_attitude(tables[0], observed)
    for text, output in maps.items():
        binning = int(text)
        seconds = image.data if binning == 1 else _binned(Path(binned[text]), image.data, binning)
        # A list of pixels without exposure is for the map that ARFs are made from.
        kept = [table for table in tables if binning == 1 or not table.name.startswith("PARTIALEXP")]
        primary = fits.PrimaryHDU(seconds.astype(np.float32), _header(image.header, observed, binning))
        fits.HDUList([primary, *kept]).writeto(output, output_verify="silentfix")
    history = tables[0]
    return Report(
        facts={
            "exposure": figure(history.header, "EXPOSURE", MAP),
            "maximum": float(image.data.max()),
            "live_area_pixels": _live_pixels(Path(BAD_PIXELS), mask_calibration),
            "wedges": len(history.data),
            "wander_arcsec": wander_arcsec(read_ehk(Path(ehk)), observed.gti),
        }
    )


def identify(map_file: str, events: Sequence[str], output: str) -> None:
    """Write an efficiency map with what it does not say of whose data it is made for.

    Parameters
    ----------
    map_file, output : str
        What xaexpmap left, and what to write.
    events : sequence of str
        Cleaned event files.

    Raises
    ------
    SoftwareFault
        When there is no whole map.
    """
    try:
        hdus = read_hdus(Path(map_file))
    except Permanent as exc:
        raise SoftwareFault(f"xaexpmap made no map: {exc}") from exc
    copy_identity(read_events([Path(name) for name in events], ()).keywords, hdus[0].header)
    fits.HDUList(hdus).writeto(output, output_verify="silentfix")


def _live_pixels(path: Path, mask_calibration: bool) -> int:
    return int(live_mask(read_bad_pixels(path), mask_calibration=mask_calibration).sum())


def _read_map(path: Path) -> list[Any]:
    """The HDUs of an exposure map: image, OFFAXISHIST, then the wedges' tables."""
    try:
        hdus = read_hdus(path)
    except Permanent as exc:
        raise SoftwareFault(f"xaexpmap made no map: {exc}") from exc
    if hdus[0].data is None or len(hdus) < 2 or hdus[1].name != "OFFAXISHIST":
        raise SoftwareFault(f"xaexpmap made no exposure map: {[hdu.name for hdu in hdus]} are its extensions")
    if missing := [key for key in _WORLD if key not in hdus[0].header]:
        raise SoftwareFault(f"xaexpmap made a map without {', '.join(missing)}")
    if not np.nanmax(hdus[0].data) > 0:
        raise Permanent("the exposure map is empty: the attitude points away from the sky of the events")
    return hdus


def _check_sky(header: fits.Header, observed: EventList) -> None:
    """See that a map lies on the events' sky: xaexpmap takes its centre from the EHK file.

    Raises
    ------
    Permanent
        When it does not, by the tolerance of rate images.
    """
    nominal = nominal_of(observed.keywords, observed.name)
    expected = header.copy()
    expected.update(CRVAL1=nominal.ra, CRVAL2=nominal.dec)
    if unlike := difference(header, expected):
        raise Permanent(
            f"the exposure map does not lie on the sky pixels of {observed.name} ({unlike}): the EHK file "
            "and the events are of different processings"
        )


def _check_attitude(table: Any, observed: EventList) -> None:
    """See that the mean attitudes, which ARFs are made for, are about the nominal one.

    Raises
    ------
    Permanent
        When one is not.
    """
    nominal = nominal_of(observed.keywords, observed.name)
    for names in (("RANOMXP", "DECNOMXP"), ("RA_PNT", "DEC_PNT")):
        if set(names) <= set(table.columns.names):
            ra, dec = (np.radians(np.asarray(table.data[name], float)) for name in names)
            aspect = np.radians([nominal.ra, nominal.dec])
            far = float(np.degrees(angular_separation(*aspect, ra, dec)).max())
            if not far <= _FARTHEST_DEG:
                raise Permanent(
                    f"xaexpmap puts {' and '.join(names)} of its attitude {far:.3g}° from the nominal aspect "
                    f"of {observed.name}, so no ARF can be made of its map"
                )


def _binned(path: Path, whole: NDArray[Any], binning: int) -> NDArray[Any]:
    """A binned map's pixels, if they are means of the unbinned ones."""
    try:
        seconds: NDArray[Any] = read_hdus(path)[0].data
    except Permanent as exc:
        raise SoftwareFault(f"fimgbin made no map: {exc}") from exc
    shape = tuple(binned_size(binning, size) for size in whole.shape)
    if seconds is None or seconds.shape != shape:
        raise SoftwareFault(f"fimgbin made no map of {shape[1]}×{shape[0]} pixels by a binning of {binning}")
    if seconds.max() > whole.max() * (1 + _ROUNDING):
        raise SoftwareFault(f"fimgbin added up exposures instead of averaging them at a binning of {binning}")
    return seconds


def _header(given: fits.Header, observed: EventList, binning: int) -> fits.Header:
    """The unbinned map's header made right for a binning: places on the sky, and pixels for ds9.

    xaexpmap tells the times of the attitude file, and an instrument's name of its own.
    """
    header = given.copy()
    for key in _STALE:
        header.remove(key, ignore_missing=True)
    copy_identity(observed.keywords, header)
    start, stop = float(observed.gti.start[0]), float(observed.gti.stop[-1])
    header.update({"TSTART": start, "TSTOP": stop, "TELAPSE": stop - start})
    for key in _DATES if len(observed.names) > 1 else ():
        header.remove(key, ignore_missing=True)
    header["WCSNAMEP"] = "PHYSICAL"
    for axis, column in ((1, "X"), (2, "Y")):
        header[f"CRPIX{axis}"] = (given[f"CRPIX{axis}"] - 0.5) / binning + 0.5
        header[f"CDELT{axis}"] = given[f"CDELT{axis}"] * binning
        header[f"CTYPE{axis}P"] = column
        header[f"CRPIX{axis}P"] = 1.0
        header[f"CRVAL{axis}P"] = (binning + 1) / 2
        header[f"CDELT{axis}P"] = float(binning)
    header["IMGBIN"] = (binning, "SKY pixels averaged per axis")
    header["CONTENT"] = "EXPOSURE MAP"
    return header


def copy_identity(source: Mapping[str, Any], header: fits.Header) -> None:
    """Add what a header does not say yet of whose data these are."""
    for key in _IDENTITY:
        if key in source and key not in header:
            header[key] = source[key]
