"""A Prefect worker that runs single observations, beside a sweep or instead of it."""

import sys
from pathlib import Path
from typing import Any

from place import Command, Hangs, Place, until
from servers import PrefectServer

ROOT = Path(__file__).resolve().parents[2]
POOL = "xtendflow"
_DEPLOYMENT = "observation/one"
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Worker:
    """A process worker of a place; it can be started again after a kill."""

    def __init__(self, place: Place, prefect: PrefectServer) -> None:
        self._place = place.having(
            PREFECT_HOME=str(place.folder / "prefect"), PREFECT_WORKER_QUERY_SECONDS="2"
        )
        self._prefect = prefect
        self._runs: list[str] = []
        self._command: Command | None = None

    def deploy(self) -> None:
        """Tell the server of the pool and of the flow for one observation."""
        for words in (
            ("work-pool", "create", "--type", "process", "--overwrite", POOL),
            ("deploy", "--no-prompt", "--prefect-file", "deployments/prefect.yaml", "--name", "one"),
        ):
            command = self._place.start(sys.executable, "-P", "-m", "prefect", *words, cwd=ROOT)
            if command.status():
                raise Hangs(f"there is no worker: {command.out.read_text()[-300:]} {command.said[-300:]}")

    def start(self) -> None:
        """Start it."""
        words = ("prefect", "worker", "start", "--type", "process", "--pool", POOL, "--limit", "2")
        self._command = self._place.start(sys.executable, "-P", "-m", *words, cwd=ROOT)

    def start_again(self) -> None:
        """Start another in place of one that was just killed; that one may not be gone yet."""
        before = self._command
        if before:
            until(lambda: not before.runs, "the killed worker is gone", 30)
        self.start()

    def order(self, obsid: str, recipe: dict[str, Any]) -> None:
        """Ask for one observation."""
        found = self._prefect.get(f"deployments/name/{_DEPLOYMENT}")
        run = self._prefect.ask(
            f"deployments/{found['id']}/create_flow_run",
            parameters={"obsid": obsid, "recipe": recipe},
            state={"type": "SCHEDULED"},
        )
        self._runs.append(run["id"])

    def states(self) -> list[str]:
        """How the ordered runs stand."""
        return [self._prefect.get(f"flow_runs/{run}")["state_type"] for run in self._runs]

    def end(self) -> tuple[str, ...]:
        """Withdraw what has not begun, ask the worker to end, and let what it runs end by itself.

        Returns
        -------
        tuple of str
            Commands of processes that did not end in four minutes, and were killed: one may be left of a
            worker that was killed as it started it.
        """
        for run in self._runs:
            if self._prefect.get(f"flow_runs/{run}")["state_type"] in ("SCHEDULED", "PENDING"):
                self._prefect.ask(f"flow_runs/{run}/set_state", state={"type": "CANCELLED"}, force=True)
        if self._command:
            # It waits for its runs.
            self._command.process.terminate()
        try:
            until(lambda: not self._place.processes(), "the worker and its runs have ended", 240)
        except Hangs:
            left = tuple(self._place.processes().values())
            self._place.kill_all()
            until(lambda: not self._place.processes(), "killed processes are gone", 30)
            return left
        return ()
