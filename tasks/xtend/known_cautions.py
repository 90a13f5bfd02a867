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
    "arf-photons-uncounted": KnownCaution("the ray-traced photons of the ARF were not counted", XTEND),
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
    "flickering-source": KnownCaution("a source may have been cut out as flickering pixels", XTEND),
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


_ADVICE: Final = {
    "adopted-events": "Where the newest calibration matters, have them reprocessed by the HEASoft engine.",
    "arf-axis-offset": "With a HEASoft without this fault the next sweep makes it again.",
    "arf-heasoft-old": "Upgrade HEASoft: the next sweep makes the ARF again.",
    "arf-photons-uncounted": "Where the ARF is not smooth, raise numphoton in the recipe.",
    "axis-from-spacecraft": "Take areas far off the axis as uncertain by as much.",
    "background-poor": "Look at it in the image, and give a region of your own (source.region_folder).",
    "calibration-circles-assumed": "Compare them with the image.",
    "calibration-circles-differ": "Look at the image, and keep regions of your own clear of these sources.",
    "calibration-circles-far": "Look in the image whether the circles lie on the calibration sources.",
    "catalogue-disagrees": "The archive's files count; nothing is to be done about it here.",
    "channel-offset": "Have spectrum and response made by the same release, if you can.",
    "class-disagrees": "Compare window and CCDs with the image.",
    "class-unstated": "Compare window and CCDs with the image.",
    "correction-file": "Unset it in the spectrum, or correct for it yourself.",
    "cstat-promoted": "Nothing is to be done about it; fit without the background where cstat is meant.",
    "dead-time": "Divide rates by this fraction before they are compared with fluxes.",
    "exposure-differs": "Find out which of them holds before fluxes are used.",
    "fit-not-converged": "Give start values or bounds in the recipe, or a simpler model.",
    "good-time": "Look at the light curve and at the good time in the events.",
    "low-energy": "Use it to look at, not for detection, rates or fits.",
    "no-bad-pixels": "Have the observation reprocessed by the HEASoft engine, which makes one.",
    "no-effective-area": "Give an ARF in the recipe (responses.arf), or have one made by the HEASoft engine.",
    "no-exposure-map": "Do not compare rates across the field without one.",
    "out-of-time": "Keep the columns of bright sources in mind wherever regions are chosen.",
    "poor-fit": "Try another model, and look at the residuals.",
    "quick-look": "Have an RMF made by the HEASoft engine before a result is published.",
    "range-open": "Bound or freeze the parameter, or quote a limit.",
    "rmf-other-class": "Have an RMF of this data class made by the HEASoft engine.",
    "small-region": "Take a larger circle where neighbours allow it.",
    "stale-calibration": "Compare with events calibrated anew before a result is published.",
    "timepixr-missing": "Where that matters, add half a frame to all times.",
    "unknown-class": "Compare exposure, window and CCDs with the image before any of it is trusted.",
    "window-edge": "Take a smaller circle, or do not take variations for the source's own.",
}
"""Id → what to do about it, for cautions whose own sentences tell only what there is."""


def advice_of(identifier: str) -> str:
    """What to do about a caution; empty where its own sentence says so."""
    return _ADVICE.get(identifier, "")
