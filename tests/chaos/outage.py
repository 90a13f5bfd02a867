"""The Prefect server is away for a minute in the middle of a sweep."""

import time
from collections.abc import Iterator

from killing import TOOL
from place import until
from recipes import plain
from stage import OBSIDS, Stage, settle

_AWAY_SECONDS = 60


def outage(stage: Stage) -> Iterator[str]:
    """The sweep goes on, or ends with its reason; the next one completes."""
    stage.stand()
    place = stage.place("outage")
    command = place.sweep(plain(), *OBSIDS)
    until(lambda: place.processes(TOOL), "work goes on")
    time.sleep(stage.random.uniform(0, 5))
    stage.prefect.kill()
    stage.figures.kills["Prefect server"] += 1
    time.sleep(_AWAY_SECONDS)
    stage.prefect.start()
    yield from stage.ended(command)
    yield from settle(stage, place, plain(), *OBSIDS)
