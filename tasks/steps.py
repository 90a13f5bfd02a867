"""Steps of a dataset as tasks: cached by fingerprint, retried when transient, made only when stale."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect import Task, task
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.core.errors import EnvironmentFault, LeaseLost, Outcome, Skipped, Transient
from tasks.core.progress import Unit, tell
from tasks.core.state import Standing
from tasks.core.state import State as DatasetState
from tasks.engines.choice import STEPS
from tasks.engines.step import make, progress
from tasks.library.claim import Claim, claim
from tasks.library.dataset import Dataset
from tasks.library.manifest import Step
from tasks.library.site import this_site
from tasks.policies import CACHED, RETRIED
from tasks.tagging import task_tags

SKIPPED = "Skipped"

T = TypeVar("T")


def step_task(step: Step) -> Task[[Dataset, str], Any]:
    """The task that does a step; call it through `do`."""
    name = f"{step} {{dataset.obsid}} {{dataset.dataclass}}"

    @task(name=str(step), task_run_name=name, **RETRIED, **CACHED)
    async def run(dataset: Dataset, fingerprint: str) -> Any:
        async with claim(this_site(), dataset.obsid) as held:
            held.tries += 1
            with during(step), task_tags(**_names(step, dataset)):
                return await unless_skipped(_made(step, dataset, held, fingerprint))

    return run


def _names(step: Step, dataset: Dataset) -> dict[str, str]:
    use = dataset.engine_of(step)
    return {"obsid": dataset.obsid, "dataclass": dataset.dataclass, "engine": use.name}


@contextmanager
def during(step: Step) -> Iterator[None]:
    """Have whatever fails here say in which step it did, for `standing_of`."""
    try:
        yield
    except Exception as exc:
        vars(exc)["step"] = str(step)
        raise


async def _made(step: Step, dataset: Dataset, held: Claim, fingerprint: str) -> str:
    await make(step, dataset, held.site, held.confirm)
    return fingerprint


async def unless_skipped(work: Awaitable[Any]) -> Any:
    """The result of some work; finding that there is nothing to do is no failure of its run."""
    try:
        return await work
    except Skipped as exc:
        return Completed(name=SKIPPED, message=str(exc), data=Standing.of(exc).model_dump(mode="json"))


async def do(step: Task[[Dataset, str], Any], dataset: Dataset) -> State[Any]:
    """Run a step's task; the cache is used only when the manifest agrees that everything is there."""
    site = this_site()
    with during(Step(step.name)):
        found = await asyncio.to_thread(progress, Step(step.name), dataset, site)
    configured = step.with_options(refresh_cache=not found.complete, result_storage=site.results)
    # Prefect's overloads do not know that an asynchronous task's state is awaited.
    state: Awaitable[State[Any]] = configured(dataset, found.order.fingerprint, return_state=True)  # type: ignore[assignment]
    ended = await state
    goes_on = ended.is_completed() and ended.name != SKIPPED
    tell(dataset.key, Unit.STEPS, STEPS.index(Step(step.name)) + 1 if goes_on else len(STEPS), len(STEPS))
    return ended


async def relay(state: State[Any]) -> Any:
    """What a flow returns or raises so that its own state says the same as a task's."""
    value = await state.aresult(raise_on_failure=False)
    if state.name == SKIPPED:
        return Completed(name=SKIPPED, message=state.message, data=value)
    if isinstance(value, BaseException):
        raise value
    return value


async def standing_of(state: State[Any]) -> Standing:
    """Where a dataset or an observation stands after a task or flow run that ended like this."""
    value = await state.aresult(raise_on_failure=False)
    if isinstance(value, dict) and (state.name == SKIPPED or state.is_failed()):
        return Standing.model_validate(value)
    if state.is_completed():
        return Standing(state=DatasetState.DONE)
    if isinstance(value, Outcome):
        return Standing.of(value)
    step = getattr(value, "step", None)
    if isinstance(value, LeaseLost | EnvironmentFault):
        return Standing.of(Transient(str(value))).model_copy(update={"step": step})
    why = f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else state.message
    reason = why or f"the run ended {state.name}"
    return Standing(state=DatasetState.FAILED, kind="software", reason=reason, step=step)


async def together(*runs: Coroutine[Any, Any, T]) -> list[T]:
    """The results of runs that go on at once, in order; none of them is still going on afterwards.

    `asyncio.gather` leaves the others alone when one fails or all are cancelled: cancelled once more when
    the loop ends, they could not tell Prefect that they did.
    """
    tasks = [asyncio.ensure_future(run) for run in runs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for each in tasks:
            if not each.cancelling():
                each.cancel()
        if tasks:
            await asyncio.wait(tasks)
