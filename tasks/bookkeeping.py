"""Tasks that show what was done, unless another process speaks for the observation by now."""

import asyncio
from collections.abc import Awaitable, Callable
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

    async def show(held: Claim) -> None:
        await make_dataset_page(held, dataclass, target, standing)
        await show_dataset(held.site, obsid, dataclass, target, standing)

    return await _while_held(show, obsid, dataclass=dataclass)


@task(name="combination", task_run_name="combination {obsid}", **RETRIED)
async def combination(obsid: ObsID, standing: Standing, dataclasses: list[DataClass]) -> Any:
    """Sum the images of an observation's data classes; keep the last lines of its log if it failed."""
    return await _while_held(lambda held: complete_observation(held, standing, dataclasses), obsid)


async def _while_held(
    work: Callable[[Claim], Awaitable[None]], obsid: ObsID, **tags: str
) -> State[Any] | None:
    """Show something, and end as skipped should another process have the observation by now."""
    async with claim(this_site(), obsid) as held:
        with task_tags(obsid=obsid, **tags):
            try:
                await asyncio.to_thread(held.confirm)
                await work(held)
            except LeaseLost as exc:
                return Completed(name=SKIPPED, message=str(exc))
    return None
