"""The table of traps: what figures measured on a dataset tell against its products.

Limits follow the Xtend in-orbit papers (arXiv:2503.20180, 2511.19967), the XRISM ABC guide and the Proposers'
Observatory Guide; where these give none, the limit says what it rests on.
"""

import re
from collections.abc import Callable
from typing import Final

from tasks.xtend.cautions import Caution, caution, notice, severe
from tasks.xtend.data_class import DEAD_S
from tasks.xtend.geometry import CCD_SIZE, PIXEL_ARCMIN
from tasks.xtend.measured import Measured

PILE_UP_LIMITS: Final = {
    ("full", False): 7.8,
    ("1/8", False): 66.2,
    ("1/8", True): 447.9,
    ("full", True): 447.9,
}
"""Window and burst → ct/s of a point source at which a tenth of its photons pile up (arXiv:2511.19967).

For the full window with burst none is published; its frames are as long as those of the 1/8 window with
burst, and only that counts.
"""
PILE_UP_BEGINS: Final = 0.3
"""Part of the limit from which pile-up is worth a word."""
LIVE_TOLERANCE: Final = 0.1
"""Relative difference that the live fraction may have from that of the mode."""
WANDER_ARCSEC: Final = 10.0
"""The PSF's core; in flight the attitude keeps within some arcsec."""
FEW_COUNTS: Final = 100
"""Net counts below which a spectrum fixes little more than a flux."""
NEIGHBOURS: Final = 0.01
"""Share of the target's counts that may come from other sources without a word."""
SMALL_RADIUS_ARCMIN: Final = 1.0
"""Half of the flux lies within 0.7′, and the rest depends on how well the wings are known."""
ORBIT_S: Final = 5760.0
"""Gaps within an orbit are the Earth's and the SAA's."""
LONG_GAP: Final = 0.1
"""Part of the whole span that a gap must be to matter."""
EXTENT: Final = 1.5
"""Light outside of the core relative to the PSF's, from which a target is extended; the PSF's own shape, with
energy and position, is uncertain by some tens of per cent."""
SIGMA: Final = 3.0
OUTLIER_SHARE: Final = 0.01
"""Part of all events in flickering pixels from which they matter in images of the field."""
TRAIL: Final = (0.3, 1.0)
"""Brightness of the read-out trail in units of the background: worth a word, and as bright."""
TRAIL_COUNTS: Final = 10
"""Fewer smeared photons are no trail, however dark it is around."""
OWN_TRAIL: Final = 0.05
"""Share of read-out events in the source's own region from which its flux is wrong."""
CCD_ARCMIN: Final = CCD_SIZE * PIXEL_ARCMIN
HALF_POWER_ARCMIN: Final = 1.4
"""Diameter that holds half of a point source's photons: the width of its trail."""
USUAL_BACKGROUND: Final = 2.3e-4
"""ct/s/arcmin² of the particle background, 0.3 ct/s on the whole detector; where none was measured."""


def live_fraction(found: Measured) -> Caution | None:
    """Good time that is not that of the read-out mode."""
    if found.mode is None or found.live_fraction is None:
        return None
    expected = found.mode.live_fraction
    if abs(found.live_fraction - expected) <= LIVE_TOLERANCE * expected:
        return None
    return severe(
        "live-fraction",
        f"{_percent(found.live_fraction)} of the time that the good time spans is live, and this mode "
        f"({found.mode}) exposes {_percent(expected)}: the exposure is wrong, so there are no fluxes and no "
        "responses. Have the events reprocessed with the mode's own good time (heasoft.calc_modegti).",
    )


def pile_up(found: Measured) -> Caution | None:
    """A source too bright for the length of the frames."""
    limit = _pile_up_limit(found)
    if limit is None or found.rate is None or found.rate < PILE_UP_BEGINS * limit:
        return None
    said = (
        f"The source region gives {found.rate:.3g} ct/s of live time; in this mode ({found.mode}) a tenth of "
        f"a point source's photons pile up at {limit:g} ct/s"
    )
    if found.rate < limit:
        return notice("pile-up", f"{said}. Compare with the spectrum of an annulus without the core.")
    return severe("pile-up", f"{said}: spectrum and flux are wrong. Take an annulus without the core.")


def out_of_time(found: Measured) -> Caution | None:
    """Photons that come during the read-out, smeared over the source's columns along DETX."""
    mode, radius = found.mode, found.source_radius_arcmin
    if mode is None or radius is None or found.rate is None:
        return None
    share = DEAD_S / mode.frame_s
    strip = CCD_ARCMIN / mode.frames_per_cycle
    own = share * min(2 * radius, strip) / CCD_ARCMIN
    if own >= OWN_TRAIL and found.rate > 0:
        return caution(
            "out-of-time",
            f"Photons that came during the read-out add {_percent(own)} to the counts of the source "
            f"region in this mode ({mode}), and no exposure accounts for them: fluxes are too high by that.",
        )
    smeared = found.rate * share
    trail = smeared / (CCD_ARCMIN * HALF_POWER_ARCMIN) / (found.background_brightness or USUAL_BACKGROUND)
    few = smeared * (found.exposure_s or 0) < TRAIL_COUNTS
    if few or trail < TRAIL[0] or strip <= 2 * radius:
        return None
    return (caution if trail >= TRAIL[1] else notice)(
        "out-of-time",
        f"The read-out smears {smeared:.2g} ct/s of the source over its columns; the trail along DETX is "
        f"{trail:.2g} times as bright as the background. Take no background and look for no source in it.",
    )


def stale_calibration(found: Measured) -> Caution | None:
    """Events calibrated with an old CALDB, or with one that is not known."""
    if found.events_caldb is None:
        return None
    if not found.events_caldb.strip():
        return caution("stale-calibration", "The events do not say with which CALDB they were calibrated.")
    theirs, ours = _day(found.events_caldb), _day(found.caldb or "")
    if not found.adopted or theirs is None or ours is None or theirs >= ours:
        return None
    return caution(
        "stale-calibration",
        f"The archive's events were calibrated with the CALDB {found.events_caldb}, and here is "
        f"{found.caldb}: have them reprocessed by the HEASoft engine.",
    )


def attitude_spread(found: Measured) -> Caution | None:
    """A pointing that wandered."""
    if found.wander_arcsec is None or found.wander_arcsec <= WANDER_ARCSEC:
        return None
    return caution(
        "attitude-spread",
        f"The pointing went {found.wander_arcsec:.0f}″ from its mean within the good time: events lie where "
        "they should, but edges and bad pixels moved over the sky. Make the exposure map with smaller rings "
        "(exposure.delta_arcmin), and look at light curves near edges with care.",
    )


def time_gaps(found: Measured) -> Caution | None:
    """Long gaps in the good time."""
    if not found.span_s or found.longest_gap_s is None:
        return None
    share = found.longest_gap_s / found.span_s
    if found.longest_gap_s <= ORBIT_S or share <= LONG_GAP:
        return None
    return notice(
        "time-gaps",
        f"The good time has a gap of {found.longest_gap_s / 1000:.1f} ks, {_percent(share)} of the time from "
        "its first second to its last: products are means over times far apart; look at the light curve.",
    )


def flickering_pixels(found: Measured) -> Caution | None:
    """Single DET pixels with far too many events."""
    if not found.outlier_pixels or not found.outlier_events:
        return None
    share = found.outlier_events / found.events if found.events else 0.0
    many = f"{found.outlier_pixels} DET pixel{'s hold' if found.outlier_pixels > 1 else ' holds'}"
    return (caution if share >= OUTLIER_SHARE else notice)(
        "flickering-pixels",
        f"{many} far more events than the pixels around: {found.outlier_events} events, "
        f"{_percent(share)} of all. Look at the image in DET pixels before a point is taken for a source; "
        "the HEASoft engine can take them out (heasoft.flickering).",
    )


def small_region(found: Measured) -> Caution | None:
    """A source circle that holds little of the PSF."""
    radius = found.source_radius_arcmin
    if radius is None or radius >= SMALL_RADIUS_ARCMIN:
        return None
    return caution(
        "small-region",
        f"The source circle's radius is {radius:.2g}′, and only half of the photons of a point lie within "
        f"{HALF_POWER_ARCMIN / 2:.1f}′: fluxes depend on how well the ARF knows the PSF's wings.",
    )


def neighbour(found: Measured) -> Caution | None:
    """Other sources whose wings reach into the source circle."""
    if found.neighbours is None or found.neighbours < NEIGHBOURS:
        return None
    return caution(
        "neighbour",
        f"The wings of other sources put {_percent(found.neighbours)} of the target's counts into the source "
        "circle, and no background takes them away: take a smaller circle, or a region of your own.",
    )


def too_few_counts(found: Measured) -> Caution | None:
    """A source spectrum with few counts."""
    if found.net_counts is None or found.net_counts >= FEW_COUNTS:
        return None
    return caution(
        "too-few-counts",
        f"The source spectrum holds {found.net_counts:.0f} net counts of {found.source_counts}: that fixes "
        "little more than a flux or an upper limit. Fit few parameters, with cstat or wstat.",
    )


def extended_target(found: Measured) -> Caution | None:
    """A target wider than the PSF; its class alone counts where the profile does not speak against it.

    Photons that pile up are missing in the core, so that the profile of a bright source tells nothing.
    """
    whys = ["the catalogue's class is one of extended objects"] if found.extended_category else []
    limit = _pile_up_limit(found)
    piled_up = limit is not None and found.rate is not None and found.rate >= limit
    if found.extent is not None and found.extent_error is not None and not piled_up:
        room = SIGMA * found.extent_error
        if found.extent + room < EXTENT:
            return None
        if found.extent >= EXTENT and found.extent - room > 1:
            said = f"{found.extent:.1f} ± {found.extent_error:.1f}"
            whys.append(f"around its core it has {said} times the light of a point")
    if not whys:
        return None
    return severe(
        "extended-target",
        f"The target is extended ({'; '.join(whys)}): a POINT ARF and fluxes made with it are invalid, and a "
        "local background holds light of the source. Choose responses.source_type, and take the background "
        "elsewhere.",
    )


TRAPS: Final[dict[str, Callable[[Measured], Caution | None]]] = {
    "live-fraction": live_fraction,
    "extended-target": extended_target,
    "pile-up": pile_up,
    "out-of-time": out_of_time,
    "stale-calibration": stale_calibration,
    "attitude-spread": attitude_spread,
    "time-gaps": time_gaps,
    "flickering-pixels": flickering_pixels,
    "small-region": small_region,
    "neighbour": neighbour,
    "too-few-counts": too_few_counts,
}
"""Id of a caution → how it is decided."""


def judged(found: Measured) -> tuple[Caution, ...]:
    """The cautions that the figures of a dataset ask for, in the order of the table."""
    return tuple(told for judge in TRAPS.values() if (told := judge(found)) is not None)


def _pile_up_limit(found: Measured) -> float | None:
    return PILE_UP_LIMITS.get((found.mode.window, found.mode.burst)) if found.mode else None


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.1 else f"{100 * share:.0f}%"


def _day(version: str) -> str | None:
    """The day (YYYYMMDD) of a CALDB's version: Xtend's where it has several."""
    days = re.findall(r"xtd(20\d{6})", version) or re.findall(r"(?<!\d)20\d{6}(?![\da-f])", version)
    return max(days, default=None)
