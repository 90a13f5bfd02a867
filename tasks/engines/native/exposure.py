"""Exposure maps: how long live detector pixels saw each SKY pixel. No vignetting, no dead time."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.attitude import AttitudeHistory, SkyObject, read_ehk, wedges
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.exposure_hdus import MadeMap, common_keywords, map_hdus
from tasks.engines.native.flickering import live_shares, read_pixels
from tasks.engines.native.headers import write_product
from tasks.engines.native.keywords import nominal_of
from tasks.engines.native.pointing import wander_arcsec
from tasks.engines.native.projection import coverage
from tasks.library.call import Report
from tasks.xtend.cautions import Caution, notice
from tasks.xtend.geometry import SKY_SIZE


def make(
    ehk: str,
    events: list[str],
    bad_pixels: str,
    maps: dict[str, str],
    delta_arcmin: float,
    numphi: int,
    mask_calibration: bool,
    recipe: str,
    flickering: str | None = None,
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
    mask_calibration : bool
        Whether the calibration sources count as not exposed.
    recipe : str
        The recipe's hash.
    flickering : str, optional
        List of flickering pixels: while they flicker they count as not exposed.

    Returns
    -------
    Report
        Facts: `exposure` (s), `maximum` (s, of the unbinned map), `live_area_pixels`, `wedges`,
        `wander_arcsec` (of the pointing, from its mean).

    Raises
    ------
    Permanent
        When a file cannot be read, no pixel is live, or the attitude does not cover the good time
        or points elsewhere.
    NoData
        When there is no good time.
    """
    live = _live(Path(bad_pixels), mask_calibration)
    pixels = read_pixels(Path(flickering)) if flickering else None
    observed, history, made = _measured(Path(ehk), events, live, delta_arcmin, numphi, pixels)
    flags = (
        "flag 0; calibration sources masked" if mask_calibration else "flags 0, 1; calibration sources kept"
    )
    said = [
        f"exposure map: attitude of {ehk}, good time of {', '.join(events)} "
        f"({observed.gti.start.size} intervals, {made.exposure:.3f} s)",
        f"live pixels of {bad_pixels}: {flags}",
        *([f"not exposed while they flicker: pixels of {flickering}"] if flickering else []),
        f"delta {delta_arcmin:g} arcmin, numphi {numphi}: {len(made.wedges)} wedges; no vignetting",
    ]
    keywords = common_keywords(observed, made)
    for binning, name in maps.items():
        write_product(Path(name), map_hdus(made, int(binning), keywords), observed.keywords, said, recipe)
    return Report(
        facts={
            "exposure": made.exposure,
            "maximum": float(made.seconds.max()),
            "live_area_pixels": int(made.live.sum()),
            "wedges": len(made.wedges),
            "wander_arcsec": wander_arcsec(history, observed.gti),
        },
        cautions=_cautions(history, Path(ehk).name),
    )


def _live(bad_pixels: Path, mask_calibration: bool) -> NDArray[np.bool_]:
    live = live_mask(read_bad_pixels(bad_pixels), mask_calibration=mask_calibration)
    if not live.any():
        raise Permanent(f"{bad_pixels.name} leaves no live pixel")
    return live


def _measured(
    ehk: Path,
    events: list[str],
    live: NDArray[np.bool_],
    delta_arcmin: float,
    numphi: int,
    flickering: NDArray[Any] | None,
) -> tuple[EventList, AttitudeHistory, MadeMap]:
    """Read everything and make the unbinned map."""
    observed = read_events([Path(name) for name in events], ())
    if not observed.gti.total > 0:
        raise NoData(f"no good time in {', '.join(events)}")
    history = read_ehk(ehk)
    made = exposure_map(history, observed, live, delta_arcmin, numphi, flickering)
    if not made.seconds.any():
        raise Permanent(f"the attitude of {ehk.name} points away from the sky that the events lie on")
    return observed, history, made


def exposure_map(
    history: AttitudeHistory,
    events: EventList,
    live: NDArray[np.bool_],
    delta_arcmin: float,
    numphi: int,
    flickering: NDArray[Any] | None = None,
) -> MadeMap:
    """Seconds in each SKY pixel: Σ over wedges of their time × the covered fraction of the pixel.

    A DET pixel that flickers covers by the part of a wedge's time in which it does not.

    Parameters
    ----------
    history : AttitudeHistory
        The attitude.
    events : EventList
        Its good time and aspect; no column is needed.
    live : ndarray of bool, shape (1810, 1810)
        The DET pixels that collect exposure.
    delta_arcmin, numphi : float, int
        As `wedges` takes them.
    flickering : structured ndarray, shape (n,), optional
        As `read_pixels` gives them.

    Raises
    ------
    Permanent
        When the events do not give their aspect, the attitude does not cover the good time, or a pixel that
        flickers lies off the detector.
    """
    nominal = nominal_of(events.keywords, events.name)
    origin = history.object or SkyObject(
        float(events.keywords.get("RA_OBJ", nominal.ra)), float(events.keywords.get("DEC_OBJ", nominal.dec))
    )
    parts = wedges(history, events.gti, origin, delta_arcmin, numphi)
    seconds = np.zeros((SKY_SIZE, SKY_SIZE))
    for wedge in parts:
        shares = live_shares(live, flickering, wedge.gti)
        seconds += wedge.gti.total * coverage(shares, wedge.attitude, nominal)
    return MadeMap(seconds, parts, live, nominal, flickering)


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
