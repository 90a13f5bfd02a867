"""Maps cached Prefect tasks twice and prints how long the second time took: `cached_tasks.py NUMBER`."""

import sys
import time

from prefect import flow, task  # noqa: TID251
from prefect.context import TaskRunContext  # noqa: TID251


def _key(context: TaskRunContext, parameters: dict[str, object]) -> str:
    return f"unit-{parameters['unit']}"


@task(cache_key_fn=_key, persist_result=True)
def unit(unit: int) -> int:
    """A unit of work that is done."""
    return unit


@flow
def every(number: int) -> list[str]:
    """How each unit ended."""
    states = unit.map(range(number), return_state=True)
    return [state.name or "" for state in states]


def main(number: int) -> None:
    """Once to fill the cache, once to be served from it."""
    every(number)
    started = time.perf_counter()
    names = every(number)
    seconds = time.perf_counter() - started
    if set(names) != {"Cached"}:
        raise RuntimeError(f"not all tasks were served from the cache: {set(names)}")
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
