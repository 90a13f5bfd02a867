"""Tasks that show what was done, unless another process speaks for the observation by now."""

import asyncio
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.core.errors import LeaseLost
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.library.claim import Claim, claim
from tasks.library.site import this_site
from tasks.policies import RETRIED
from tasks.reporting import complete_observation, make_dataset_page
from tasks.showing import show_dataset
from tasks.steps import SKIPPED
from tasks.tagging import task_tags


@task(name="page", task_run_name="page {obsid} {dataclass}", **RETRIED)
async def page(obsid: ObsID, dataclass: DataClass, target: str, standing: Standing) -> Any:
    """Make the page of a dataset."""
    async with claim(this_site(), obsid) as held:
        if lost := await _lost(held):
            return lost
        with task_tags(obsid=obsid, dataclass=dataclass):
            await make_dataset_page(held.site, obsid, dataclass, target, standing)
            await show_dataset(held.site, obsid, dataclass, target, standing)
    return None


@task(name="combination", task_run_name="combination {obsid}", **RETRIED)
async def combination(obsid: ObsID, standing: Standing, dataclasses: list[DataClass]) -> Any:
    """Sum the images of an observation's data classes; keep the last lines of its log if it failed."""
    async with claim(this_site(), obsid) as held:
        if lost := await _lost(held):
            return lost
        with task_tags(obsid=obsid):
            await complete_observation(held, standing, dataclasses)
    return None


async def _lost(held: Claim) -> State[Any] | None:
    """How a task ends whose process does not hold the observation any more; None while it does."""
    try:
        await asyncio.to_thread(held.confirm)
    except LeaseLost as exc:
        return Completed(name=SKIPPED, message=str(exc))
    return None
