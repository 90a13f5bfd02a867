"""Measuring beside other people's work, which only makes things slower: take turns, keep the quickest."""

import gc
import time
from collections.abc import Callable

from rows import note

Work = Callable[[], object]


def seconds(work: Work) -> float:
    """Wall-clock time of one run."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternated(
    label: str, a: Callable[[], object], b: Callable[[], object], pairs: int
) -> tuple[float, float]:
    """Shortest times of two things that are run in turns."""
    times = [(seconds(a), seconds(b)) for _ in range(pairs)]
    note(f"{label}: " + ", ".join(f"{first:.3f}/{second:.3f}" for first, second in times))
    first, second = (min(column) for column in zip(*times, strict=True))
    return first, second


def shortest(label: str, work: Work, times: int) -> float:
    """Shortest time."""
    found = [seconds(work) for _ in range(times)]
    note(f"{label}: " + ", ".join(f"{one:.3f}" for one in found))
    return min(found)
