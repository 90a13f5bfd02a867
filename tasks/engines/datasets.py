"""Datasets as the steps need them, from what the last download brought."""

from tasks.core.errors import BadInput
from tasks.core.identifiers import DataClass, ObsID
from tasks.engines.choice import choose
from tasks.engines.fetching import fetched
from tasks.library.dataset import Dataset
from tasks.library.recipe import Recipe
from tasks.library.site import Site
from tasks.xtend.cautions import Caution


def downloaded_datasets(
    site: Site, obsid: ObsID, recipe: Recipe, cautions: tuple[Caution, ...] = ()
) -> tuple[Dataset, ...]:
    """Every dataset of an observation that has been downloaded.

    Raises
    ------
    SoftwareFault
        When it has not been.
    EnvironmentFault
        When the recipe asks for an engine or versions that are not here.
    """
    chosen = choose(recipe)
    return tuple(
        Dataset(
            obsid=obsid,
            dataclass=dataclass,
            recipe=chosen.recipe,
            inputs=inputs,
            engines=chosen.uses,
            cautions=cautions,
        )
        for dataclass, inputs in sorted(fetched(site, obsid).items())
    )


def downloaded_dataset(
    site: Site, obsid: ObsID, dataclass: DataClass, recipe: Recipe, cautions: tuple[Caution, ...] = ()
) -> Dataset:
    """One dataset of an observation that has been downloaded.

    Raises
    ------
    BadInput
        When the observation has no such data class.
    """
    for dataset in downloaded_datasets(site, obsid, recipe, cautions):
        if dataset.dataclass == dataclass:
            return dataset
    raise BadInput(f"{obsid} has no data class {dataclass}")
