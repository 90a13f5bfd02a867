"""Tasks that calibrate and screen."""

from collections.abc import Sequence
from pathlib import Path

from prefect import task

from tasks.core.identifiers import ObsID
from tasks.engines.heasoft.reprocessing import reprocess
from tasks.library.claim import claim
from tasks.library.dataset import Dataset
from tasks.library.manifest import Step
from tasks.library.site import this_site
from tasks.policies import RETRIED
from tasks.steps import during, step_task
from tasks.tagging import task_tags

process = step_task(Step.PROCESSING)


@task(name="pipeline", task_run_name="pipeline {obsid}", **RETRIED)
async def pipeline(obsid: ObsID, datasets: Sequence[Dataset], folder: Path) -> None:
    """Run HEASoft's pipeline for an observation; its datasets take their share from `folder`."""
    async with claim(this_site(), obsid) as held:
        held.tries += 1
        with during(Step.PROCESSING), task_tags(obsid=obsid, engine="heasoft"):
            await reprocess(held.site, datasets, folder)
