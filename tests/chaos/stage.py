"""What a phase of the campaign is given, and the sweeps that every phase ends with."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import checker
from figures import Figures, note
from place import Command, Hangs, Place
from servers import PrefectServer

OBSIDS = ("900004010", "900002010", "900001010")
"""A faint target with few events, one with two data classes, and a full window: four datasets."""

PATIENT = ("--max-attempts", "1000")
"""Kills are counted as attempts: without this observations would be given up in the middle."""


@dataclass(frozen=True)
class Stage:
    """What a phase has to play with.

    Parameters
    ----------
    folder : Path
        Of its own.
    archive : Path
        Simulated.
    prefect : PrefectServer
        One that stands for the whole campaign, kills aside.
    random : Random
        Its chance.
    figures : Figures
        Where it counts.
    ends : float
        When its time is over, on the monotonic clock.
    each : int
        How often each kind of process is to be killed.
    """

    folder: Path
    archive: Path
    prefect: PrefectServer
    random: Random
    figures: Figures
    ends: float
    each: int
    places: list[Place] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Time that is left."""
        return self.ends - time.monotonic()

    def place(self, name: str, **variables: str) -> Place:
        """A new place in the phase's folder."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        catalogue = self.archive / "xrismmastr.ecsv"
        place = Place(
            folder, str(self.archive), catalogue, {"PREFECT_API_URL": self.prefect.api, **variables}
        )
        self.places.append(place)
        return place

    def stand(self) -> None:
        """Have the Prefect server up."""
        if not self.prefect.answers():
            self.prefect.kill()
            self.prefect.start()

    def ended(self, command: Command) -> Iterator[str]:
        """Count how a sweep ended; it has to end, and to say why when it was not killed."""
        try:
            status = command.status()
        except Hangs as exc:
            self.figures.sweeps["hung"] += 1
            yield str(exc)
            return
        name = "were killed" if status < 0 else f"ended {status}"
        self.figures.sweeps[name] += 1
        said = command.said
        if status >= 0 and "Traceback" in said:
            yield f"a sweep ended {status} with a traceback ({command.err}): {said.splitlines()[-1]}"
        if status > 0 and status != 1 and "xtendflow: " not in said:
            yield f"a sweep ended {status} without a reason ({command.err})"


def settle(stage: Stage, place: Place, recipe: str, *obsids: str) -> Iterator[str]:
    """One more sweep that nobody disturbs: it has to complete, and what it leaves has to be true."""
    stage.stand()
    # Somebody who was killed often is no poison here.
    command = place.sweep(recipe, *obsids, more=PATIENT)
    yield from stage.ended(command)
    if command.process.returncode != 0:
        yield f"the undisturbed sweep ended {command.process.returncode} ({command.err}): {reason(command)}"
    yield from check(stage, place)


def check(stage: Stage, place: Place) -> Iterator[str]:
    """What the checker finds in a place; its figures are added."""
    found = list(checker.check(place))
    manifests = checker.read_manifests(place.store)
    calls = place.calls()
    stage.figures.products += sum(len(manifest["products"]) for manifest in manifests.values())
    stage.figures.observations += len({dataset.partition("/")[0] for dataset in manifests})
    records = [json.loads(path.read_bytes()) for path in place.store.glob("*/attempts/*.json")]
    stage.figures.attempts += len(records)
    stage.figures.tries += sum(record["tries"] for record in records)
    stage.figures.calls += calls.total()
    stage.figures.again += calls.total() - len(calls)
    note(f"{place.folder.name}: {len(manifests)} datasets checked, {len(found)} violations")
    yield from found


def reason(command: Command) -> str:
    """What a sweep said last."""
    return " ".join(command.said.split())[-400:]
