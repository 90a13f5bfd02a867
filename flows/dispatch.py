"""Dispatch: a sweep's observations as flow runs that workers take from the work queues."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import ParamSpec, TypeVar

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey
from prefect.client.schemas.objects import FlowRun, State, WorkQueueStatus
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from flows.observation import HELD_ELSEWHERE
from flows.orphans import begins_within, crash
from tasks.archive.catalogue.interface import Observation
from tasks.archive.selection import basis
from tasks.core.errors import EnvironmentFault, SoftwareFault, Transient
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing
from tasks.core.state import State as DatasetState
from tasks.engines.choice import DEFAULT_QUEUE, HEASOFT_QUEUE, Chosen
from tasks.library.attempts import Attempt
from tasks.library.fingerprint import fingerprint
from tasks.library.site import Site, this_site
from tasks.library.summarising import Ending
from tasks.tagging import tags_of

logger = logging.getLogger("xtendflow.sweep")

P = ParamSpec("P")
T = TypeVar("T")

DEPLOYMENTS = {DEFAULT_QUEUE: "observation/one", HEASOFT_QUEUE: "observation/one-heasoft"}
"""The deployment whose runs go to a work queue, as `deployments/prefect.yaml` has it."""

_SOONEST, _LATEST = 0.5, 5.0
"""Seconds after which a run is looked at again."""
_PATIENCE = timedelta(minutes=1)
"""After this time in a queue something is said about it."""
_LEDGER_TRIES = 12
_WORKERS = 3
"""So many workers may be lost over an observation in one sweep: it may be what brings them down."""

_WHY_NOBODY = {
    WorkQueueStatus.NOT_READY: "no worker polls it: start one with prefect worker start --pool %s "
    "--work-queue %s",
    WorkQueueStatus.PAUSED: "it is paused: resume it with prefect work-queue resume --pool %s %s",
    WorkQueueStatus.READY: "the workers of pool %s that poll %s are all busy",
}


async def dispatched(entry: Observation, chosen: Chosen, sweep: str) -> Ending:
    """Have a worker do an observation, and wait until it has.

    A run for the same thing that waits or goes on already, such as one of a sweep that was killed, is
    adopted: there is no second one. When its worker is not heard of any more, another one gets it.

    Parameters
    ----------
    entry : Observation
        Its row in the catalogue.
    chosen : Chosen
        The engines; they decide the work queue.
    sweep : str
        The sweep that asks for it.

    Returns
    -------
    Ending
        Of the observation, as the ledger has it; where its run ended without a word, as Prefect has it. It
        counts the time of the attempt, and none that was spent in the queue.

    Raises
    ------
    EnvironmentFault
        When the deployment is missing, or the Prefect server does not answer any more.
    """
    async with _server() as client:
        for _ in range(_WORKERS):
            run = await _run(client, entry, chosen, sweep)
            try:
                run = await _end(client, entry.obsid, run, sweep)
            except ObjectNotFound:
                return Ending(Standing.of(Transient("its flow run was deleted from the Prefect server")), 0.0)
            attempt = await _asked(_attempt, this_site(), entry.obsid, run)
            standing = standing_after(_state(run), attempt)
            if _state(run).is_final() or (attempt and attempt.ended):
                break
            logger.warning("%s %s: %s", entry.obsid, entry.name, standing.reason)
    return Ending(standing, _seconds(attempt))


def key_of(entry: Observation, chosen: Chosen, attempts: Iterable[Attempt]) -> str:
    """What runs for the same thing share: ObsID, hash of its basis, attempts at it that have ended."""
    wanted = fingerprint(basis(entry, chosen.recipe, chosen.versions))
    # One that still goes on does not count, or nobody would find it.
    ended = sum(attempt.ended is not None and attempt.selection == wanted for attempt in attempts)
    return f"{entry.obsid}:{wanted[:12]}:{ended}"


def standing_after(state: State, attempt: Attempt | None) -> Standing:
    """Where an observation stands after its run.

    Parameters
    ----------
    state : State
        The run's last state; one that is not final is that of a run whose worker is gone.
    attempt : Attempt or None
        The record that the run has left in the ledger.
    """
    if state.name == HELD_ELSEWHERE:
        return Standing(state=DatasetState.RUNNING, reason=state.message)
    if attempt and attempt.ended:
        return attempt.standing
    if not state.is_final():
        where = f" at {attempt.host}" if attempt else ""
        return Standing.of(Transient(f"the process that did it{where} is not heard of any more"))
    if state.is_crashed() or state.is_cancelled():
        return Standing.of(Transient(state.message or f"its flow run ended {state.name}"))
    if state.is_completed():
        return Standing.of(
            SoftwareFault("its flow run ended well and left no attempt: its worker uses another ledger")
        )
    return Standing.of(SoftwareFault(state.message or f"its flow run ended {state.name}"))


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[PrefectClient]:
    """The Prefect server; its client has tried again by itself before an error comes here."""
    try:
        async with get_client() as client:
            yield client
    except httpx.HTTPError as exc:
        raise EnvironmentFault(
            f"the Prefect server failed while observations were with workers, where they go on: {exc!r}"
        ) from exc


async def _run(client: PrefectClient, entry: Observation, chosen: Chosen, sweep: str) -> FlowRun:
    """The run for an observation: one that is under way, or a new one."""
    site = this_site()
    base = key = key_of(entry, chosen, await _asked(site.ledger.attempts, entry.obsid))
    while found := await _find(client, key):
        if not (_state(found).is_final() or await asyncio.to_thread(_is_lost, site, entry.obsid, found)):
            logger.info("%s %s: has a flow run already", entry.obsid, entry.name)
            return found
        # What is dead keeps its key for ever, so the next one is named after it.
        key = f"{base}:{found.id}"
    return await _start(client, entry, chosen, sweep, key)


async def _find(client: PrefectClient, key: str) -> FlowRun | None:
    wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key]))
    return next(iter(await client.read_flow_runs(flow_run_filter=wanted, limit=1)), None)


async def _start(client: PrefectClient, entry: Observation, chosen: Chosen, sweep: str, key: str) -> FlowRun:
    deployment = DEPLOYMENTS[chosen.queue]
    try:
        return await arun_deployment(
            deployment,
            client=client,
            parameters={
                "obsid": str(entry.obsid),
                "recipe": chosen.recipe.model_dump(mode="json"),
                "entry": entry.model_dump(mode="json"),
                "sweep": sweep,
            },
            flow_run_name=f"{entry.obsid} {entry.name}".strip(),
            tags=tags_of(obsid=entry.obsid, engine=chosen.name),
            idempotency_key=key,
            timeout=0,
        )
    except ObjectNotFound as exc:
        raise EnvironmentFault(
            f"the Prefect server has no deployment {deployment}: xtendflow deploy --pool NAME makes it"
        ) from exc


async def _end(client: PrefectClient, obsid: ObsID, run: FlowRun, sweep: str) -> FlowRun:
    """The run when it has ended, or when nobody does it any more."""
    told = False
    while not (state := _state(run)).is_final():
        if not state.is_scheduled():
            if await asyncio.to_thread(_is_lost, this_site(), obsid, run):
                await crash(client, run.id, "the worker that took it is not heard of any more")
                break
        elif not told and _age(state) > _PATIENCE:
            await _tell_who_is_missing(client, run, sweep)
            told = True
        await asyncio.sleep(_pause(_age(state)))
        run = await client.read_flow_run(run.id)
    return run


def _pause(age: timedelta) -> float:
    """Seconds until a run is looked at again: soon after its state has changed, later and later then."""
    return min(max(_SOONEST, age.total_seconds() / 10), _LATEST)


async def _tell_who_is_missing(client: PrefectClient, run: FlowRun, sweep: str) -> None:
    if run.work_queue_name and run.work_pool_name:
        queue = await client.read_work_queue_by_name(run.work_queue_name, run.work_pool_name)
        _tell(sweep, run.work_pool_name, queue.name, queue.status or WorkQueueStatus.NOT_READY)


@cache
def _tell(sweep: str, pool: str, queue: str, status: WorkQueueStatus) -> None:
    """Say why runs stay in a queue: once for all of a sweep, thanks to the cache."""
    logger.warning(f"observations wait in the work queue %s; {_WHY_NOBODY[status]}", queue, pool, queue)


async def _asked(question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the ledger answers; one that stumbles is asked again: thousands may wait here."""
    for _ in range(_LEDGER_TRIES - 1):
        with contextlib.suppress(EnvironmentFault):
            return await asyncio.to_thread(question, *args, **kwargs)
        await asyncio.sleep(_LATEST)
    return await asyncio.to_thread(question, *args, **kwargs)


def _is_lost(site: Site, obsid: ObsID, run: FlowRun) -> bool:
    """Whether a run is dead that Prefect takes for alive: nobody keeps the lease that its attempt needs."""
    if _state(run).is_scheduled():
        return False
    with contextlib.suppress(EnvironmentFault):  # the ledger is asked again soon
        attempt = _attempt(site, obsid, run)
        if attempt is None:
            return _age(_state(run)) > begins_within(site)
        # Not by the holder's name alone: where processes are counted anew, another may have it by now.
        return any(each.id == attempt.id for each in site.ledger.abandoned_attempts())
    return False


def _attempt(site: Site, obsid: ObsID, run: FlowRun) -> Attempt | None:
    """The latest attempt that a run has made."""
    own = (each for each in site.ledger.attempts(obsid) if each.flow_run_id == str(run.id))
    return max(own, key=lambda attempt: attempt.started, default=None)


def _seconds(attempt: Attempt | None) -> float:
    """How long an attempt took."""
    return (attempt.ended - attempt.started).total_seconds() if attempt and attempt.ended else 0.0


def _age(state: State) -> timedelta:
    return datetime.now(UTC) - state.timestamp


def _state(run: FlowRun) -> State:
    # A run that was made this moment has none yet.
    return run.state or Scheduled()
