"""The files of `auxil/`: extended housekeeping, attitude, orbit, filter values, general good time."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.archive.simulated import keywords
from tasks.archive.simulated.fits_files import intervals_table, table, write
from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.timeline import (
    ALTITUDE_KM,
    CYCLE,
    INCLINATION_DEG,
    ORBIT,
    elevation,
    ground_track,
    in_saa,
)

Floats = NDArray[np.float64]

_MARGIN: Final = 60.0
_JITTER_ARCSEC: Final = 1.0
_ATTITUDE_STREAM: Final = 1
_EARTH_RADIUS_KM: Final = 6371.0
_EPOCH: Final = np.datetime64("2019-01-01T00:00:00", "s")


def write_auxiliary(folder: Path, observation: Observation, good: NDArray[np.bool_], seed: int) -> None:
    """Write the five files of `auxil/`.

    Parameters
    ----------
    folder : Path
        `{obsid}/auxil`.
    good : array of bool
        Which 4 s cycles are good.
    """
    stem = f"xa{observation.obsid}"
    common = keywords.of_observation(observation) | {"DETNAM": "CCD"}
    write(folder / f"{stem}.ehk.gz", [fits.PrimaryHDU(), _ehk(observation, seed)], common)
    write(folder / f"{stem}.att.gz", [fits.PrimaryHDU(), _attitude(observation)], common)
    write(folder / f"{stem}.orb.gz", [fits.PrimaryHDU(), _orbit(observation)], common)
    write(folder / f"{stem}.mkf.gz", [fits.PrimaryHDU(), _filter_values(observation)], common)
    write(folder / f"{stem}_gen.gti.gz", [fits.PrimaryHDU(), *_general_gtis(observation, good)], common)


def _times(observation: Observation, step: float) -> Floats:
    return np.arange(observation.start - _MARGIN, observation.start + observation.span + _MARGIN, step)


def _ehk(observation: Observation, seed: int) -> Any:
    time = _times(observation, 1.0)
    nominal, axis = observation.nominal, observation.axis
    rng = np.random.default_rng([seed, int(observation.obsid), _ATTITUDE_STREAM])
    # Jitter about the nominal aspect: the mean is that aspect, which the SKY columns are made for.
    # Steps of a tenth keep the file small.
    north, east = np.round(rng.normal(0, _JITTER_ARCSEC, (2, len(time))), 1) / 3600
    north, east = north - north.mean(), (east - east.mean()) / np.cos(np.radians(nominal.dec))
    degrees = ("1D", "deg")
    attitude = {
        "RA": (*degrees, (nominal.ra + east) % 360),
        "DEC": (*degrees, nominal.dec + north),
        "ROLL": (*degrees, np.full(len(time), nominal.pa)),
        "XTD_RA_PNT": (*degrees, (axis.ra + east) % 360),
        "XTD_DEC_PNT": (*degrees, axis.dec + north),
        "EULER1": ("1E", "deg", (nominal.ra + east) % 360),
        "EULER2": ("1E", "deg", 90 - nominal.dec - north),
        "EULER3": ("1E", "deg", np.full(len(time), nominal.pa)),
        "DLT_RA": ("1E", "arcmin", east * 60),
        "DLT_DEC": ("1E", "arcmin", north * 60),
        "ANG_DIST": ("1E", "arcmin", np.hypot(east * np.cos(np.radians(nominal.dec)), north) * 60),
    }
    clock = {"TIME": ("1D", "s", time), **_calendar(time)}
    return table("EHK", clock | attitude | _environment(time, observation.start))


def _calendar(time: Floats) -> dict[str, tuple[str, str, Any]]:
    moment = _EPOCH + time.astype("timedelta64[s]")
    day = moment.astype("datetime64[D]")
    month = moment.astype("datetime64[M]")
    year = moment.astype("datetime64[Y]").astype(int) + 1970
    date = year * 10000 + (month.astype(int) % 12 + 1) * 100 + (day - month).astype(int) + 1
    second = (moment - day).astype(int)
    clock = second // 3600 * 10000 + second // 60 % 60 * 100 + second % 60
    return {"YYYYMMDD": ("1J", "", date), "HHMMSS": ("1J", "", clock)}


def _environment(time: Floats, start: float) -> dict[str, tuple[str, str, Any]]:
    """Where the satellite is, how far the Earth, how hard the cosmic rays."""
    longitude, latitude = ground_track(time)
    height = elevation(time, start)
    cutoff = 14.5 * np.cos(np.radians(0.8 * latitude + 6)) ** 4
    day = np.sin(2 * np.pi * time / ORBIT) > 0
    return {
        "SAT_ALT": ("1E", "km", np.full(len(time), ALTITUDE_KM)),
        "SAT_LON": ("1E", "deg", longitude),
        "SAT_LAT": ("1E", "deg", latitude),
        "ELV": ("1E", "deg", height),
        "DYE_ELV": ("1E", "deg", np.where(day, height, 120.0)),
        "NTE_ELV": ("1E", "deg", np.where(day, 120.0, height)),
        "SUN_ALT": ("1E", "deg", 60 * np.sin(2 * np.pi * time / ORBIT)),
        "COR": ("1E", "GeV/c", cutoff),
        "COR2": ("1E", "GeV/c", cutoff * 0.97),
        "COR3": ("1E", "GeV/c", cutoff * 0.98),
        "CORTIME": ("1E", "GeV/c", cutoff * 0.99),
        "SAA": ("1B", "", in_saa(longitude, latitude).astype(np.uint8)),
    }


def _attitude(observation: Observation) -> Any:
    time = _times(observation, CYCLE)
    nominal = observation.nominal
    angles = np.array([nominal.ra, 90 - nominal.dec, 90 - nominal.pa])
    half = np.radians(angles) / 2
    # Euler angles z-y-z as a quaternion, the scalar last.
    quaternion = np.array(
        [
            -np.sin(half[1]) * np.sin(half[0] - half[2]),
            np.sin(half[1]) * np.cos(half[0] - half[2]),
            np.cos(half[1]) * np.sin(half[0] + half[2]),
            np.cos(half[1]) * np.cos(half[0] + half[2]),
        ]
    )
    return table(
        "ATTITUDE",
        {
            "TIME": ("1D", "s", time),
            "EULER": ("3D", "deg", np.tile(angles, (len(time), 1))),
            "QPARAM": ("4D", "", np.tile(quaternion, (len(time), 1))),
        },
    )


def _orbit(observation: Observation) -> Any:
    time = _times(observation, 60.0)
    longitude, latitude = (np.radians(angle) for angle in ground_track(time))
    radius = _EARTH_RADIUS_KM + ALTITUDE_KM
    constants = {"A": radius, "E": 0.001, "I": INCLINATION_DEG, "AN": 0.0, "AP": 0.0}
    place = {
        "X": radius * np.cos(latitude) * np.cos(longitude),
        "Y": radius * np.cos(latitude) * np.sin(longitude),
        "Z": radius * np.sin(latitude),
    }
    units = {"A": "km", "E": "", "I": "deg", "AN": "deg", "AP": "deg"}
    elements = {name: ("1D", units[name], np.full(len(time), value)) for name, value in constants.items()}
    anomaly = {"MA": ("1D", "deg", 360 * (time % ORBIT) / ORBIT)}
    position = {name: ("1D", "km", value) for name, value in place.items()}
    return table("ORBIT", {"TIME": ("1D", "s", time)} | elements | anomaly | position)


def _filter_values(observation: Observation) -> Any:
    time = _times(observation, CYCLE)
    longitude, latitude = ground_track(time)
    return table(
        "MAKEFILTER",
        {
            "TIME": ("1D", "s", time),
            "ELV": ("1E", "deg", elevation(time, observation.start)),
            "SAA": ("1B", "", in_saa(longitude, latitude).astype(np.uint8)),
            "XTD_CCD_TEMP": ("1E", "degC", np.full(len(time), -110.0)),
        },
    )


def _general_gtis(observation: Observation, good: NDArray[np.bool_]) -> list[Any]:
    start = observation.start
    whole = (np.array([start]), np.array([start + observation.span]))
    slew = (np.array([start - _MARGIN]), np.array([start]))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int)))
    runs = start + CYCLE * edges.astype(float)
    return [
        intervals_table("GTIPOINT", *whole),
        intervals_table("GTISLEW", *slew),
        intervals_table("GTIATT", *whole),
        intervals_table("GTIOBS", *whole),
        intervals_table("GTIEHK", runs[::2], runs[1::2]),
    ]
