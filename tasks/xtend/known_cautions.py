"""Every caution of the project: what it means in a line, and where the public documentation speaks of it."""

from dataclasses import dataclass
from typing import Final

_XRISM: Final = "https://heasarc.gsfc.nasa.gov/docs/xrism"
_XSPEC: Final = "https://heasarc.gsfc.nasa.gov/xanadu/xspec/manual"
ABC_GUIDE: Final = f"{_XRISM}/analysis/abc_guide/XRISM_Data_Analysis.html"
FILES: Final = f"{_XRISM}/analysis/abc_guide/XRISM_Data_Specifics.html"
XTEND: Final = f"{_XRISM}/analysis/abc_guide/Xtend_Data_Analysis.html"
WATCH_OUT: Final = f"{_XRISM}/analysis/ttwof/index.html"
POG: Final = f"{_XRISM}/proposals/POG/Contents.html"
PILE_UP: Final = "https://arxiv.org/abs/2511.19967"
PERFORMANCE: Final = "https://arxiv.org/abs/2503.20180"
STATISTICS: Final = f"{_XSPEC}/XSappendixStatistics.html"


@dataclass(frozen=True)
class KnownCaution:
    """What a caution means, in a line, and the address of documentation on it."""

    meaning: str
    link: str


KNOWN_CAUTIONS: Final = {
    "adopted-events": KnownCaution("the archive's cleaned events were used as they are", ABC_GUIDE),
    "archive-mode-gti": KnownCaution("the good time of the read-out mode is the archive's", XTEND),
    "arf-axis-offset": KnownCaution("the ARF was made around a fault of HEASoft 6.36 (GEN-6)", WATCH_OUT),
    "arf-few-photons": KnownCaution("the ARF comes of few ray-traced photons", XTEND),
    "arf-heasoft-old": KnownCaution("the ARF was made with an old HEASoft", WATCH_OUT),
    "arf-point-source": KnownCaution("the ARF holds for a point source", XTEND),
    "attitude-spread": KnownCaution("the pointing wandered by more than the PSF's core", PERFORMANCE),
    "axis-from-spacecraft": KnownCaution("the pointing of Xtend's axis is not known", FILES),
    "background-poor": KnownCaution("the background is missing or doubtful", XTEND),
    "calibration-circles-assumed": KnownCaution("HEASoft's file of calibration sources was missing", XTEND),
    "calibration-circles-differ": KnownCaution("the bad-pixel image has other calibration sources", XTEND),
    "calibration-circles-far": KnownCaution("calibration sources lie where the aspect has none", XTEND),
    "catalogue-disagrees": KnownCaution("catalogue and archive name different data classes", FILES),
    "channel-offset": KnownCaution("spectrum and response number their channels differently", STATISTICS),
    "chi2-few-counts": KnownCaution("chi-squared with too few counts a group", STATISTICS),
    "class-disagrees": KnownCaution("the digits of the data class are not what the header says", FILES),
    "class-unstated": KnownCaution("the events do not say their data class", FILES),
    "correction-file": KnownCaution("a correction file was not used", STATISTICS),
    "cstat-promoted": KnownCaution("with a background W was used for Cash's statistic", STATISTICS),
    "dead-time": KnownCaution("light curves are not corrected for dead time", XTEND),
    "exposure-differs": KnownCaution("exposure and good time of a product differ", XTEND),
    "extended-category": KnownCaution("the catalogue's class of the target is extended", FILES),
    "extended-target": KnownCaution("the target is extended: a POINT ARF and its fluxes are wrong", XTEND),
    "fit-not-converged": KnownCaution("the fit did not converge", STATISTICS),
    "flickering-pixels": KnownCaution("single pixels hold far too many events", XTEND),
    "good-time": KnownCaution("the good-time intervals are odd", FILES),
    "live-fraction": KnownCaution("the good time is not that of the read-out mode", POG),
    "low-energy": KnownCaution("the band reaches to energies that are not trusted", PERFORMANCE),
    "neighbour": KnownCaution("light of other sources lies in the source region", POG),
    "no-bad-pixels": KnownCaution("there is no bad-pixel image", FILES),
    "no-effective-area": KnownCaution("there is no ARF, so no flux", STATISTICS),
    "no-exposure-map": KnownCaution("there is no exposure map", XTEND),
    "no-source-at-target": KnownCaution("there is no source at the target", XTEND),
    "out-of-time": KnownCaution("events of the read-out smear the source over its columns", POG),
    "pile-up": KnownCaution("the source is so bright that photons pile up", PILE_UP),
    "poor-fit": KnownCaution("the model does not describe the data", STATISTICS),
    "quick-look": KnownCaution("a file of the archive's products folder was used", WATCH_OUT),
    "range-open": KnownCaution("a range of a parameter has no end", STATISTICS),
    "reprocessed-events": KnownCaution("events were calibrated and screened anew", ABC_GUIDE),
    "rmf-other-class": KnownCaution("the RMF is that of another data class", XTEND),
    "small-region": KnownCaution("the source region is smaller than the PSF", POG),
    "source-cut": KnownCaution("part of the source region is not exposed", XTEND),
    "stale-calibration": KnownCaution("the events' calibration is old or not known", ABC_GUIDE),
    "target-on-other-class": KnownCaution("the target lies on the other data class", XTEND),
    "time-gaps": KnownCaution("the good time has long gaps", XTEND),
    "timepixr-missing": KnownCaution("where in a frame events lie in time is not known", FILES),
    "too-few-counts": KnownCaution("the source spectrum holds few counts", STATISTICS),
    "unknown-class": KnownCaution("the data class is not known", FILES),
    "window-edge": KnownCaution("the source region crosses the window's edge", POG),
    "wstat-sparse-background": KnownCaution("W with groups without background", STATISTICS),
}
"""Id → what it is."""


def link_of(identifier: str) -> str:
    """Where to read on about a caution; nowhere when it is not known."""
    known = KNOWN_CAUTIONS.get(identifier)
    return known.link if known else ""
