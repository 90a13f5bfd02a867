"""Orphans: flow runs that Prefect takes for running though their process was killed."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from tasks.library.attempts import Attempt
from tasks.library.orphans import end_records, find_orphans
from tasks.library.site import Site, is_gone

logger = logging.getLogger("xtendflow.sweep")

_UNFINISHED = FlowRunFilterState(
    type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
)
_PROCESS = "process:"
_INSIDE = ("observation", "discovery", "download", "processing", "products")
"""Flows that run inside others."""


def process_tag(holder: str) -> str:
    """The tag of what a process (`host:pid`) runs."""
    return f"{_PROCESS}{holder}"


def begins_within(site: Site) -> timedelta:
    """After this time a worker that took a run and has not begun (it pulls an image, say) is gone."""
    return timedelta(seconds=5 * site.settings.lease_seconds)


async def end_orphans(site: Site) -> None:
    """Say of sweeps and observations whose process is gone that they crashed, here and in the ledger.

    Call it once `Site.end_leases` has ended the leases of dead processes. Of the runs that another Prefect
    server has, a sweep that reports there finds those which are tagged with their process.
    """
    orphans = await asyncio.to_thread(find_orphans, site)
    crashed = 0
    async with get_client() as client:
        for run_id, holder in orphans.holders.items():
            crashed += await crash(client, UUID(run_id), _gone(holder))
        left = [*await _of_dead_processes(client), *await _of_dead_workers(client, site)]
        for run, why in (*left, *await _of_nobody(client, site)):
            crashed += await crash(client, run.id, why)
    # Last, as the next sweep finds by them what this one has not come to.
    await asyncio.to_thread(end_records, site, orphans)
    if crashed:
        logger.info("%d flow runs of processes that are gone are marked as crashed", crashed)


async def _of_dead_processes(client: PrefectClient) -> list[tuple[FlowRun, str]]:
    """Runs tagged with a process of this host that is gone: it may have died before any record of it."""
    runs = await _unfinished(client, FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(is_null_=True)))
    tagged = (
        (run, tag.removeprefix(_PROCESS)) for run in runs for tag in run.tags if tag.startswith(_PROCESS)
    )
    return [(run, _gone(holder)) for run, holder in tagged if is_gone(*holder.rpartition(":")[::2])]


async def _of_dead_workers(client: PrefectClient, site: Site) -> list[tuple[FlowRun, str]]:
    """Observations that a worker took and nobody does: long ago, and without an attempt that goes on."""
    taken = await _unfinished(
        client,
        FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(is_null_=False)),
        FlowFilter(name=FlowFilterName(any_=["observation"])),
    )
    latest = await asyncio.to_thread(site.ledger.attempts_of, [str(run.id) for run in taken])
    return [
        (run, "the worker that took it is not heard of any more")
        for run in taken
        if (moment := _last_heard(run, latest.get(str(run.id))))
        and datetime.now(UTC) - moment > begins_within(site)
    ]


async def _of_nobody(client: PrefectClient, site: Site) -> list[tuple[FlowRun, str]]:
    """Runs inside others that were made long ago and not begun.

    The server made them and died before it could answer; whoever asked for them has got others since.
    """
    made = await _unfinished(
        client,
        FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(is_null_=True)),
        FlowFilter(name=FlowFilterName(any_=[*_INSIDE])),
    )
    return [
        (run, "nobody has begun it")
        for run in made
        if run.state
        and run.state.type == StateType.PENDING
        and run.parent_task_run_id
        and datetime.now(UTC) - run.state.timestamp > begins_within(site)
    ]


def _last_heard(run: FlowRun, attempt: Attempt | None) -> datetime | None:
    """When a run gave its last sign of life; None while an attempt goes on, whose lease tells more."""
    if attempt:
        return attempt.ended
    return run.state.timestamp if run.state else None


def _gone(holder: str) -> str:
    return f"the process {holder} that ran it is gone"


async def crash(client: PrefectClient, run: UUID, why: str) -> int:
    """Mark a run and those below it that went on in the same process; how many that were.

    Of a run that its worker saw die only those below may be left, of which nobody has told.
    """
    left = await _unfinished(client, FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    parents = [run]
    while parents:
        below = FlowRunFilter(
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=parents),
            # What a deployment started has a process of its own.
            deployment_id=FlowRunFilterDeploymentId(is_null_=True),
        )
        children = await _unfinished(client, below)
        left = [*children, *left]
        parents = [child.id for child in children]
    state: Any = Crashed(message=why)
    for one in left:
        await client.set_flow_run_state(one.id, state, force=True)
    return len(left)


async def _unfinished(
    client: PrefectClient, which: FlowRunFilter, of: FlowFilter | None = None
) -> list[FlowRun]:
    """The runs that have not ended; the server gives them out in portions."""
    wanted = which.model_copy(update={"state": _UNFINISHED})
    found: list[FlowRun] = []
    while portion := await client.read_flow_runs(
        flow_run_filter=wanted, flow_filter=of, sort=FlowRunSort.ID_DESC, offset=len(found)
    ):
        found += portion
    return found
