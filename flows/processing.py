"""Processing: cleaned events of every dataset of an observation."""

import asyncio
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.core.identifiers import ObsID
from tasks.engines.datasets import downloaded_datasets
from tasks.engines.heasoft.reprocessing import reprocessed
from tasks.library.claim import claim
from tasks.library.publication import tidy
from tasks.library.recipe import Recipe
from tasks.library.site import this_site
from tasks.processing import pipeline, process
from tasks.steps import do, together
from tasks.tagging import stage_tags, tag_error
from tasks.xtend.cautions import Caution


@flow(name="processing", flow_run_name="processing {obsid}", on_failure=[tag_error])
async def processing(
    obsid: ObsID, recipe: Recipe = Recipe(), cautions: tuple[Caution, ...] = ()
) -> list[State[Any]]:
    """Calibrate and screen what was downloaded, for each data class; HEASoft's pipeline runs once for all.

    Parameters
    ----------
    obsid : ObsID
        Nine digits; its files must have been downloaded.
    recipe : Recipe
        What is to be made; here its engine counts.
    cautions : tuple of Caution
        What discovery noticed, for the manifests.
    """
    async with claim(this_site(), obsid) as held, stage_tags(obsid=obsid):
        datasets = downloaded_datasets(held.site, obsid, recipe, cautions)
        for dataset in datasets:
            await asyncio.to_thread(tidy, held.site.store, obsid, dataset.dataclass, held.confirm)
        async with reprocessed(held.site, datasets, partial(pipeline, obsid)):
            return await together(*(do(process, dataset) for dataset in datasets))
