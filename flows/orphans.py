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
    FlowRunFilterParentTaskRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterId,
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
_PORTION = 200
"""So many runs the server is asked about at once; it gives no more."""


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
    """Runs inside others that nobody is at any more.

    Those whose parent has ended: a worker tells of the run whose process it saw die, and not of what went on
    inside. And those that were made long ago and not begun: the server made them and died before it could
    answer, and whoever asked for them has got others since.
    """
    inside = await _unfinished(
        client,
        FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(is_null_=True),
            parent_task_run_id=FlowRunFilterParentTaskRunId(is_null_=False),
        ),
        FlowFilter(name=FlowFilterName(any_=[*_INSIDE])),
    )
    ended = await _with_ended_parents(client, inside)
    return [
        *((run, "the run that it was part of has ended") for run in inside if run.id in ended),
        *((run, "nobody has begun it") for run in inside if run.id not in ended and _waits_long(run, site)),
    ]


async def _with_ended_parents(client: PrefectClient, inside: list[FlowRun]) -> set[UUID]:
    """Those of the runs whose parents have ended."""
    ended: set[UUID] = set()
    for first in range(0, len(inside), _PORTION):
        runs = inside[first : first + _PORTION]
        calls = [run.parent_task_run_id for run in runs if run.parent_task_run_id]
        links = TaskRunFilter(id=TaskRunFilterId(any_=calls))
        tasks = await client.read_task_runs(task_run_filter=links, limit=_PORTION)
        above = [task.flow_run_id for task in tasks if task.flow_run_id]
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=above))
        parents = await client.read_flow_runs(flow_run_filter=wanted, limit=_PORTION)
        over = {parent.id for parent in parents if parent.state and parent.state.is_final()}
        idle = {task.id for task in tasks if task.flow_run_id in over}
        ended |= {run.id for run in runs if run.parent_task_run_id in idle}
    return ended


def _waits_long(run: FlowRun, site: Site) -> bool:
    """Whether a run was made so long ago that somebody would have begun it."""
    state = run.state
    return (
        state is not None
        and state.type == StateType.PENDING
        and datetime.now(UTC) - state.timestamp > begins_within(site)
    )


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
        flow_run_filter=wanted, flow_filter=of, sort=FlowRunSort.ID_DESC, limit=_PORTION, offset=len(found)
    ):
        found += portion
    return found
