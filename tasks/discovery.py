"""Tasks that ask the catalogue."""

import asyncio

from prefect import task

from tasks.archive.catalogue.interface import Observation, Query
from tasks.archive.catalogue.opening import open_catalogue
from tasks.policies import RETRIED


@task(name="find", **RETRIED)
async def find(catalogue: str, query: Query) -> tuple[Observation, ...]:
    """Ask the catalogue for observations."""
    return await asyncio.to_thread(open_catalogue(catalogue).find, query)
