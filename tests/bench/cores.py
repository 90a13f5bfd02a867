"""Two datasets through the project's runner: on two cores, against one after the other."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from event_lists import gzipped, write_list, write_regions
from products import REGIONS, outputs, request
from rows import Row, at_most, note
from timing import alternated

from tasks.engines.runner import run_call
from tasks.library.call import Call

_EVENTS = 5_000_000
_PAIRS = 4
_POLL_S = 0.002


def rows(folder: Path) -> Iterator[Row]:
    """Each child is held to the same core in both measurements."""
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        note("two datasets on two cores: this machine cannot hold processes to two cores")
        return
    plain = folder / "list.evt"
    write_list(plain, _EVENTS)
    events = gzipped(plain)
    write_regions(folder)
    both, serial = alternated(
        "two cores / one after the other",
        lambda: asyncio.run(_two_datasets(folder, events, cores, 2)),
        lambda: asyncio.run(_two_datasets(folder, events, cores, 1)),
        _PAIRS,
    )
    yield at_most("2 datasets of 5e6 events on 2 cores, against one after the other", both, "s", serial, 0.65)


async def _two_datasets(folder: Path, events: Path, cores: list[int], at_once: int) -> None:
    work = folder / "work"
    pinning = asyncio.create_task(_pin_children(cores))
    try:
        calls = (
            run_call(_call(folder, events), work / str(number), folder / f"{number}.log", cores=at_once)
            for number in range(len(cores))
        )
        await asyncio.gather(*calls)
    finally:
        pinning.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pinning
        shutil.rmtree(work)


def _call(folder: Path, events: Path) -> Call:
    wanted = request(events.name)
    return Call(
        function="tasks.engines.native.extraction:extract",
        parameters=wanted,
        inputs={path.name: str(path) for path in (events, *(folder / f"{name}.reg" for name in REGIONS))},
        outputs=outputs(wanted),
    )


async def _pin_children(cores: list[int]) -> None:
    """Hold each new child of this process to the next core, long before it has threads."""
    known: set[int] = set()
    while len(known) < len(cores):
        for child in _children() - known:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(child, {cores[len(known)]})
            known.add(child)
        await asyncio.sleep(_POLL_S)


def _children() -> set[int]:
    """Process ids."""
    lists = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return {int(child) for text in lists for child in text.split()}
