"""Several at once: two sweeps, a holder that is dead, a holder that comes back late."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress

from checker import read_manifests, truth
from journal import Journal
from killing import SWEEP_FLOW, TOOL, signal_one
from place import LEASE_SECONDS, Command, Place, until
from recipes import plain
from stage import OBSIDS, Stage, reason, settle

_FAINT = OBSIDS[0]


def crowds(stage: Stage) -> Iterator[str]:
    """One after another, each in a place of its own."""
    for play in (_two_sweeps, _dead_holder, _late_holder):
        stage.stand()
        place = stage.place(play.__name__.strip("_"))
        with Journal(place.store) as journal:
            yield from play(stage, place)
            yield from settle(stage, place, plain(), *OBSIDS[:2])
        yield from journal.twice()


def _beside(stage: Stage, place: Place) -> Place:
    """Another host's place with the same store and ledger: downloads and scratch are its own."""
    other = place.having(
        XTENDFLOW_DATA=str(place.folder / "other"),
        XTENDFLOW_STORE=str(place.store),
        XTENDFLOW_LEDGER=place.ledger,
    )
    stage.places.append(other)
    return other


def _two_sweeps(stage: Stage, place: Place) -> Iterator[str]:
    """Both begin together, over one store and ledger."""
    for command in [one.sweep(plain(), *OBSIDS[:2]) for one in (place, _beside(stage, place))]:
        yield from stage.ended(command)
        if command.process.returncode not in (0, 1):
            yield f"one of two sweeps ended {command.process.returncode} ({command.err}): {reason(command)}"
    yield from truth(place.store, read_manifests(place.store))


def _dead_holder(stage: Stage, place: Place) -> Iterator[str]:
    """A host dies with its lease: others wait for the lease to run out, and no longer."""
    command = place.sweep(plain(), _FAINT)
    signal_one(place, signal.SIGKILL, TOOL)
    signal_one(place, signal.SIGKILL, SWEEP_FLOW)
    yield from stage.ended(command)
    # Had it been another host's, nobody here could see that it is dead.
    _rename_holder(place, LEASE_SECONDS + 15)
    refused = place.sweep(plain(), _FAINT)
    yield from stage.ended(refused)
    states = _states(refused)
    if states != {"running"}:
        yield f"a sweep took {_FAINT} while another host held it: {states} ({refused.err})"
    time.sleep(LEASE_SECONDS + 15)
    taken = place.sweep(plain(), _FAINT)
    yield from stage.ended(taken)
    if _states(taken) != {"done"}:
        yield f"a lease that has run out still keeps others away: {_states(taken)} ({taken.err})"


def _rename_holder(place: Place, seconds: float) -> None:
    path = place.ledger.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        connection.execute(
            "UPDATE leases SET holder = 'elsewhere:1', expires = ? WHERE name = ?",
            (time.time() + seconds, _FAINT),
        )


def _late_holder(stage: Stage, place: Place) -> Iterator[str]:
    """A sweep is frozen for longer than its lease, another one does the work, and the first comes back."""
    late = place.sweep(plain(), _FAINT)
    until(lambda: read_manifests(place.store), "something is published")
    pid = signal_one(place, signal.SIGSTOP, SWEEP_FLOW, after=stage.random.uniform(0, 3))
    time.sleep(LEASE_SECONDS + 2)
    other = _beside(stage, place)
    second = other.sweep(plain(), _FAINT)
    yield from stage.ended(second)
    if _states(second) != {"done"}:
        yield f"nobody could take over from a frozen holder: {_states(second)} ({second.err})"
    before = {key: json.dumps(content) for key, content in read_manifests(place.store).items()}
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    yield from stage.ended(late)
    after = {key: json.dumps(content) for key, content in read_manifests(place.store).items()}
    if after != before:
        yield f"a holder that came back late published: {late.err}"


def _states(command: Command) -> set[str]:
    summary = command.summary
    return {item["standing"]["state"] for item in summary["results"]} if summary else set()
