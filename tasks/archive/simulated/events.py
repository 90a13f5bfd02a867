"""Drawing events: how many each component gives in each frame, and then their columns, block by block.

Counts per frame are drawn first, so totals do not depend on the size of the blocks; a block holds whole
frames and has a random generator of its own, so memory is bounded whatever the number of events.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.archive.simulated import sources
from tasks.archive.simulated.detector import (
    CALIBRATION,
    CAUSE_BITS,
    MODES,
    Detector,
    act_of,
    ccd_of,
    detector,
    off_axis_factor,
)
from tasks.archive.simulated.optics import draw_beta_offsets, draw_offsets
from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.timeline import Frames
from tasks.core.identifiers import DataClass
from tasks.xtend.channels import CHANNEL_COUNT
from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    CCD_SIZE,
    DET_SIZE,
    DET_TO_FOC,
    PIXEL_ARCMIN,
    DetPixels,
    det_to_sky,
    sky_to_det,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Place = Callable[[np.random.Generator, int], Ints]

DTYPE: Final = np.dtype(
    [("TIME", ">f8"), ("CCD_ID", "u1"), ("SEGMENT", "u1"), ("READNODE", "u1")]
    + [(name, ">i2") for name in ("RAWX", "RAWY", "ACTX", "ACTY", "DETX", "DETY", "FOCX", "FOCY", "X", "Y")]
    + [("PHA", ">i4"), ("PI", ">i4"), ("GRADE", ">i2"), ("PROC_STATUS", "u1", 4), ("STATUS", "u1", 6)]
)
"""Columns of an event list as they lie in the file."""
GOOD_GRADES: Final = ((0, 0.70), (2, 0.08), (3, 0.08), (4, 0.09), (6, 0.05))
CALIBRATION_BIT, SEGMENT_BOUNDARY_BIT, ANY_BAD_BIT = 2, 13, 1
BLOCK_EVENTS: Final = 500_000
_CALIBRATION_RATE: Final = 0.2
_LEAST_SHARE: Final = 1e-3
_MOST_TRIES: Final = 2_000_000
_SHARE_DRAWS: Final = 1_000_000


@dataclass(frozen=True)
class Component:
    """One origin of events.

    Parameters
    ----------
    label : str
        For people.
    rate : float
        Cleaned events per second.
    cumulative : Floats
        Cumulative probability of the PI channels, shape (4096,).
    place : callable
        Draws flat indices of DET pixels.
    variable : bool
        Whether it follows `sources.light_curve`.
    """

    label: str
    rate: float
    cumulative: Floats
    place: Place
    variable: bool = False


@dataclass(frozen=True)
class Draft:
    """A dataset whose counts are drawn and whose events are not yet.

    Parameters
    ----------
    observation, dataclass, seed : Observation, DataClass, int
        Whose events.
    components : tuple of Component
        Where they come from.
    frames : Frames
        The good exposures.
    counts : Ints
        Events of each component in each frame, shape (components, frames).
    """

    observation: Observation
    dataclass: DataClass
    seed: int
    components: tuple[Component, ...]
    frames: Frames
    counts: Ints


def target_det(observation: Observation) -> tuple[float, float]:
    """DETX, DETY of the target."""
    nominal = observation.nominal
    det = sky_to_det(nominal.sky(observation.ra, observation.dec), nominal.pa)
    return float(det.x), float(det.y)


@lru_cache(maxsize=4)
def components(observation: Observation, dataclass: DataClass, seed: int) -> tuple[Component, ...]:
    """What gives events in a dataset, at the rates before scaling."""
    chip = detector(MODES[dataclass], seed)
    usable = np.flatnonzero(chip.usable)
    lit = chip.pixels(CALIBRATION)
    area = sum(np.pi * radius**2 for _, _, radius in CALIBRATION_CIRCLES)
    calibration = Component(
        "calibration sources",
        2 * _CALIBRATION_RATE * len(lit) / area,
        sources.calibration_channels().cumsum(),
        partial(_any_of, lit),
    )
    background = Component(
        "particle background",
        observation.background * len(usable) / (4 * CCD_SIZE**2),
        sources.background_channels().cumsum(),
        partial(_any_of, usable),
    )
    stars = [
        star
        for source in (observation.target, *observation.field)
        if (star := _star(source, source.det or target_det(observation), chip))
    ]
    return (*stars, background, calibration) if len(lit) else (*stars, background)


def draft(
    observation: Observation, dataclass: DataClass, frames: Frames, exposure: float, scale: float, seed: int
) -> Draft:
    """Draw how many events each component gives in each frame.

    Parameters
    ----------
    frames, exposure : Frames, float
        The good exposures, and good time in seconds as the header will say it.
    scale : float
        Factor on all rates.
    """
    parts = components(observation, dataclass, seed)
    rng = np.random.default_rng([seed, int(observation.obsid), int(dataclass, 16)])
    counts = np.zeros((len(parts), len(frames)), np.int64)
    length = frames.stop - frames.start
    for row, part in enumerate(parts if len(frames) else ()):
        weights = length * sources.light_curve(frames.middle, observation.start) if part.variable else length
        total = rng.poisson(part.rate * scale * exposure)
        counts[row] = rng.multinomial(total, weights / weights.sum())
    return Draft(observation, dataclass, seed, parts, frames, counts)


def blocks(plan: Draft, part: slice, block_events: int = BLOCK_EVENTS) -> Iterator[NDArray[Any]]:
    """The events of some frames in time order, in arrays of `DTYPE` of about `block_events` rows."""
    first, last, _ = part.indices(len(plan.frames))
    per_frame = plan.counts[:, first:last].sum(axis=0)
    number = (np.cumsum(per_frame) - per_frame) // block_events
    bounds = first + np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1, [last - first]])
    for low, high in pairwise(bounds):
        yield _block(plan, int(low), int(high))


def _block(plan: Draft, low: int, high: int) -> NDArray[Any]:
    rng = np.random.default_rng([plan.seed, int(plan.observation.obsid), int(plan.dataclass, 16), low, high])
    drawn = [
        _draw(rng, component, counts[low:high])
        for component, counts in zip(plan.components, plan.counts, strict=True)
    ]
    frame, pixel, channel = (np.concatenate(column) for column in zip(*drawn, strict=True))
    order = np.argsort(frame, kind="stable")
    time = plan.frames.middle[low:high][frame[order]]
    chip = detector(MODES[plan.dataclass], plan.seed)
    return columns(rng, time, pixel[order], channel[order], chip, plan.observation.nominal.pa)


def _draw(rng: np.random.Generator, component: Component, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Frame, DET pixel and PI channel of one component's events."""
    frame = np.repeat(np.arange(len(counts)), counts)
    channel = np.searchsorted(component.cumulative, rng.random(len(frame)), side="right")
    return frame, component.place(rng, len(frame)), np.minimum(channel, CHANNEL_COUNT - 1)


def columns(
    rng: np.random.Generator, time: Floats, pixel: Ints, channel: Ints, chip: Detector, pa: float
) -> NDArray[Any]:
    """All columns of events whose time, DET pixel (flat index) and PI channel are known."""
    rows = np.zeros(len(time), DTYPE)
    det = DetPixels((pixel % DET_SIZE + 1).astype(float), (pixel // DET_SIZE + 1).astype(float))
    act_x, act_y = act_of(det)
    # HEASoft spreads events over their pixel when it goes from DET to SKY.
    spread = rng.uniform(-0.5, 0.5, (2, len(time)))
    sky = det_to_sky(DetPixels(det.x + spread[0], det.y + spread[1]), pa)
    rows["TIME"], rows["PI"], rows["PHA"] = time, channel, np.rint(channel * 0.985)
    rows["CCD_ID"], rows["SEGMENT"] = ccd_of(det), act_x > CCD_SIZE // 2
    rows["ACTX"], rows["ACTY"] = act_x, act_y
    rows["RAWX"], rows["RAWY"] = (act_x - 1) % (CCD_SIZE // 2), act_y - 1
    rows["DETX"], rows["DETY"] = det.x, det.y
    rows["FOCX"], rows["FOCY"] = det.x + DET_TO_FOC, det.y + DET_TO_FOC
    rows["X"], rows["Y"] = np.rint(sky.x), np.rint(sky.y)
    grades, shares = zip(*GOOD_GRADES, strict=True)
    rows["GRADE"] = rng.choice(grades, size=len(time), p=shares)
    set_bit(rows, CALIBRATION_BIT, chip.flags.flat[pixel] == CALIBRATION)
    set_bit(rows, SEGMENT_BOUNDARY_BIT, np.isin(act_x, (CCD_SIZE // 2, CCD_SIZE // 2 + 1)))
    return rows


def flagged(rng: np.random.Generator, time: Floats, chip: Detector, pa: float) -> NDArray[Any]:
    """Events on bad pixels, with the STATUS bits that say why; one for each time."""
    bad = np.flatnonzero(chip.causes)
    pixel = bad[rng.integers(0, len(bad), len(time))]
    rows = columns(rng, time, pixel, rng.integers(50, 2000, len(time)), chip, pa)
    set_bit(rows, ANY_BAD_BIT, np.ones(len(time), bool))
    for cause, bit in CAUSE_BITS.items():
        set_bit(rows, bit, (chip.causes.flat[pixel] >> cause & 1).astype(bool))
    return rows


def set_bit(rows: NDArray[Any], bit: int, where: NDArray[np.bool_]) -> None:
    """Set a STATUS bit (1-based, the first is the highest of the first byte)."""
    rows["STATUS"][where, (bit - 1) // 8] |= np.uint8(0x80 >> (bit - 1) % 8)


def _star(source: sources.Source, det: tuple[float, float], chip: Detector) -> Component | None:
    core = source.core_arcmin / PIXEL_ARCMIN
    share = seen_share(chip.usable, det, core) if core else chip.share(det)
    if share < _LEAST_SHARE:
        return None
    return Component(
        f"{source.label} ({source.spectrum.name})",
        source.rate * off_axis_factor(det) * share,
        sources.source_channels(source.spectrum).cumsum(),
        partial(_around, det, core, share, chip.usable),
        source.variable,
    )


def seen_share(usable: NDArray[np.bool_], det: tuple[float, float], core: float) -> float:
    """Share of an extended source's photons that some pixels see, by a draw that is always the same.

    Parameters
    ----------
    usable : ndarray of bool, shape (1810, 1810)
        The pixels, [DETY − 1, DETX − 1].
    det : tuple of float
        DETX, DETY of the centre.
    core : float
        Core radius in pixels.
    """
    pixel = _pixels(det, core, np.random.default_rng(0), _SHARE_DRAWS)
    return float(usable.flat[pixel].sum() / _SHARE_DRAWS)


def _any_of(pixels: Ints, rng: np.random.Generator, count: int) -> Ints:
    return pixels[rng.integers(0, len(pixels), count)]


def _around(
    det: tuple[float, float],
    core: float,
    share: float,
    usable: NDArray[np.bool_],
    rng: np.random.Generator,
    count: int,
) -> Ints:
    """Pixels of photons of a source, drawn until `count` of them fell on usable ones."""
    found: list[Ints] = []
    missing = count
    while missing > 0:
        pixel = _pixels(det, core, rng, min(int(1.1 * missing / share) + 16, _MOST_TRIES))
        found.append(pixel[usable.flat[pixel]][:missing])
        missing -= len(found[-1])
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _pixels(det: tuple[float, float], core: float, rng: np.random.Generator, count: int) -> Ints:
    """Flat indices of the pixels that photons of a source hit; those that miss the detector are left out."""
    dx, dy = draw_offsets(rng, count)
    if core:
        wide_x, wide_y = draw_beta_offsets(rng, count, core)
        dx, dy = dx + wide_x, dy + wide_y
    x, y = np.rint(det[0] + dx), np.rint(det[1] + dy)
    inside = (x >= 1) & (x <= DET_SIZE) & (y >= 1) & (y <= DET_SIZE)
    return ((y[inside] - 1) * DET_SIZE + x[inside] - 1).astype(np.int64)
