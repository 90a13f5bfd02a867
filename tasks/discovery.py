"""Tasks that ask the catalogue."""

import asyncio

from prefect import task
from prefect.utilities.annotations import quote

from tasks.archive.catalogue.interface import Query
from tasks.archive.catalogue.opening import open_catalogue
from tasks.policies import RETRIED


@task(name="find", **RETRIED)
async def find(catalogue: str, query: Query) -> quote:
    """Ask the catalogue for observations; `unwrap()` gives them."""
    return quote(await asyncio.to_thread(open_catalogue(catalogue).find, query))
