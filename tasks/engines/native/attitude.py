"""Where the telescope pointed: the extended housekeeping, and its division into wedges of like attitude.

The exposure-map tool sorts the attitude samples by their distance (rings of `delta`) and direction
(`numphi`·i sectors in ring i) from the object, and gives every good second to one such wedge.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.gti import Gti
from tasks.xtend.geometry import Floats

Integers = NDArray[np.intp]

_PREFIXES: Final = ("XTD_", "XTEND_", "SXI_")
_REACH_S: Final = 10.0
"""How far good time may lie outside the samples; they come every second or few."""


@dataclass(frozen=True)
class Attitude:
    """One attitude in degrees: the sky position of the aim point and the position angle of +DETY."""

    ra: float
    dec: float
    roll: float


@dataclass(frozen=True)
class SkyObject:
    """The position (degrees) that off-axis angles are measured from."""

    ra: float
    dec: float


@dataclass(frozen=True, eq=False)
class AttitudeHistory:
    """Samples of the attitude in ascending time.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Mission time in seconds.
    ra, dec, roll : ndarray, shape (n,)
        Of the spacecraft, in degrees.
    axis_ra, axis_dec : ndarray, shape (n,)
        Of the telescope's axis, in degrees.
    axis_known : bool
        False when the file gives no axis and the spacecraft's pointing stands in for it.
    object : SkyObject, optional
        RA_OBJ, DEC_OBJ of the file.
    """

    time: Floats
    ra: Floats
    dec: Floats
    roll: Floats
    axis_ra: Floats
    axis_dec: Floats
    axis_known: bool
    object: SkyObject | None


@dataclass(frozen=True, eq=False)
class Wedge:
    """Good time during which the attitude was nearly constant.

    Parameters
    ----------
    ring : int
        Number of the off-axis ring.
    off_axis : tuple of float
        Bounds of the ring in arcmin.
    azimuth : tuple of float
        Bounds of the sector in degrees.
    gti : Gti
        The good time that belongs to it.
    attitude : Attitude
        Mean attitude, weighted by time.
    axis_ra, axis_dec : float
        Mean direction of the telescope's axis in degrees.
    mean_off_axis, mean_azimuth : float
        Off-axis angle (arcmin) and azimuth (degrees) of the mean attitude.
    """

    ring: int
    off_axis: tuple[float, float]
    azimuth: tuple[float, float]
    gti: Gti
    attitude: Attitude
    axis_ra: float
    axis_dec: float
    mean_off_axis: float
    mean_azimuth: float


@dataclass(frozen=True, eq=False)
class _Intervals:
    """Stretches of good time within one wedge: bounds, the sample each opens with, how many it has."""

    start: Floats
    stop: Floats
    first: Integers
    samples: Integers


def read_ehk(path: Path) -> AttitudeHistory:
    """The attitude in an extended-housekeeping file.

    Raises
    ------
    Permanent
        When the file cannot be read, lacks TIME, RA, DEC or ROLL, or holds no usable row.
    """
    (table,) = read_hdus(path, ["EHK"])
    time, ra, dec, roll = (column(table, name, path).astype(float) for name in ("TIME", "RA", "DEC", "ROLL"))
    axis = _axis_columns(table)
    axis_ra, axis_dec = (column(table, name, path).astype(float) for name in axis) if axis else (ra, dec)
    usable = np.isfinite(np.array([time, ra, dec, roll, axis_ra, axis_dec])).all(axis=0)
    if not usable.any():
        raise Permanent(f"{path.name} holds no attitude")
    order = np.flatnonzero(usable)[np.argsort(time[usable], kind="stable")]
    return AttitudeHistory(
        time[order], ra[order], dec[order], roll[order], axis_ra[order], axis_dec[order],
        axis_known=bool(axis), object=_object(table.header),
    )  # fmt: skip


def wedges(
    history: AttitudeHistory, gti: Gti, origin: SkyObject, delta_arcmin: float, numphi: int
) -> list[Wedge]:
    """Divide good time by attitude.

    Intervals open with a good-time interval or where the wedge changes and end at the sample of the next
    change or with the good time; one without a sample takes the next sample. Within an interval the mean is
    that of its samples; intervals are weighted by their lengths.

    Parameters
    ----------
    history : AttitudeHistory
        The attitude.
    gti : Gti
        The good time; its total is that of the wedges.
    origin : SkyObject
        What off-axis angles are measured from.
    delta_arcmin : float
        Width of a ring in arcmin.
    numphi : int
        Sectors in ring i are numphi·i; ring 0 is a disc, and 0 makes no sectors.

    Raises
    ------
    Permanent
        When good time lies outside the attitude's samples.
    """
    _check_covered(history, gti)
    angle, direction = off_axis(history.axis_ra, history.axis_dec, history.roll, origin)
    ring = (angle / delta_arcmin).astype(np.intp)
    sectors = np.maximum(ring * numphi, 1)
    sector = np.minimum((direction / 360 * sectors).astype(np.intp), sectors - 1)
    # One number for both: rows of two are far slower to sort.
    most = int(sectors.max())
    found, number = np.unique(ring * most + sector, return_inverse=True)
    places = np.column_stack(np.divmod(found, most))
    intervals = _intervals(history.time, gti, number)
    means = _interval_means(history, intervals, origin)
    return [
        _wedge(places[place], mine, intervals, means, origin, delta_arcmin, numphi)
        for place in range(len(places))
        if (mine := number[intervals.first] == place).any()
    ]


def off_axis(ra: ArrayLike, dec: ArrayLike, roll: ArrayLike, origin: SkyObject) -> tuple[Floats, Floats]:
    """Distance from the object (arcmin) and direction towards it (0–360°) as seen by the telescope.

    The direction is 0 where one of its two components vanishes, as in the tool.

    Parameters
    ----------
    ra, dec, roll : array_like, shape (n,)
        Attitudes in degrees.
    origin : SkyObject
        The object.

    Returns
    -------
    distance, direction : ndarray, shape (n,)
        In arcmin and in degrees.
    """
    a, d, r = np.radians(ra), np.radians(dec), np.radians(roll)
    a0, d0 = np.radians(origin.ra), np.radians(origin.dec)
    haversine = np.sin((d - d0) / 2) ** 2 + np.cos(d) * np.cos(d0) * np.sin((a - a0) / 2) ** 2
    distance = np.degrees(2 * np.arcsin(np.sqrt(haversine))) * 60
    east, north = (_turn(origin.ra, ra) * np.cos(d0), np.degrees(d0 - d))
    up, right = east * np.sin(r) + north * np.cos(r), east * np.cos(r) - north * np.sin(r)
    direction = np.where((up == 0) | (right == 0), 0.0, np.degrees(np.arctan2(up, right)) % 360)
    return distance, direction


def _wedge(
    place: Integers,
    mine: NDArray[np.bool_],
    intervals: _Intervals,
    means: Floats,
    origin: SkyObject,
    delta_arcmin: float,
    numphi: int,
) -> Wedge:
    """One wedge of the intervals that are `mine`; `means` as `_interval_means` gives them."""
    ring, sector = map(int, place)
    width = 360 / max(ring * numphi, 1)
    start, stop = intervals.start[mine], intervals.stop[mine]
    ra, dec, roll, axis_ra, axis_dec = map(float, np.average(means[:, mine], axis=1, weights=stop - start))
    angle, direction = off_axis(axis_ra, axis_dec, roll, origin)
    return Wedge(
        ring=ring,
        off_axis=(ring * delta_arcmin, (ring + 1) * delta_arcmin),
        azimuth=(sector * width, (sector + 1) * width),
        gti=Gti(start, stop),
        attitude=Attitude(ra % 360, dec, roll % 360),
        axis_ra=axis_ra % 360,
        axis_dec=axis_dec,
        mean_off_axis=float(angle),
        mean_azimuth=float(direction),
    )


def _intervals(time: Floats, gti: Gti, number: Integers) -> _Intervals:
    """Cut the good time where the wedge's number changes from one sample to the next."""
    first = np.minimum(np.searchsorted(time, gti.start, side="left"), time.size - 1)
    last = np.maximum(np.searchsorted(time, gti.stop, side="right"), first + 1)
    count = last - first
    owner = np.repeat(np.arange(count.size), count)
    rows = np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count) + first[owner]
    new_owner = np.diff(owner, prepend=-1) != 0
    opens = np.flatnonzero(new_owner | (np.diff(number[rows], prepend=-1) != 0))
    start = np.where(new_owner[opens], gti.start[owner[opens]], time[rows[opens]])
    followed = np.append(~new_owner[opens][1:], False)
    stop = np.where(followed, np.append(start[1:], 0.0), gti.stop[owner[opens]])
    samples = np.diff(np.append(opens, rows.size))
    real = stop > start
    return _Intervals(start[real], stop[real], rows[opens][real], samples[real])


def _interval_means(history: AttitudeHistory, intervals: _Intervals, origin: SkyObject) -> Floats:
    """RA, DEC, ROLL, axis RA, axis DEC: unweighted means over each interval's samples, shape (5, n)."""
    roll = history.roll[0]
    zeros = np.array([origin.ra, 0.0, roll, origin.ra, 0.0])
    # Angles are counted from a value nearby, so that a mean across 0° = 360° is right.
    samples = np.array([
        _turn(history.ra, origin.ra), history.dec, _turn(history.roll, roll),
        _turn(history.axis_ra, origin.ra), history.axis_dec,
    ])  # fmt: skip
    sums = np.concatenate((np.zeros((5, 1)), np.cumsum(samples, axis=1)), axis=1)
    total = sums[:, intervals.first + intervals.samples] - sums[:, intervals.first]
    return np.asarray(zeros[:, None] + total / intervals.samples)


def _turn(angle: ArrayLike, zero: ArrayLike) -> Floats:
    """How far an angle lies from another, −180 to 180 degrees."""
    return np.asarray((np.asarray(angle, float) - np.asarray(zero, float) + 180) % 360 - 180)


def _check_covered(history: AttitudeHistory, gti: Gti) -> None:
    if not gti.start.size:
        return
    step = float(np.median(np.diff(history.time))) if history.time.size > 1 else 0.0
    reach = max(_REACH_S, 2 * step)
    before, after = history.time[0] - gti.start[0], gti.stop[-1] - history.time[-1]
    if max(before, after) > reach:
        raise Permanent(
            f"the attitude does not cover the good time: samples from {history.time[0]:.1f} to "
            f"{history.time[-1]:.1f} s, good time from {gti.start[0]:.1f} to {gti.stop[-1]:.1f} s"
        )


def _axis_columns(table: Any) -> tuple[str, str] | None:
    names = {str(name).upper() for name in table.columns.names}
    for prefix in _PREFIXES:
        if {f"{prefix}RA_PNT", f"{prefix}DEC_PNT"} <= names:
            return f"{prefix}RA_PNT", f"{prefix}DEC_PNT"
    return None


def _object(header: Any) -> SkyObject | None:
    ra, dec = header.get("RA_OBJ"), header.get("DEC_OBJ")
    return None if ra is None or dec is None else SkyObject(float(ra), float(dec))
