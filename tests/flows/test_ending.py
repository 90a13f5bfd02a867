"""How sweeps end when they are asked to: in time, with everything noted, and the next one goes on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

OBSID, CLASS = "900004010", "30000010"
PROMISE = 30.0
"""Seconds in which a sweep ends that is asked to."""

OBSERVATION = f"""
import asyncio
from flows.observation import observation
from tasks.core.identifiers import ObsID
asyncio.run(observation(ObsID("{OBSID}"), return_state=True))
"""


@pytest.fixture
def stall(place, wait) -> Callable[[str], int]:
    """Has the child that does a function take for ever."""

    def stalled(function: str) -> int | None:
        for pid in place.children():
            with suppress(OSError, ValueError):
                call = json.loads(Path(f"/proc/{pid}/cwd/.call.json").read_bytes())
                if (call.get("function") or "").endswith(f":{function}"):
                    os.killpg(pid, signal.SIGSTOP)
                    return pid
        return None

    return lambda function: wait(lambda: stalled(function), f"{function} is called")


def check_end(place, prefect, wait, *, done: bool) -> None:
    """Nothing goes on, and everything that has begun says how it ended."""
    assert place.processes() == {}
    (attempt,) = place.attempts()
    assert attempt["ended"] is not None
    assert attempt["standing"]["reason"] == "it was interrupted"
    place.check_store(leftovers=True)
    assert bool(place.published()) == done
    assert not any((place.folder / "scratch").glob("*/*")), "nobody needs what was half done"
    runs = runs_around(prefect, attempt["flow_run_id"])
    of_ours = {"flow_runs": {"id": {"any_": runs}}}
    over = {"COMPLETED", "CRASHED", "CANCELLED"}
    assert {run["state_type"] for run in prefect.ask("flow_runs", **of_ours)} <= over

    def tasks() -> set[str]:
        return {run["state_type"] for run in prefect.ask("task_runs", **of_ours)}

    # Records of task runs come a moment late.
    wait(lambda: tasks() <= over, f"no task is left at {tasks() - over}")


def runs_around(prefect, observation: str) -> list[str]:
    """The flow run of an observation, those that it has started, and the sweep that has started it."""
    (run,) = prefect.ask("flow_runs", flow_runs={"id": {"any_": [observation]}})
    found = [observation]
    for number in found:
        of_run = {"flow_runs": {"parent_flow_run_id": {"any_": [number]}}}
        found += [below["id"] for below in prefect.ask("flow_runs", **of_run)]
    if sweep := run["parameters"].get("sweep"):
        start = sweep.rpartition("-")[2]
        found += [run["id"] for run in prefect.flow_runs("sweep") if run["id"].startswith(start)]
    return found


@pytest.mark.parametrize(
    ("number", "function", "done"),
    [(signal.SIGHUP, "fetch_observation", False), (signal.SIGTERM, "extract", True)],
    ids=["SIGHUP while it downloads", "SIGTERM while it extracts"],
)
def test_a_sweep_that_is_asked_to_end(place, prefect, stall, number, function, done, wait):
    """Even during a step that would take for ever."""
    command = place.start(*place.words(OBSID))
    stall(function)
    command.send_signal(number)
    out, err = command.communicate(timeout=PROMISE)
    assert (command.returncode, out) == (130, ""), err
    assert err.rstrip().endswith("what was finished is kept, the next sweep goes on")
    assert "Traceback" not in err
    check_end(place, prefect, wait, done=done)

    if number is signal.SIGTERM:
        before = place.published()
        swept = place.sweep(OBSID)
        assert (swept.status, swept.states) == (0, {(OBSID, CLASS): "done"}), swept.err
        assert before.items() <= place.published().items(), "what was finished is adopted"
        place.check_store()


def test_everybody_is_asked_at_once(place, prefect, stall, wait):
    """As systemd does: command, sweep and tools all hear of it, and of more than one signal."""
    command = place.start(*place.words(OBSID))
    stall("extract")
    for number, pid in product((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), place.processes()):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    out, err = command.communicate(timeout=PROMISE)
    assert (command.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    check_end(place, prefect, wait, done=True)


def test_an_observation_of_a_worker_that_is_asked_to_end(place, prefect, stall, wait):
    """Workers send SIGTERM to the process of a run that is cancelled, and when they end themselves."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", OBSERVATION],
        env={**place.environment, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"},
        cwd=place.folder.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    stall("extract")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PROMISE)
    assert process.returncode != 0, err
    check_end(place, prefect, wait, done=True)
