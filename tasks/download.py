"""Tasks that bring files here."""

import asyncio
from typing import Any

from prefect import task

from tasks.artifacts import progress
from tasks.core.identifiers import ObsID
from tasks.engines.choice import Chosen, choose
from tasks.engines.fetching import Fetched, fetch
from tasks.library.claim import Claim, claim
from tasks.library.manifest import Step
from tasks.library.recipe import Recipe
from tasks.library.site import this_site
from tasks.policies import RETRIED
from tasks.report.words import size_words
from tasks.steps import during, unless_skipped
from tasks.tagging import task_tags


@task(name="fetch", task_run_name="fetch {obsid}", **RETRIED)
async def fetch_files(obsid: ObsID, recipe: Recipe) -> Any:
    """Have verified copies of the files that an observation's datasets need."""
    chosen = await asyncio.to_thread(choose, recipe)
    async with claim(this_site(), obsid) as held:
        held.tries += 1
        with during(Step.DOWNLOAD), task_tags(obsid=obsid):
            return await unless_skipped(_fetch(obsid, chosen, held))


async def _fetch(obsid: ObsID, chosen: Chosen, held: Claim) -> Fetched:
    async with progress(f"download-{obsid}", _bytes) as tell:
        return await fetch(
            held.site,
            obsid,
            pipeline=chosen.reprocesses,
            rmf=chosen.takes_rmf,
            on_listing=held.note_listing,
            on_progress=tell,
        )


def _bytes(done: int, total: int) -> str:
    return f"{size_words(done)} of {size_words(total)}"
