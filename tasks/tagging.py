"""Tags of runs, by which Prefect's pages find them: `obsid:…`, `dataclass:…`, `engine:…`, `error:…`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from prefect import Flow, tags
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext, TagsContext, TaskRunContext

from tasks.core.errors import BadInput, EnvironmentFault, Failed, LeaseLost, Transient

ERROR = "error:"
OBSERVATION = "observation"


def tags_of(
    *, obsid: str | None = None, dataclass: str | None = None, engine: str | None = None
) -> tuple[str, ...]:
    """The tags that name these; engines that share the work (`heasoft+native`) have one each."""
    names = [("obsid", obsid), ("dataclass", dataclass)]
    names += [("engine", each) for each in engine.split("+")] if engine else []
    return tuple(f"{name}:{value}" for name, value in names if value)


@contextmanager
def tagged(**names: str) -> Iterator[None]:
    """Have the flow runs that begin in this block carry tags; it costs nothing."""
    with tags(*tags_of(**names)):
        yield


@contextmanager
def untagged() -> Iterator[None]:
    """Keep the tags of flow runs from the task runs that begin in this block; use `task_tags` in them.

    For the tags that a task run begins with Prefect asks its server about limits of concurrency, and for
    each set of tags it keeps a thread and a connection as long as the process lives.
    """
    with TagsContext(current_tags=set()):
        yield


@contextmanager
def task_tags(**names: str) -> Iterator[None]:
    """Give the task run whose body this is its tags, and one more for the error that leaves the block.

    The server hears of them together with the run's next state.
    """
    context = TaskRunContext.get()
    known = tags_of(**names)
    _set_tags(context, known)
    try:
        yield
    except Exception as exc:
        _set_tags(context, (*known, f"{ERROR}{kind_of_error(exc)}"))
        raise


def _set_tags(context: TaskRunContext | None, wanted: tuple[str, ...]) -> None:
    if context is not None:
        context.task_run.tags = list(wanted)


async def tag_flow(**names: str) -> None:
    """Give the flow run whose body this is the tags that it did not begin with.

    Those which a sweep or another flow starts have them already; the server is asked for the others alone.
    """
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        await _add(context.flow_run, *tags_of(**names))


@asynccontextmanager
async def stage_tags(**names: str) -> AsyncIterator[None]:
    """Tag the flow run whose body this is, and none of the task runs that begin in it."""
    await tag_flow(**names)
    with untagged():
        yield


async def tag_error(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tag a flow run that failed with the kind of error, as a hook.

    Stages inside an observation are left out: one observation that failed is one run that is found.
    """
    if flow_run.parent_task_run_id is None or flow.name == OBSERVATION:
        value: Any = await state.aresult(raise_on_failure=False)
        if isinstance(value, list):
            # A stage that gives back the states of its tasks.
            failed = [each for each in value if isinstance(each, State) and each.is_failed()]
            value = await failed[0].aresult(raise_on_failure=False) if failed else None
        kind = kind_of_error(value)
        if kind is not None:
            await _add(flow_run, f"{ERROR}{kind}")


def kind_of_error(value: Any) -> str | None:
    """The word for what went wrong; None where a run names others that failed, as a sweep does.

    Parameters
    ----------
    value : object
        What a run raised, or the data of its last state.
    """
    if isinstance(value, Failed):
        return value.kind
    if isinstance(value, LeaseLost):
        return Transient.kind
    if isinstance(value, EnvironmentFault):
        return "environment"
    if isinstance(value, BadInput):
        return "bad-input"
    if isinstance(value, dict):
        return value.get("kind")
    return "software" if isinstance(value, BaseException) else None


async def _add(run: FlowRun, *wanted: str) -> None:
    missing = [tag for tag in wanted if tag not in run.tags]
    if missing:
        run.tags = [*run.tags, *missing]
        async with get_client() as client:
            await client.update_flow_run(run.id, tags=run.tags)
