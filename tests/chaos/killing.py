"""Whom the campaign kills, how victims are found, and what has to come back afterwards."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from figures import Figures
from place import Place, until
from servers import PostgreSQL, PrefectServer
from worker import Worker

SWEEP, SWEEP_FLOW, TOOL = "bin/xtendflow sweep", "flows.cli.run_sweep", "tasks.engines.child"
"""Words by which the processes of a sweep are known."""
_PATIENCE = 20
"""Seconds that a victim is waited for."""
_FLOW_RUN = ("prefect.flow_engine", "prefect.engine", "flow-run execute")


@dataclass
class Killer:
    """Kills one process after another, each time of the kind that has been hit least."""

    place: Place
    prefect: PrefectServer
    database: PostgreSQL | None
    worker: Worker | None
    random: Random
    figures: Figures
    _missed: Counter[str] = field(default_factory=Counter)

    def strike(self, while_: Callable[[], bool]) -> str | None:
        """Kill somebody at a random moment of its life; its kind, or None when nobody came in time."""
        kinds = self._kinds()
        tried = self.figures.kills + self._missed
        fewest = min(tried[kind] for kind in kinds)
        kind = self.random.choice(sorted(kind for kind in kinds if tried[kind] == fewest))
        give_up = time.monotonic() + _PATIENCE
        while not kinds[kind]():
            if not while_() or time.monotonic() > give_up:
                self._missed[kind] += 1
                return None
            time.sleep(0.1)
        time.sleep(self.random.uniform(0, 2))
        return kind if self._kill(kind, kinds[kind]()) else None

    def has_killed(self, each: int) -> bool:
        """Whether every kind has been killed so often."""
        return all(self.figures.kills[kind] >= each for kind in self._kinds())

    def _kill(self, kind: str, pids: list[int]) -> bool:
        if not pids:
            return False
        try:
            if kind == "Prefect server":
                self.prefect.kill()
            else:
                os.kill(self.random.choice(sorted(pids)), signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.figures.kills[kind] += 1
        self._bring_back(kind)
        return True

    def _kinds(self) -> dict[str, Callable[[], list[int]]]:
        kinds: dict[str, Callable[[], list[int]]] = {
            "sweep, its command": lambda: self._found(SWEEP),
            "sweep, its flow": lambda: self._found(SWEEP_FLOW),
            "tool": lambda: self._found(TOOL),
            "Prefect server": lambda: [pid for pid in (self.prefect.pid,) if pid and self.prefect.answers()],
        }
        if self.database is not None:
            database = self.database
            kinds["database, a connection"] = database.backends
            kinds["database, all of it"] = lambda: [pid for pid in (database.pid,) if pid]
        if self.worker is not None:
            kinds["worker"] = lambda: self._found("prefect worker start")
            kinds["worker, its flow"] = lambda: self._found(*_FLOW_RUN)
        return kinds

    def _found(self, *parts: str) -> list[int]:
        return list(self.place.processes(*parts))

    def _bring_back(self, kind: str) -> None:
        """Have a server back after a moment, which the killer waits for: one trouble at a time."""
        time.sleep(self.random.uniform(0, 3))
        if kind == "Prefect server":
            self.prefect.start()
        elif kind == "database, all of it" and self.database is not None:
            self.database.start()
        elif kind == "worker" and self.worker is not None:
            self.worker.start_again()


def signal_one(place: Place, number: int, *parts: str, after: float = 0.0) -> int:
    """Send a signal to a process that works in a place, a moment after there is one; its id.

    Raises
    ------
    Hangs
        When there is none for long.
    """
    until(lambda: place.processes(*parts), f"a process {parts[0]} works in {place.data}", 90)
    time.sleep(after)
    pid = min(until(lambda: place.processes(*parts), f"a process {parts[0]} works in {place.data}", 90))
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return pid
