"""Discovery: which observations there are."""

from prefect import flow

from tasks.archive.catalogue.interface import Observation, Query
from tasks.discovery import find
from tasks.library.site import this_site


@flow(name="discovery")
async def discovery(query: Query = Query()) -> tuple[Observation, ...]:
    """Ask the catalogue which observations match; nothing is downloaded.

    Parameters
    ----------
    query : Query
        The whole archive, or a target, a position, ObsIDs or dates.
    """
    return await find(this_site().settings.catalogue, query)
