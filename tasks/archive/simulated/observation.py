"""One simulated observation: all its files, in the layout of the archive."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.archive.simulated import keywords, response
from tasks.archive.simulated.auxiliary import write_auxiliary
from tasks.archive.simulated.detector import MODES, Mode, detector, off_axis_factor
from tasks.archive.simulated.event_files import write_events
from tasks.archive.simulated.events import (
    BLOCK_EVENTS,
    Draft,
    blocks,
    components,
    draft,
    flagged,
    target_det,
)
from tasks.archive.simulated.fits_files import gzipped, table, write
from tasks.archive.simulated.instrument_files import write_bad_pixels, write_housekeeping, write_timing
from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.timeline import CYCLE, Frames, Intervals, each_frame, frames, good_cycles, merged
from tasks.archive.simulated.truth import SOURCE_RADIUS_ARCMIN, truth_of
from tasks.core.identifiers import DataClass
from tasks.xtend.geometry import PIXEL_ARCMIN

_LEAST_SOURCE_SHARE: Final = 0.01
_UNFILTERED_SAMPLE: Final = 1000
_BAD_GRADES: Final = (1, 5, 7)
_SLEW_CYCLES: Final = 15
_UNFILTERED_STREAM, _SLEW_STREAM = 2, 3


@dataclass(frozen=True)
class Dataset:
    """Good time of one data class, and the frames of each of its files."""

    mode: Mode
    frames: Frames
    good_time: Intervals
    files: tuple[slice, ...]


def good_time_seconds(observation: Observation) -> dict[DataClass, float]:
    """Exposure of each data class in seconds."""
    good = _good(observation)
    return {name: _dataset(observation, name, good).good_time.total for name in observation.classes}


def make_observation(
    root: Path, observation: Observation, *, seed: int, events: float | None, block_events: int = BLOCK_EVENTS
) -> dict[str, Any]:
    """Write `{root}/{N}/{obsid}/…` and the ARFs of its target under `{root}/responses/`.

    Parameters
    ----------
    root : Path
        The archive.
    observation : Observation
        What to make; its `presence` and `fault` are not looked at here, but for `no-good-time`.
    seed : int
        Of the random numbers; the same seed gives the same bytes.
    events : float or None
        Events per dataset that the rates are scaled to; None leaves the rates as they are.
    block_events : int
        Events in memory at once. Totals do not depend on it.

    Returns
    -------
    dict
        What is true of each data class, by its name: see `truth_of`.
    """
    folder = root / observation.obsid[0] / observation.obsid
    good = _good(observation)
    datasets = [_dataset(observation, name, good) for name in observation.classes]
    scale = 1.0 if events is None else _scale(observation, datasets, seed, events)
    write_auxiliary(folder / "auxil", observation, good, seed)
    write_timing(folder / "xtend/event_uf", observation)
    write_housekeeping(folder / "xtend/hk", observation)
    for data in datasets:
        name = data.mode.dataclass
        write_bad_pixels(folder / "xtend/event_uf", observation, name, seed)
        plan = draft(observation, name, data.frames, data.good_time.total, scale, seed)
        _write_cleaned(folder, data, plan, scale, block_events)
        _write_unfiltered(folder, data, plan, good, block_events)
        _write_arf(root / "responses", observation, name, seed)
    _write_others(folder, observation)
    return {
        str(data.mode.dataclass): truth_of(
            observation, data.mode.dataclass, data.good_time.total, scale, seed
        )
        for data in datasets
    }


def _good(observation: Observation) -> NDArray[np.bool_]:
    good = good_cycles(observation.start, observation.span)
    return np.zeros_like(good) if observation.fault == "no-good-time" else good


def _dataset(observation: Observation, name: DataClass, good: NDArray[np.bool_]) -> Dataset:
    mode = MODES[name]
    exposures = frames(observation.start, good, mode)
    # Files meet at the start of a cycle, so that their intervals never touch.
    cuts = [
        int(np.searchsorted(exposures.cycle, len(good) * part / observation.parts))
        for part in range(observation.parts)
    ]
    files = tuple(slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(exposures)], strict=True))
    intervals = [_intervals(observation, exposures[part]) for part in files]
    whole = Intervals(*(np.concatenate([getattr(i, end) for i in intervals]) for end in ("start", "stop")))
    return Dataset(mode, exposures, whole, files)


def _intervals(observation: Observation, exposures: Frames) -> Intervals:
    return each_frame(exposures) if observation.frame_gtis else merged(exposures)


def _scale(observation: Observation, datasets: list[Dataset], seed: int, events: float) -> float:
    """Factor on all rates that gives `events` per dataset on average."""
    expected = sum(
        part.rate * data.good_time.total
        for data in datasets
        for part in components(observation, data.mode.dataclass, seed)
    )
    return events * observation.events_share * len(datasets) / expected if expected else 0.0


def _write_cleaned(folder: Path, data: Dataset, plan: Draft, scale: float, block_events: int) -> None:
    observation = plan.observation
    common = keywords.of_observation(observation) | keywords.of_mode(data.mode)
    history = [f"{part.label}: {part.rate * scale:.5g} cleaned counts/s" for part in plan.components]
    for number, part in enumerate(data.files):
        write_events(
            folder / f"xtend/event_cl/xa{observation.obsid}xtd_p{number}{data.mode.dataclass}_cl.evt.gz",
            common,
            blocks(plan, part, block_events),
            _intervals(observation, data.frames[part]),
            observation.nominal,
            history,
        )


def _write_unfiltered(
    folder: Path, data: Dataset, plan: Draft, good: NDArray[np.bool_], block_events: int
) -> None:
    """Unfiltered and slew lists: a sample of clean events with flagged, bad-grade and bad-time ones."""
    observation = plan.observation
    common = keywords.of_observation(observation) | keywords.of_mode(data.mode)
    stem = folder / f"xtend/event_uf/xa{observation.obsid}xtd"
    all_frames = frames(observation.start, np.ones_like(good), data.mode)
    history = ["A small sample, not all events of the telemetry"]
    for number in range(observation.parts):
        share = all_frames[_share(number, observation.parts, len(all_frames))]
        rows = _unfiltered(plan, data.files[number], share, data.mode, number, block_events)
        path = stem.with_name(f"{stem.name}_p{number}{data.mode.dataclass}_uf.evt.gz")
        write_events(path, common, [rows], merged(share), observation.nominal, history)
    on_the_way = frames(observation.start - _SLEW_CYCLES * CYCLE, np.ones(_SLEW_CYCLES, bool), data.mode)
    chip = detector(data.mode, plan.seed)
    rng = np.random.default_rng([plan.seed, int(observation.obsid), _SLEW_STREAM])
    rows = flagged(rng, on_the_way.middle, chip, observation.pa)
    path = stem.with_name(f"{stem.name}_s0{data.mode.dataclass}_uf.evt.gz")
    write_events(
        path, common | {"OBS_MODE": "SLEW"}, [rows], merged(on_the_way), observation.nominal, history
    )


def _share(number: int, parts: int, size: int) -> slice:
    return slice(size * number // parts, size * (number + 1) // parts)


def _unfiltered(
    plan: Draft, part: slice, share: Frames, mode: Mode, number: int, block_events: int
) -> NDArray[Any]:
    """Clean events of a file's first frames and as many bad ones, in time order."""
    observation = plan.observation
    rng = np.random.default_rng([plan.seed, int(observation.obsid), _UNFILTERED_STREAM, number])
    # The same block size as for the cleaned list, or other events would be drawn.
    first = next(blocks(plan, part, block_events))[:_UNFILTERED_SAMPLE]
    time = rng.choice(share.middle, _UNFILTERED_SAMPLE // 2)
    bad = flagged(rng, time, detector(mode, plan.seed), observation.pa)
    graded = first[: len(first) // 4].copy()
    graded["GRADE"] = rng.choice(_BAD_GRADES, len(graded))
    rows = np.concatenate([first, bad, graded])
    return rows[np.argsort(rows["TIME"], kind="stable")]


def _write_arf(folder: Path, observation: Observation, name: DataClass, seed: int) -> None:
    """The ARF of a circle around the target, unless the target lies off the class."""
    det = target_det(observation)
    share = detector(MODES[name], seed).share(det, SOURCE_RADIUS_ARCMIN / PIXEL_ARCMIN)
    if share < _LEAST_SOURCE_SHARE:
        return
    write(
        folder / f"xa{observation.obsid}xtd_{name}_src.arf.gz",
        response.arf_hdus(off_axis_factor(det) * share),
        keywords.of_observation(observation) | keywords.of_mode(MODES[name]),
        [
            f"A point, circle of {SOURCE_RADIUS_ARCMIN} arcmin at it, usable pixels only: this holds",
            f"{share:.4f} of the point-spread function; vignetting {off_axis_factor(det):.4f}",
        ],
    )


def _write_others(folder: Path, observation: Observation) -> None:
    """The archive's RMF, and a little of what xtendflow never needs."""
    common = keywords.of_observation(observation) | keywords.of_mode(MODES[observation.classes[0]])
    write(folder / f"xtend/products/xa{observation.obsid}xtd_src.rmf.gz", response.rmf_hdus(), common)
    rows = {"TIME": ("1D", "s", observation.start + np.arange(0, observation.span, 600.0))}
    resolve = keywords.of_observation(observation) | {"INSTRUME": "RESOLVE", "DETNAM": "PIXEL"}
    write(
        folder / f"resolve/event_cl/xa{observation.obsid}rsl_p0px1000_cl.evt.gz",
        [fits.PrimaryHDU(), table("EVENTS", rows)],
        resolve,
    )
    with gzipped(folder / f"log/xa{observation.obsid}_runprocess.log.gz") as log:
        log.write(f"SIMULATION: no pipeline ran for {observation.obsid} ({observation.name})\n".encode())
