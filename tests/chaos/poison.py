"""A dataset that kills whatever works on it: tried so often, and then left alone."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from killing import TOOL
from place import Place
from recipes import plain
from stage import OBSIDS, Stage, check

_POISON, _SOUND = OBSIDS[0], OBSIDS[2]
_LIMIT = 2


def poison(stage: Stage) -> Iterator[str]:
    """Sweeps while every process that computes one observation is killed; the other one is done."""
    stage.stand()
    place = stage.place("poison")
    more = ("--max-attempts", str(_LIMIT))
    with _deadly(place, stage):
        for _ in range(_LIMIT):
            command = place.sweep(plain(), _POISON, _SOUND, more=more)
            yield from stage.ended(command)
        left = place.sweep(plain(), _POISON, _SOUND, more=more)
        yield from stage.ended(left)
    ends = {
        item["obsid"]: (item["standing"]["state"], item["standing"]["kind"], item["standing"]["reason"])
        for item in (left.summary or {"results": []})["results"]
    }
    if (ends.get(_SOUND) or ("",))[0] != "done":
        yield f"beside a poison dataset {_SOUND} is {ends.get(_SOUND)} ({left.err})"
    if (ends.get(_POISON) or ("", ""))[:2] != ("failed", "gave-up") or not ends[_POISON][2]:
        yield f"after {_LIMIT} sweeps the poison dataset is {ends.get(_POISON)}, not given up ({left.err})"
    if f"{_POISON} SIM faint: begins" in left.said:
        yield f"the poison dataset was tried more than {_LIMIT} times ({left.err})"
    records = [json.loads(path.read_bytes()) for path in place.store.glob(f"{_POISON}/attempts/*.json")]
    if len(records) != _LIMIT:
        yield f"the poison dataset has {len(records)} attempts, not {_LIMIT}"
    yield from (sentence for sentence in check(stage, place) if f"{_POISON}" not in sentence)


@contextmanager
def _deadly(place: Place, stage: Stage) -> Iterator[None]:
    """Kill, from a thread, whatever computes the poison dataset."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            for pid in place.processes(TOOL):
                with suppress(OSError):
                    if f"/{_POISON}-" in str(Path(f"/proc/{pid}/cwd").readlink()):
                        os.kill(pid, signal.SIGKILL)
                        stage.figures.kills["tool"] += 1

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
