"""Download: the files that an observation's datasets need."""

from collections.abc import Awaitable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.core.identifiers import ObsID
from tasks.download import fetch_files
from tasks.library.recipe import Recipe
from tasks.steps import relay
from tasks.tagging import stage_tags, tag_error


@flow(name="download", flow_run_name="download {obsid}", on_failure=[tag_error])
async def download(obsid: ObsID, recipe: Recipe = Recipe()) -> Any:
    """Have verified copies of an observation's files here; what is complete is not fetched again.

    Parameters
    ----------
    obsid : ObsID
        Nine digits, such as 000128000.
    recipe : Recipe
        What is to be made; here the engine of processing counts, as xtdpipeline reads more files.
    """
    async with stage_tags(obsid=obsid):
        # Prefect's overloads do not know that an asynchronous task's state is awaited.
        state: Awaitable[State[Any]] = fetch_files(obsid, recipe, return_state=True)  # type: ignore[assignment]
        return await relay(await state)
