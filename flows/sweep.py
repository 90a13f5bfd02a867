"""A sweep: discover, select, run the observations, summarise."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.utilities.annotations import quote

from flows.discovery import asked_for, discovery
from flows.dispatch import dispatched
from flows.observation import HELD_ELSEWHERE, observation
from flows.orphans import end_orphans
from flows.planning import Plan, plan, remember, settle
from tasks.archive.catalogue.interface import Observation, Query
from tasks.archive.selection import Choice, Rules, Selection
from tasks.artifacts import progress
from tasks.core import progress as heard
from tasks.core.identifiers import ObsID
from tasks.core.progress import Unit
from tasks.core.state import Standing
from tasks.core.state import State as DatasetState
from tasks.engines.choice import Chosen, choose, register
from tasks.library.call import OnProgress
from tasks.library.eviction import evict
from tasks.library.ownership import claim_recipe
from tasks.library.recipe import Recipe
from tasks.library.rows import SweepRow
from tasks.library.site import Site, this_site
from tasks.library.summarising import Ending, results
from tasks.library.summary import Summary
from tasks.reporting import publish
from tasks.showing import show_sweep
from tasks.steps import standing_of, together
from tasks.tagging import tag_error, tag_flow, tagged

logger = logging.getLogger("xtendflow.sweep")

_AHEAD = 2
"""How many observations more than there are cores are under way: they download while others compute."""


def _run_name() -> str:
    what = asked_for(flow_run.parameters.get("query") or Query())
    return f"sweep-{datetime.now(UTC):%Y-%m-%d} {what}"


@flow(name="sweep", flow_run_name=_run_name, on_failure=[tag_error])
async def sweep(query: Query = Query(), recipe: Recipe = Recipe(), rules: Rules = Rules()) -> State[Any]:
    """Find public observations and make whatever is new or stale; fails when anything failed.

    Parameters
    ----------
    query : Query
        The whole archive, or a target, a position, ObsIDs or dates.
    recipe : Recipe
        What is to be made.
    rules : Rules
        Which of the observations found are run.
    """
    site, row = this_site(), _begin(this_site(), recipe)
    await end_orphans(site)
    register(site)
    chosen = settle(site, recipe)
    await tag_flow(engine=chosen.name)
    claim_recipe(site.store, chosen.recipe)
    found: Any = (await discovery(query)).unwrap()
    planned = await asyncio.to_thread(plan, site, chosen, query, found, rules)
    remember(site, planned)
    _tell(planned)
    here = site.settings.dispatch == "here"
    if planned.selection.chosen and here:
        # Observations are run in this process, whatever workers elsewhere have.
        choose(chosen.recipe)
    at_once = site.cores + _AHEAD if here else site.settings.in_flight
    endings = await _observe(planned.selection, chosen, row.id, at_once)
    summary = await asyncio.to_thread(_summarise, site, row, planned, endings)
    await show_sweep(site, summary, endings)
    return _as_state(summary)


def _begin(site: Site, recipe: Recipe) -> SweepRow:
    """Clear away what processes that are gone have left, and note that a sweep begins."""
    started = datetime.now(UTC)
    name = f"{started:%Y-%m-%dT%H-%M-%S}-{str(flow_run.id)[:8]}"
    row = SweepRow(name, started, None, recipe.name, {}, site.holder, str(flow_run.id))
    site.ledger.record_sweep(row)
    site.clear_scratch()
    site.end_leases()
    evict(site)
    return row


def _tell(planned: Plan) -> None:
    """Say what was found, what is run and why, and by which engine."""
    whys = Counter(choice.why for choice in planned.selection.chosen)
    told = ", ".join(f"{number} {why}" for why, number in whys.items())
    chosen, found = planned.chosen, len(planned.sightings)
    logger.info("engine %s; its observations are for the work queue %s", chosen.name, chosen.queue)
    logger.info("%d observations found, %d to run%s", found, whys.total(), f": {told}" if told else "")


async def _observe(selection: Selection, chosen: Chosen, name: str, at_once: int) -> dict[ObsID, Ending]:
    """Run the chosen observations, each as a flow run of its own that may fail alone."""
    slots, ended = asyncio.Semaphore(at_once), Counter[DatasetState]()

    async def run(choice: Choice, tell: OnProgress) -> tuple[ObsID, Ending]:
        async with slots:
            row = choice.observation
            logger.info("%s %s: begins (%s)", row.obsid, row.name, choice.why)
            ending = await _done(row, chosen, name)
            _log(row, ending)
            ended[ending.standing.state] += 1
            tell(ended.total(), len(selection.chosen))
            heard.tell("observations", Unit.OBSERVATIONS, ended.total(), len(selection.chosen))
            return row.obsid, ending

    async with progress("sweep-progress", partial(_so_far, ended)) as tell:
        return dict(await together(*(run(choice, tell) for choice in selection.chosen)))


def _so_far(ended: Counter[DatasetState], done: int, total: int) -> str:
    return f"{done} of {total} observations have ended, {ended[DatasetState.FAILED]} of them failed"


def _log(row: Observation, ending: Ending) -> None:
    reason = f": {ending.standing.reason}" if ending.standing.reason else ""
    logger.info("%s %s: %s in %.0f s%s", row.obsid, row.name, ending.standing, ending.seconds, reason)


async def _done(row: Observation, chosen: Chosen, name: str) -> Ending:
    """How an observation's flow run ends, which a worker has or this process."""
    if this_site().settings.dispatch == "deployment":
        return await dispatched(row, chosen, name)
    started = time.monotonic()
    with tagged(obsid=row.obsid, engine=chosen.name):
        state = await observation(row.obsid, chosen.recipe, row, name, return_state=True)
    elsewhere = Standing(state=DatasetState.RUNNING, reason=state.message)
    standing = elsewhere if state.name == HELD_ELSEWHERE else await standing_of(state)
    return Ending(standing, time.monotonic() - started)


def _summarise(site: Site, row: SweepRow, planned: Plan, endings: dict[ObsID, Ending]) -> Summary:
    """Say what became of everything that was found: in the ledger, in the store and on the page."""
    summary = Summary(
        sweep=row.id,
        recipe=row.recipe,
        archive=site.settings.archive,
        catalogue=site.settings.catalogue,
        store=site.settings.store_url,
        started=row.started,
        ended=datetime.now(UTC),
        found=len(planned.sightings),
        results=results(site, planned.sightings, endings),
    )
    counts = {str(state): len(summary.of(state)) for state in DatasetState}
    site.ledger.record_sweep(replace(row, ended=summary.ended, counts=counts))
    publish(site, summary, planned.selection)
    return summary


def _as_state(summary: Summary) -> State[Any]:
    """The sweep's own end: failed as soon as anything is."""
    # Quoted, as Prefect would look into each of ten thousand results.
    failed, data = summary.of(DatasetState.FAILED), quote(summary)
    if not failed:
        return Completed(message=f"{len(summary.results)} datasets, none failed", data=data)
    named = "; ".join(f"{item.obsid} {item.standing}: {item.standing.reason}" for item in failed[:10])
    message = f"{len(failed)} of {len(summary.results)} datasets failed: {named}"
    return Failed(message=message, data=data)
