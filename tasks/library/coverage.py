"""Which sky and which time a dataset covers, as its exposure map tells; each map is read once."""

import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core.errors import Permanent
from tasks.library.manifest import Kind, Manifest, Product
from tasks.library.store import Store
from tasks.xtend.outline import outline

_DAY = 86400.0

Corner = tuple[float, float]


class Coverage(BaseModel):
    """What a dataset covers; positions are in degrees (FK5, J2000).

    Parameters
    ----------
    start, stop : float
        First and last good time as MJD in TT.
    centre : tuple of float
        RA and Dec of the middle of the exposed pixels.
    radius : float
        Degrees from there to the farthest corner.
    polygons : tuple
        Outlines of the exposed pixels: corners in RA and Dec, counter-clockwise as one sees the sky.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float
    stop: float
    centre: Corner
    radius: float
    polygons: tuple[tuple[Corner, ...], ...]


def map_of(manifest: Manifest) -> Product | None:
    """The exposure map that is quickest to read: the one with the coarsest pixels."""
    maps = manifest.find(Kind.EXPOSURE_MAP)
    return max(maps, key=lambda product: product.entry.get("binning", 1), default=None)


def coverage(store: Store, manifest: Manifest, cache: Path) -> Coverage | None:
    """What a dataset covers; None without an exposure map.

    Parameters
    ----------
    store, manifest
        The dataset.
    cache : Path
        Folder for what was read, by the hash of the map.

    Raises
    ------
    Permanent
        When the map is none.
    """
    product = map_of(manifest)
    if product is None:
        return None
    known = cache / f"{product.sha256}.json"
    try:
        return Coverage.model_validate_json(known.read_bytes())
    except (FileNotFoundError, ValidationError):
        pass
    with tempfile.TemporaryDirectory() as scratch:
        key = f"{manifest.obsid}/{manifest.dataclass}/{product.path}"
        found = read_coverage(store.local(key, Path(scratch), product.sha256))
    cache.mkdir(parents=True, exist_ok=True)
    # One that is cut off is none, and is read again.
    known.write_text(found.model_dump_json(), encoding="utf-8")
    return found


def read_coverage(path: Path) -> Coverage:
    """What an exposure map covers.

    Raises
    ------
    Permanent
        When it is none, or nothing is exposed.
    """
    try:
        with fits.open(path) as hdus:
            header, seconds = hdus[0].header, np.asarray(hdus[0].data)
            exposed = seconds > 0
            epoch = header["MJDREFI"] + header.get("MJDREFF", 0.0)
            times = [epoch + seconds_since / _DAY for seconds_since in _good_time(hdus)]
            wcs = _wcs(header)
    except (OSError, KeyError, TypeError, ValueError) as exc:
        raise Permanent(f"{path.name} is no exposure map: {exc}") from exc
    if not exposed.any():
        raise Permanent(f"{path.name}: nothing is exposed")
    pixel = abs(float(wcs.wcs.cdelt[0])) * 3600
    middle = np.argwhere(exposed).mean(axis=0)[::-1] + 1.0
    (centre,) = wcs.wcs_pix2world([middle], 1)
    polygons = [wcs.wcs_pix2world(corners, 1) for corners in outline(exposed, pixel)]
    return Coverage(
        start=times[0],
        stop=times[1],
        centre=tuple(centre),
        radius=max(float(separation(centre, corners).max()) for corners in polygons),
        polygons=tuple(tuple(map(tuple, corners)) for corners in polygons),
    )


def _good_time(hdus: fits.HDUList) -> tuple[float, float]:
    """First and last good second: HEASoft's maps tell it by the intervals of their wedges alone."""
    header, tables = hdus[0].header, [hdu.data for hdu in hdus if hdu.name.startswith("GTIEXP")]
    if "TSTART" in header or not tables:
        return header["TSTART"], header["TSTOP"]
    return min(table["START"].min() for table in tables), max(table["STOP"].max() for table in tables)


def _wcs(header: fits.Header) -> WCS:
    """The celestial coordinates alone: astropy has opinions about the other keywords, and tells them."""
    wcs = WCS(naxis=2)
    for name in ("ctype", "crpix", "crval", "cdelt"):
        setattr(wcs.wcs, name, [header[f"{name.upper()}{axis}"] for axis in (1, 2)])
    return wcs


def separation(centre: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees between a position and others, shape (n, 2), on the sphere (haversine formula)."""
    (ra, dec), (ras, decs) = np.radians(centre), np.radians(positions).T
    half = np.sin((decs - dec) / 2) ** 2 + np.cos(dec) * np.cos(decs) * np.sin((ras - ra) / 2) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(half))))
