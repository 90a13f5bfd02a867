"""The chain as a sweep does it, in this process, with its own orders, plans, functions and publication."""

import asyncio
import contextlib
import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from scenes import MODEL

from tasks.archive.simulated import response
from tasks.archive.simulated.detector import MODES, detector, off_axis_factor
from tasks.archive.simulated.events import target_det
from tasks.archive.simulated.fits_files import write
from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.optics import psf_density
from tasks.archive.simulated.programme import Observation
from tasks.core.settings import Settings
from tasks.engines import fetching, step
from tasks.engines.check import check_outputs
from tasks.engines.datasets import downloaded_datasets
from tasks.engines.fetching import fetch
from tasks.engines.runner import CallResult
from tasks.library.call import Call, Report
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.library.recipe import Recipe
from tasks.library.site import Site, open_site
from tasks.xtend.geometry import DetPixels, det_to_sky
from tasks.xtend.regions import read_region

DETECTOR_SEED = 20261121
"""Of the bad pixels, which are the same for every seed of a scene."""
BAND = "0.6-10"
TIME_BIN = 1000.0
RECIPE: dict[str, Any] = {
    "name": "coverage",
    "engine": "native",
    "images": {"bands": (BAND,), "binnings": (4,)},
    "exposure": {"binnings": (4,)},
    "light_curves": {"bands": (BAND,), "time_bin": TIME_BIN, "exposure_threshold": 0.3},
    "spectra": {"grouping": ("opt",)},
    "fit": {"model": MODEL, "grouping": "opt"},
}
_BEFORE = (Step.PROCESSING, Step.EXPOSURE, Step.REGIONS, Step.EXTRACTION)
_AFTER = (Step.RESPONSES, Step.DERIVED, Step.FIT)


@dataclass(frozen=True)
class Analysed:
    """A dataset that went through the chain.

    Parameters
    ----------
    observation : Observation
        As simulated.
    truth : dict
        What is true of it: see `tasks.archive.simulated.truth`.
    manifest : Manifest
        What the chain published.
    share : float
        Share of the target's photons, taken as those of a point, that the source region holds.
    arf : Path or None
        The ARF of that region; None without one.
    store : Path
        The dataset's folder.
    """

    observation: Observation
    truth: dict[str, Any]
    manifest: Manifest
    share: float
    arf: Path | None
    store: Path

    def path(self, product: Product) -> Path:
        """Where a product lies."""
        return self.store / product.path

    def one(self, kind: Kind, role: Role, **entry: Any) -> Path | None:
        """Where the one product of a kind lies; None where it was not made."""
        found = self.manifest.find(kind, role, **entry)
        return self.path(found[0]) if found else None


def analyse(observation: Observation, folder: Path) -> Analysed:
    """Simulate an observation of one data class and do everything that a sweep does with it."""
    (name,) = observation.classes
    truth = make_observation(folder / "archive", observation, seed=DETECTOR_SEED, events=None)[name]
    site = open_site(Settings(data=folder / "data", archive=str(folder / "archive"), cores=1))
    with patch.object(step, "run_call", run_here), patch.object(fetching, "run_call", run_here):
        asyncio.run(fetch(site, observation.obsid, rmf=True))
        dataset = _dataset(site, observation, Recipe.model_validate(RECIPE))
        manifest = _make(_BEFORE, dataset, site)
        store = folder / "data/store" / dataset.key
        regions = manifest.find(Kind.REGION, Role.SOURCE, frame="skypix")
        share, arf = 0.0, None
        if regions:
            share = share_in(store / regions[0].path, observation)
            arf = folder / "known.arf.gz"
            write(arf, response.arf_hdus(share * off_axis_factor(target_det(observation))), _INSTRUMENT)
        with_arf = {**RECIPE, "responses": {"arf": str(arf)}} if arf else RECIPE
        dataset = _dataset(site, observation, Recipe.model_validate(with_arf))
        manifest = _make(_AFTER, dataset, site)
    return Analysed(observation, truth, manifest, share, arf, store)


def share_in(region: Path, observation: Observation) -> float:
    """Share of a point target's photons that usable pixels in a region file (sky pixels) see."""
    (name,) = observation.classes
    y, x = np.nonzero(detector(MODES[name], DETECTOR_SEED).usable)
    pixels = DetPixels((x + 1).astype(float), (y + 1).astype(float))
    sky = det_to_sky(pixels, observation.nominal.pa)
    inside = read_region(region).contains(sky.x, sky.y, None)
    at = target_det(observation)
    return float(psf_density(np.hypot(pixels.x - at[0], pixels.y - at[1])[inside]).sum())


async def run_here(call: Call, directory: Path, log: Path, **_: Any) -> CallResult:
    """Do a call as a child process would, but for being one."""
    directory.mkdir(parents=True)
    for name, path in call.inputs.items():
        (directory / name).symlink_to(path)
    # What it prints of its progress is for the runner.
    with contextlib.chdir(directory), contextlib.redirect_stdout(io.StringIO()):
        module, _sep, function = call.function.partition(":")
        answer = getattr(importlib.import_module(module), function)(**call.parameters)
    report = Report.model_validate(answer or {})
    check_outputs(call, report, directory)
    return CallResult(call, report, 0.0)


def _dataset(site: Site, observation: Observation, recipe: Recipe) -> Dataset:
    (dataset,) = downloaded_datasets(site, observation.obsid, recipe)
    return dataset


def _make(which: tuple[Step, ...], dataset: Dataset, site: Site) -> Manifest:
    confirm: Callable[[], None] = lambda: None  # noqa: E731

    async def all_steps() -> list[Manifest]:
        return [await step.make(one, dataset, site, confirm) for one in which]

    return asyncio.run(all_steps())[-1]


_INSTRUMENT = {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "FILTER": "NONE"}
