"""Discovery: which observations there are."""

from prefect import flow
from prefect.runtime import flow_run
from prefect.utilities.annotations import quote

from tasks.archive.catalogue.interface import Query
from tasks.discovery import find
from tasks.library.site import this_site
from tasks.tagging import stage_tags, tag_error

_NAMED = 3
"""At most this many ObsIDs stand in the name of a run."""


def asked_for(query: Query) -> str:
    """A query in a few words, for the name of a run."""
    asked = query.model_dump(exclude_defaults=True, mode="json")
    if obsids := asked.get("obsids"):
        asked["obsids"] = " ".join(obsids) if len(obsids) <= _NAMED else len(obsids)
    return ", ".join(f"{name} {value}" for name, value in asked.items()) or "whole archive"


def _run_name() -> str:
    return f"discovery {asked_for(flow_run.parameters.get('query') or Query())}"


@flow(name="discovery", flow_run_name=_run_name, on_failure=[tag_error])
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
    async with stage_tags():
        return await find(this_site().settings.catalogue, query)
