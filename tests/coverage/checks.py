"""What the chain found against what is true."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from chain import BAND, Analysed
from numpy.typing import NDArray
from scenes import Scene
from scipy.stats import chi2

from tasks.archive.simulated.detector import MODES
from tasks.archive.simulated.optics import psf_density
from tasks.archive.simulated.sources import light_curve
from tasks.archive.simulated.timeline import Frames, frames, good_cycles
from tasks.core.identifiers import Band
from tasks.library.manifest import Kind, Role, Step
from tasks.xtend.channels import channels

Floats = NDArray[np.float64]

LEVEL = 0.95
_HALF_WIDTH = 1.959964
"""Standard deviations on each side of an interval that holds 95 % of a normal distribution."""
_OF_90 = 1.644854
"""The same for 90 %, which the ranges of fits are made for."""
_CELL_PIXELS = 10.0


@dataclass(frozen=True)
class Measured:
    """A quantity of one simulated dataset.

    Parameters
    ----------
    quantity : str
        Its name.
    inside : bool
        Whether the truth lies in the 95 % interval around what was found, or a promise is kept.
    pull : float or None
        What was found less the truth, in standard deviations; None where that has no meaning.
    promise : bool
        Whether it has to hold every time, not in 95 % of the cases.
    """

    quantity: str
    inside: bool
    pull: float | None = None
    promise: bool = False


def measure(scene: Scene, found: Analysed) -> Iterator[Measured]:
    """Everything that is to be compared in a scene."""
    ids = {caution.id for caution in found.manifest.cautions}
    for identifier in scene.cautions:
        yield Measured(f"caution {identifier}", identifier in ids, promise=True)
    fit = found.one(Kind.FIT, Role.SOURCE)
    if scene.judged == "nothing":
        yield Measured("no fit", fit is None, promise=True)
        return
    yield Measured("a fit", fit is not None, promise=True)
    yield from _position(found)
    yield from _rate_told(found)
    if scene.judged == "everything":
        yield from _rate(found)
        yield from _curve(found)
        if fit is not None:
            yield from _parameters(json.loads(fit.read_text()), found.truth["sources"][0]["parameters"])


def _position(found: Analysed) -> Iterator[Measured]:
    """The source that the chain found nearest to the target; both axes together, two degrees of freedom."""
    target = found.truth["sources"][0]
    nominal = found.observation.nominal
    true = nominal.sky(target["ra"], target["dec"])
    peaks = [
        nominal.sky(source["ra"], source["dec"])
        for source in found.manifest.steps[Step.REGIONS].facts["field_sources"]
    ]
    offsets = [(float(peak.x - true.x), float(peak.y - true.y)) for peak in peaks]
    dx, dy = min(offsets, key=lambda offset: np.hypot(*offset), default=(np.inf, np.inf))
    error = centroid_error(target["rate"] * found.truth["exposure"])
    inside = dx**2 + dy**2 < error**2 * chi2.ppf(LEVEL, 2)
    yield Measured("position", bool(inside), (dx + dy) / np.sqrt(2) / error)


def centroid_error(counts: float) -> float:
    """Standard error in pixels of each axis of the centroid within 18″ of a point source.

    The circle moves with the centroid, which is where the counts in it have their middle: the error is that
    of a mean, over how much this middle moves when the source does.
    """
    axis = np.arange(-2 * _CELL_PIXELS, 2 * _CELL_PIXELS + 0.25, 0.25)
    x, y = np.meshgrid(axis, axis)
    inside = np.hypot(x, y) <= _CELL_PIXELS
    here, moved = (psf_density(np.hypot(x - by, y))[inside] for by in (0.0, 0.1))
    spread = np.sqrt((here * x[inside] ** 2).sum() / here.sum())
    slope = (moved * x[inside]).sum() / moved.sum() / 0.1
    return float(spread / np.sqrt(counts * here.sum() * 0.25**2) / slope)


def _rate_told(found: Analysed) -> Iterator[Measured]:
    """Net counts/s that the chain tells of the source circle, wings of other sources taken away."""
    source = found.one(Kind.SPECTRUM, Role.SOURCE)
    if source is None:
        yield Measured("net rate told", False)
        return
    told = found.manifest.steps[Step.REGIONS].facts["detection"]["net_rate"]
    counts, seconds, _ = _counted(source)
    pull = (told - true_rate(found)) * seconds / np.sqrt(counts)
    yield Measured("net rate told", bool(abs(pull) < _HALF_WIDTH), float(pull))


def _rate(found: Analysed) -> Iterator[Measured]:
    """Net counts/s of the spectra in the band, the background scaled by BACKSCAL."""
    source, background = (found.one(Kind.SPECTRUM, role) for role in (Role.SOURCE, Role.BACKGROUND))
    if source is None or background is None:
        yield Measured("net rate", False)
        return
    (own, seconds, area), (other, _, wide) = _counted(source), _counted(background)
    net, error = own - other * area / wide, np.sqrt(own + other * (area / wide) ** 2)
    pull = (net - true_rate(found) * seconds) / error
    yield Measured("net rate", bool(abs(pull) < _HALF_WIDTH), float(pull))


def _counted(path: Any) -> tuple[float, float, float]:
    """Counts in the band, exposure and BACKSCAL of a spectrum."""
    first, last = channels(Band.parse(BAND))
    with fits.open(path) as hdus:
        table = hdus["SPECTRUM"]
        counts = float(table.data["COUNTS"][first : last + 1].sum())
        return counts, float(table.header["EXPOSURE"]), float(table.header["BACKSCAL"])


def true_rate(found: Analysed) -> float:
    """Counts/s of the target in the band and the source region, mean over the good time."""
    return float(found.truth["sources"][0]["rate"]) * found.share


def _curve(found: Analysed) -> Iterator[Measured]:
    """The net light curve as a whole: chi-squared against the true one."""
    path = found.one(Kind.LIGHT_CURVE, Role.NET)
    if path is None:
        yield Measured("net light curve", False)
        return
    with fits.open(path) as hdus:
        table = hdus["RATE"]
        zero = sum(table.header.get(key, 0.0) for key in ("TIMEZERO", "TIMEZERI", "TIMEZERF"))
        width = float(table.header["TIMEDEL"])
        data = {name: np.asarray(table.data[name], float) for name in ("TIME", "RATE", "ERROR", "FRACEXP")}
    true = true_curve(found, data["TIME"] + zero, width, data["FRACEXP"])
    total = float((((data["RATE"] - true) / data["ERROR"]) ** 2).sum())
    low, high = chi2.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], true.size)
    yield Measured("net light curve", low < total < high, (total - true.size) / np.sqrt(2 * true.size))


def true_curve(found: Analysed, time: Floats, width: float, exposed: Floats) -> Floats:
    """Counts/s of the target in bins around these times, of which some part is exposed."""
    observation = found.observation
    taken: Frames = frames(
        observation.start, good_cycles(observation.start, observation.span), MODES[observation.classes[0]]
    )
    weight = (taken.stop - taken.start) * (
        light_curve(taken.middle, observation.start) if observation.target.variable else 1.0
    )
    counts = true_rate(found) * found.truth["exposure"] * weight / weight.sum()
    edges = np.concatenate([time - width / 2, [np.inf]])
    place = np.searchsorted(edges, taken.middle, side="right") - 1
    inside = (place >= 0) & (taken.middle < (time + width / 2)[np.maximum(place, 0)])
    return np.bincount(place[inside], counts[inside], minlength=time.size) / (exposed * width)


def _parameters(fit: dict[str, Any], truth: dict[str, float]) -> Iterator[Measured]:
    """Parameters of the fit: the 90 % ranges, made wider on each side to what a normal one has at 95 %."""
    yield Measured("fit converged", fit["converged"], promise=True)
    for name, true in truth.items():
        found = fit["parameters"][name]
        value, side = found["value"], "low" if found["value"] > true else "high"
        if found[side] is None:
            # The range does not end on the side of the truth.
            yield Measured(name, True)
            continue
        sigma = abs(found[side] - value) / _OF_90
        pull = (value - true) / sigma
        yield Measured(name, abs(pull) < _HALF_WIDTH, pull)
