"""Products: everything that is made of one dataset's cleaned events."""

from prefect import flow

from tasks.core.identifiers import DataClass, ObsID
from tasks.engines.datasets import downloaded_dataset
from tasks.library.claim import claim
from tasks.library.recipe import Recipe
from tasks.library.site import this_site
from tasks.products import derived, exposure, extraction, fit, regions, responses
from tasks.steps import do, relay
from tasks.tagging import stage_tags, tag_error
from tasks.xtend.cautions import Caution


@flow(name="products", flow_run_name="products {obsid} {dataclass}", on_failure=[tag_error])
async def products(
    obsid: ObsID, dataclass: DataClass, recipe: Recipe = Recipe(), cautions: tuple[Caution, ...] = ()
) -> None:
    """Make exposure maps, regions, images, light curves, spectra, what derives from them, responses and fits.

    Parameters
    ----------
    obsid, dataclass : ObsID, DataClass
        The dataset; it must have been processed.
    recipe : Recipe
        What is to be made.
    cautions : tuple of Caution
        What discovery noticed, for the manifest.
    """
    async with claim(this_site(), obsid) as held, stage_tags(obsid=obsid, dataclass=dataclass):
        dataset = downloaded_dataset(held.site, obsid, dataclass, recipe, cautions)
        for step in (exposure, regions, extraction, derived, responses, fit):
            await relay(await do(step, dataset))
