"""How tasks are retried and cached: the one place for both."""

from collections.abc import Mapping
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from tasks.core.errors import Transient


def is_transient(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Only transient failures are worth another try."""
    return isinstance(state.data, Transient)


def by_fingerprint(context: TaskRunContext, parameters: Mapping[str, Any]) -> str:
    """The cache key of a step: the dataset and the fingerprint of what it makes."""
    return f"{context.task.name}-{parameters['dataset'].key.replace('/', '-')}-{parameters['fingerprint']}"


RETRIED: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 10, 30],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient,
}
CACHED: dict[str, Any] = {
    "cache_key_fn": by_fingerprint,
    "persist_result": True,
    "result_serializer": "json",
}
