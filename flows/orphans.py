"""Orphans: flow runs that Prefect takes for running though their process was killed."""

import asyncio
import logging
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
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

from tasks.library.orphans import end_attempts, find_orphans
from tasks.library.site import Site

logger = logging.getLogger("xtendflow.sweep")

_UNFINISHED = FlowRunFilterState(
    type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
)
_AT_ONCE = 100
"""How many runs one question names."""


async def end_orphans(site: Site) -> None:
    """Say of sweeps and observations whose process is gone that they crashed, here and in the ledger.

    Call it once `Site.end_leases` has ended the leases of dead processes. Runs that another Prefect server
    has are left to a sweep that reports there.
    """
    orphans = await asyncio.to_thread(find_orphans, site)
    crashed = 0
    async with get_client() as client:
        ids = sorted(map(UUID, orphans.holders))
        for start in range(0, len(ids), _AT_ONCE):
            some = FlowRunFilter(id=FlowRunFilterId(any_=ids[start : start + _AT_ONCE]))
            # Children first: below a run that has crashed nobody looks again.
            runs = sorted(await _unfinished(client, some), key=lambda run: run.parent_task_run_id is None)
            for run in runs:
                crashed += await _crash(client, [run.id], orphans.holders[str(run.id)])
    # Last, as the next sweep finds by them what this one has not come to.
    await asyncio.to_thread(end_attempts, site, orphans.attempts)
    if crashed:
        logger.info("%d flow runs of processes that are gone are marked as crashed", crashed)


async def _crash(client: PrefectClient, runs: list[UUID], holder: str) -> int:
    """Mark runs and those below them that went on in the same process; how many that were."""
    if not runs:
        return 0
    below = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=runs),
        # What a deployment started has a process of its own.
        deployment_id=FlowRunFilterDeploymentId(is_null_=True),
    )
    children = [child.id for child in await _unfinished(client, below)]
    marked = await _crash(client, children, holder)
    state: Any = Crashed(message=f"the process {holder} that ran it is gone")
    for run in runs:
        await client.set_flow_run_state(run, state, force=True)
    return marked + len(runs)


async def _unfinished(client: PrefectClient, which: FlowRunFilter) -> list[FlowRun]:
    """The runs that have not ended; the server gives them out in portions."""
    wanted = which.model_copy(update={"state": _UNFINISHED})
    found: list[FlowRun] = []
    while portion := await client.read_flow_runs(
        flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, offset=len(found)
    ):
        found += portion
    return found
