"""Kills at random moments: of sweeps, workers, tools, the Prefect server and the database."""

import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from figures import note
from journal import Journal
from killing import Killer
from place import LEASE_SECONDS, Command, Place
from recipes import Recipes
from servers import POSTGRESQL, PostgreSQL
from stage import OBSIDS, PATIENT, Stage, settle
from worker import Worker

from tasks.library.recipe import Recipe

_OVERTIME = 2.0
"""So many times its time the phase may take besides, until everybody has been killed often enough."""
_TIMES = 3
"""How often one recipe is swept while somebody kills, before another is."""


def kills(stage: Stage) -> Iterator[str]:
    """Sweeps and single observations over one store and ledger, until the time is over; then one in peace."""
    database = None
    if POSTGRESQL is None:
        stage.figures.left_out.append("kills of the database: no PostgreSQL server is installed")
    else:
        database = PostgreSQL(Path(tempfile.mkdtemp(prefix="chaos-")) / "pg", POSTGRESQL.parent)
        # The user that PostgreSQL runs as has to get there.
        database.folder.parent.chmod(0o755)
        database.create()
    place = stage.place("kills", **({"XTENDFLOW_LEDGER": database.url} if database else {}))
    worker = Worker(place, stage.prefect)
    try:
        with Journal(place.store) as journal:
            worker.deploy()
            worker.start()
            recipe = yield from _disturbed(stage, place, worker, database)
            stage.figures.forced += worker.end()
            yield from settle(stage, place, recipe, *OBSIDS)
            if _running(stage):
                # What a worker took and never began counts as dead after five leases.
                time.sleep(6 * LEASE_SECONDS)
                yield from settle(stage, place, recipe, *OBSIDS)
        yield from journal.twice()
        yield from (f"the flow run {name} is Running for ever on the server" for name in _running(stage))
    finally:
        if database is not None:
            database.stop()
            shutil.rmtree(database.folder.parent)


def _disturbed(stage: Stage, place: Place, worker: Worker, database: PostgreSQL | None) -> Iterator[str]:
    """Sweep and kill; the last recipe."""
    killer = Killer(place, stage.prefect, database, worker, stage.random, stage.figures)
    overtime = _OVERTIME * stage.seconds
    recipes = Recipes(stage.random)
    recipe, left = recipes.next(), _TIMES
    while _goes_on(stage, killer, overtime):
        stage.stand()
        _order(stage, worker, recipe)
        where = place.having(XTENDFLOW_DISPATCH=stage.random.choice(("here", "deployment")))
        command = where.sweep(recipe, *OBSIDS, more=PATIENT)
        _trouble(stage, killer, command, overtime)
        yield from stage.ended(command)
        left -= 1
        if command.process.returncode == 0 or not left:
            recipe, left = recipes.next(), _TIMES
            # Sometimes everything has to be downloaded again.
            if stage.random.random() < 0.3 and not place.processes("tasks.engines.child"):
                shutil.rmtree(place.data / "downloads", ignore_errors=True)
    if not killer.has_killed(stage.each):
        stage.figures.left_out.append(f"fewer than {stage.each} kills of some kind: the time was over")
    return recipe


def _order(stage: Stage, worker: Worker, recipe: str) -> None:
    """Have the worker do one of the observations as well."""
    asked = Recipe.model_validate(tomllib.loads(recipe)).model_dump(mode="json")
    worker.order(stage.random.choice(OBSIDS), asked)


def _goes_on(stage: Stage, killer: Killer, overtime: float) -> bool:
    return stage.seconds > 0 or (not killer.has_killed(stage.each) and stage.seconds > -overtime)


def _trouble(stage: Stage, killer: Killer, command: Command, overtime: float) -> None:
    """Kill now and then as long as a sweep runs."""

    def on() -> bool:
        return command.runs and _goes_on(stage, killer, overtime)

    while on():
        time.sleep(stage.random.uniform(0, 2))
        if on() and (kind := killer.strike(on)):
            note(f"killed: {kind}")


def _running(stage: Stage) -> list[str]:
    """Flow runs that the server takes for running though nobody runs them any more."""
    states = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
    runs = stage.prefect.ask("flow_runs/filter", flow_runs=states, limit=200)
    return [run["name"] for run in runs]
