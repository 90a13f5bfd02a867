"""One observation: download, processing, and products of each of its datasets."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.discovery import discovery
from flows.download import download
from flows.processing import processing
from flows.products import products
from tasks.archive.catalogue.crosscheck import cross_check
from tasks.archive.catalogue.interface import Observation, Query
from tasks.archive.selection import basis
from tasks.bookkeeping import combination, page
from tasks.core.errors import BadInput, LeaseLost, NoData
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.core.state import State as DatasetState
from tasks.engines.choice import choose, register
from tasks.library.claim import claim
from tasks.library.eviction import evict
from tasks.library.logbook import Attempting
from tasks.library.recipe import Recipe
from tasks.library.site import this_site
from tasks.showing import show_failure
from tasks.steps import SKIPPED, standing_of, together
from tasks.tagging import tag_error, tag_flow, tagged, untagged
from tasks.xtend.cautions import Caution

HELD_ELSEWHERE = "HeldElsewhere"

Standings = dict[DataClass, Standing]


def _run_name() -> str:
    entry = flow_run.parameters.get("entry")
    return " ".join(filter(None, (flow_run.parameters["obsid"], getattr(entry, "name", ""))))


@flow(name="observation", flow_run_name=_run_name, on_failure=[tag_error])
async def observation(
    obsid: ObsID, recipe: Recipe = Recipe(), entry: Observation | None = None, sweep: str | None = None
) -> Any:
    """Do everything for one observation; fails when any of its datasets does.

    Runs with the engine heasoft belong to the work queue of that name (`Chosen.queue`).

    Parameters
    ----------
    obsid : ObsID
        Nine digits, such as 000128000.
    recipe : Recipe
        What is to be made.
    entry : Observation, optional
        Its row in the catalogue; looked up when it is not given.
    sweep : str, optional
        The sweep that asks for it.
    """
    entry = entry or await _look_up(obsid)
    chosen = await asyncio.to_thread(choose, recipe)
    await asyncio.to_thread(register, this_site())
    await tag_flow(obsid=obsid, engine=chosen.name)
    try:
        async with (
            claim(this_site(), obsid) as held,
            Attempting(
                held,
                engine=chosen.name,
                versions=chosen.versions,
                basis=basis(entry, chosen.recipe, chosen.versions),
                sweep=sweep,
                flow_run_id=flow_run.id,
            ) as attempt,
        ):
            with tagged(obsid=obsid, engine=chosen.name):
                attempt.standing = await _everything(entry, chosen.recipe, attempt.datasets)
            if len(attempt.datasets) > 1 or attempt.standing.state == DatasetState.FAILED:
                with untagged():
                    await combination(obsid, attempt.standing, sorted(attempt.datasets))
    except LeaseLost as exc:
        return Completed(name=HELD_ELSEWHERE, message=str(exc))
    await asyncio.to_thread(evict, this_site())
    if attempt.standing.state == DatasetState.FAILED:
        await show_failure(this_site(), obsid, attempt.standing, attempt.datasets)
    return _as_state(attempt.standing)


async def _everything(entry: Observation, recipe: Recipe, standings: Standings) -> Standing:
    """Download, process, make products and pages; `standings` fills as datasets end."""
    downloaded = await download(entry.obsid, recipe, return_state=True)
    if (standing := await standing_of(downloaded)).state != DatasetState.DONE:
        return standing
    fetched: Any = await downloaded.aresult()
    names: list[DataClass] = sorted(fetched)
    cautions = cross_check(entry, names)
    processed = await processing(entry.obsid, recipe, cautions, return_state=True)
    states = await processed.aresult(raise_on_failure=False)
    if not isinstance(states, list):
        return await standing_of(processed)
    shown = await together(
        *(
            _dataset(entry, name, recipe, cautions, state, standings)
            for name, state in zip(names, states, strict=True)
        )
    )
    return overall(standings, dict(zip(names, shown, strict=True)))


async def _dataset(
    entry: Observation,
    name: DataClass,
    recipe: Recipe,
    cautions: tuple[Caution, ...],
    processed: State[Any],
    standings: Standings,
) -> Standing:
    """Make the products of a processed dataset, and its page however that ended; how the page stands."""
    standing = await standing_of(processed)
    if standing.state == DatasetState.DONE:
        with tagged(dataclass=name):
            made = await products(entry.obsid, name, recipe, cautions, return_state=True)
        standing = await standing_of(made)
    standings[name] = standing
    with untagged():
        # Prefect's overloads do not know that an asynchronous task's state is awaited.
        shown: Awaitable[State[Any]] = page(entry.obsid, name, entry.name, standing, return_state=True)  # type: ignore[assignment]
        # Not raised: other datasets are at work beside it, and need not end with it.
        return await standing_of(await shown)


def overall(standings: Standings, pages: Standings) -> Standing:
    """Where an observation stands: failed if a dataset or a page is, done if a dataset is, else skipped."""
    if not any(item.state == DatasetState.FAILED for item in standings.values()):
        for name, item in sorted(pages.items()):
            if item.state == DatasetState.FAILED:
                return item.model_copy(update={"reason": f"{name}: its page: {item.reason}"})
    for state in (DatasetState.FAILED, DatasetState.DONE, DatasetState.SKIPPED):
        found = {name: item for name, item in sorted(standings.items()) if item.state == state}
        if state == DatasetState.DONE and found:
            return Standing(state=state)
        for name, item in found.items():
            return item.model_copy(update={"reason": f"{name}: {item.reason}"})
    return Standing.of(NoData("the archive shows no dataset"))


async def _look_up(obsid: ObsID) -> Observation:
    found: Any = (await discovery(Query(obsids=(obsid,)))).unwrap()
    if not found:
        raise BadInput(f"the catalogue has no observation {obsid}")
    entry: Observation = found[0]
    return entry


def _as_state(standing: Standing) -> State[Any]:
    """The state of the flow run that says it in Prefect's words."""
    data = standing.model_dump(mode="json")
    if standing.state == DatasetState.FAILED:
        return Failed(message=f"{standing}: {standing.reason}", data=data)
    if standing.state == DatasetState.SKIPPED:
        return Completed(name=SKIPPED, message=standing.reason, data=data)
    return Completed()
