"""Reprocessing of an observation: the pipeline runs once, and its datasets take their share."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tasks.core.errors import EnvironmentFault, SoftwareFault
from tasks.engines.heasoft import xtdpipeline
from tasks.engines.runner import CallResult, run_call
from tasks.engines.step import progress
from tasks.engines.workplace import workplace
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Step
from tasks.library.pipeline_files import PipelineFiles, place_of
from tasks.library.site import Site

Run = Callable[[Sequence[Dataset], Path], Awaitable[None]]

ENGINE: Final = "heasoft"
_RECORD: Final = "reprocessing.json"


@asynccontextmanager
async def reprocessed(site: Site, datasets: Sequence[Dataset], run: Run | None = None) -> AsyncIterator[None]:
    """Inside, the processing steps of an observation's datasets find what they need of the pipeline.

    It does not run for datasets that are processed natively, nor when all of them are processed already.
    What it made is gone afterwards.

    Parameters
    ----------
    site : Site
        Where to work.
    datasets : sequence of Dataset
        All datasets of one observation.
    run : callable, optional
        Runs the pipeline in place of `reprocess`, with the datasets that it is run for and the folder.

    Raises
    ------
    Outcome
        Why the observation could not be reprocessed.
    """
    due = [dataset for dataset in datasets if dataset.engine_of(Step.PROCESSING).name == ENGINE]
    if not await asyncio.to_thread(_any_waits, due, site):
        yield
        return
    folder = folder_of(site.scratch, due[0])
    try:
        await (run(due, folder) if run else reprocess(site, due, folder))
        yield
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def reprocess(site: Site, datasets: Sequence[Dataset], folder: Path) -> None:
    """Run the pipeline for an observation and keep what datasets need, and a record of the run.

    Parameters
    ----------
    site : Site
        Where to work.
    datasets : sequence of Dataset
        Its datasets.
    folder : Path
        Where to keep it: complete or not at all. When it is there the pipeline does not run again.

    Raises
    ------
    Outcome
        Why the observation could not be reprocessed.
    """
    if folder.exists():
        return
    first = datasets[0]
    call = xtdpipeline.call(
        first.obsid,
        PipelineFiles.among(first.obsid, (file.name for file in first.inputs.inputs)),
        [dataset.dataclass for dataset in datasets],
        first.recipe.heasoft,
        site.downloads / first.obsid,
    )
    with workplace(site, f"{first.obsid}-reprocessing") as directory:
        result = await run_call(call, directory / "0", site.log(first.obsid), cores=site.cores)
        await asyncio.to_thread(_keep, directory, result, first, folder)


def folder_of(scratch: Path, dataset: Dataset) -> Path:
    """Where the pipeline's outputs wait for an observation's datasets: a folder for each way to make them."""
    recipe, use = dataset.recipe.heasoft, dataset.engine_of(Step.PROCESSING)
    inputs = sorted(
        (file.name, file.sha256)
        for file in dataset.inputs.inputs
        if place_of(dataset.obsid, file.name) is not None
    )
    key = fingerprint(use.name, use.versions, inputs, recipe.seed, recipe.calc_modegti)
    return scratch / f"{dataset.obsid}-reprocessed-{key[:12]}"


def record_in(folder: Path) -> dict[str, Any]:
    """What was noted of the run that filled a folder.

    Returns
    -------
    dict
        `tool`, `parameters`, `versions`, `seconds`, `memory` and `disk` in bytes, `files`; `defaults` where
        the tool took some.

    Raises
    ------
    SoftwareFault
        When the observation has not been reprocessed.
    """
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise SoftwareFault(
            f"{folder.name} is not there: the observation has to be reprocessed first"
        ) from exc
    return record


def _any_waits(datasets: Sequence[Dataset], site: Site) -> bool:
    """Whether a dataset is not processed yet, or not as it should be."""
    return any(not progress(Step.PROCESSING, dataset, site).complete for dataset in datasets)


def _keep(directory: Path, result: CallResult, dataset: Dataset, folder: Path) -> None:
    """Move the outputs of a run in `directory` to `folder`, all at once, with a record of the run."""
    aside = directory / "kept"
    files = xtdpipeline.outputs_in(directory / "0")
    record = {
        **result.report.facts,
        "tool": result.call.parameters["tool"],
        "parameters": result.call.parameters["parameters"],
        "versions": dataset.engine_of(Step.PROCESSING).versions,
        "seconds": round(result.seconds, 3),
        "memory": result.memory,
        "disk": result.disk,
        "files": [path.name for path in files],
    }
    try:
        aside.mkdir()
        for path in files:
            path.rename(aside / path.name)
        (aside / _RECORD).write_text(json.dumps(record), encoding="utf-8")
        aside.rename(folder)
    except OSError as exc:
        raise EnvironmentFault(f"what xtdpipeline made cannot be kept in {folder}: {exc.strerror}") from exc
