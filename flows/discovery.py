"""Discovery: which observations there are."""

from prefect import flow
from prefect.utilities.annotations import quote

from tasks.archive.catalogue.interface import Query
from tasks.discovery import find
from tasks.library.site import this_site


@flow(name="discovery")
async def discovery(query: Query = Query()) -> quote:
    """Ask the catalogue which observations match; nothing is downloaded.

    Parameters
    ----------
    query : Query
        The whole archive, or a target, a position, ObsIDs or dates.

    Returns
    -------
    quote
        Its `unwrap()` gives the tuple of observations; Prefect would look into each of ten thousand.
    """
    return await find(this_site().settings.catalogue, query)
