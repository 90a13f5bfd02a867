"""Tasks that bring files here."""

import asyncio
from typing import Any

from prefect import task

from tasks.core.identifiers import ObsID
from tasks.engines.choice import choose
from tasks.engines.fetching import fetch
from tasks.library.claim import claim
from tasks.library.recipe import Recipe
from tasks.library.site import this_site
from tasks.policies import RETRIED
from tasks.steps import unless_skipped


@task(name="fetch", task_run_name="fetch {obsid}", **RETRIED)
async def fetch_files(obsid: ObsID, recipe: Recipe) -> Any:
    """Have verified copies of the files that an observation's datasets need."""
    chosen = await asyncio.to_thread(choose, recipe)
    async with claim(this_site(), obsid) as held:
        held.tries += 1
        return await unless_skipped(
            fetch(
                held.site,
                obsid,
                pipeline=chosen.reprocesses,
                rmf=chosen.takes_rmf,
                on_listing=held.note_listing,
            )
        )
