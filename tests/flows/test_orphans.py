"""What a sweep says of the flow runs whose process was killed before."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

FAINT, CLASS = "900004010", "30000010"
UNFINISHED = {"RUNNING", "PENDING", "CANCELLING"}


@pytest.fixture(scope="module")
def api(own_api):
    """Any sweep tidies up behind all that are gone, on the common server as well."""
    return own_api


def test_the_next_sweep_says_that_a_killed_one_crashed(place, prefect, wait, finish):
    # So long that nobody could wait until the lease has run out.
    place = place.with_variables(XTENDFLOW_LEASE_SECONDS="600")
    before = {run["id"] for run in prefect.ask("flow_runs")}
    command = place.start(*place.words(FAINT))
    wait(place.children, "work goes on")
    (flow,) = (pid for pid, words in place.processes().items() if "flows.cli.run_sweep" in words)
    os.kill(flow, signal.SIGKILL)
    killed = finish(command)
    assert (killed.status, killed.summary) == (3, None)
    assert killed.err.endswith("xtendflow: the sweep was ended by SIGKILL; what was finished is kept\n")
    wait(lambda: not place.processes(), "nothing outlives the command")
    left = {run["id"]: run for run in prefect.ask("flow_runs") if run["id"] not in before}
    running = {key for key, run in left.items() if run["state_type"] in UNFINISHED}
    assert len(running) >= 3, "the sweep, its observation, and what that was at"
    (attempt,) = place.attempts()
    assert (attempt["ended"], attempt["standing"]["state"]) == (None, "running")

    swept = place.sweep(FAINT)
    assert swept.status == 0, swept.err
    assert swept.states == {(FAINT, CLASS): "done"}
    assert f"{len(running)} flow runs of processes that are gone are marked as crashed" in swept.err
    after = {run["id"]: run for run in prefect.ask("flow_runs") if run["id"] not in before}
    assert not [run["name"] for run in after.values() if run["state_type"] in UNFINISHED]
    assert {key for key, run in after.items() if run["state_type"] == "CRASHED"} == running
    told = f"the process {socket.gethostname()}:{flow} that ran it is gone"
    assert {after[key]["state"]["message"] for key in running} == {told}
    first, second = place.attempts()
    assert first["id"] == attempt["id"]
    assert first["ended"]
    assert (first["standing"]["kind"], first["standing"]["reason"]) == (
        "transient",
        "its process was killed",
    )
    assert second["standing"]["state"] == "done"
    assert "gone are marked" not in place.sweep(FAINT).err


MANY = """
import asyncio, json, sys
from datetime import UTC, datetime, timedelta
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.states import Completed, Crashed, Pending, Running
from flows import orphans
from flows.orphans import end_orphans, process_tag
from tasks.library.rows import SweepRow
from tasks.library.site import this_site

@flow
def other(): ...

@flow(name="observation")
def one(): ...

@task
def calling(): ...

orphans._PORTION = 4
orphans.begins_within = lambda site: timedelta(seconds=PATIENCE)

async def main():
    site, gone = this_site(), sys.argv[1]
    async with get_client() as client:
        parent, bystander = [await client.create_flow_run(other, state=Running()) for _ in range(2)]
        link = await client.create_task_run(calling, flow_run_id=parent.id, dynamic_key="0", state=Running())
        below = {"parent_task_run_id": link.id}
        ended = await client.create_flow_run(other, state=Completed(), **below)
        many = [await client.create_flow_run(other, state=Pending(), **below) for _ in range(9)]
        made = await client.create_deployment(await client.create_flow(other), "elsewhere")
        far = await client.create_flow_run_from_deployment(made, state=Running(), **below)
        site.ledger.record_sweep(
            SweepRow("killed", datetime.now(UTC), None, "standard", {}, gone, str(parent.id))
        )
        told = await client.create_flow_run(other, state=Crashed())
        link = await client.create_task_run(calling, flow_run_id=told.id, dynamic_key="0", state=Running())
        silent = await client.create_flow_run(other, state=Running(), parent_task_run_id=link.id)
        site.ledger.record_sweep(
            SweepRow("told", datetime.now(UTC), None, "standard", {}, gone, str(told.id))
        )
        link = await client.create_task_run(calling, bystander.id, dynamic_key="0", state=Running())
        nobodys = await client.create_flow_run(one, state=Pending(), parent_task_run_id=link.id)
        begun = await client.create_flow_run(one, state=Running(), parent_task_run_id=link.id)
        # A worker saw its process die, and nothing had been noted of it.
        dead = await client.create_flow_run(other, state=Crashed())
        link = await client.create_task_run(calling, dead.id, dynamic_key="0", state=Running())
        below = {"state": Running(), "parent_task_run_id": link.id}
        left = [await client.create_flow_run(one, **below) for _ in range(9)]
        early, alive = [
            await client.create_flow_run(other, state=Running(), tags=[process_tag(holder)])
            for holder in (gone, site.holder)
        ]
        made = await client.create_deployment(await client.create_flow(one), "taken")
        taken = await client.create_flow_run_from_deployment(made, state=Pending())
        await end_orphans(site)
        runs = {
            "early": [early], "alive": [alive], "taken": [taken], "parent": [parent],
            "bystander": [bystander], "ended": [ended], "many": many, "far": [far],
            "silent": [silent], "nobodys": [nobodys], "begun": [begun], "left": left,
        }
        print(json.dumps({
            name: sorted({(await client.read_flow_run(run.id)).state_name for run in each})
            for name, each in runs.items()
        }))

asyncio.run(main())
"""


@pytest.mark.parametrize(("patience", "taken"), [(3600, "Pending"), (0, "Crashed")])
def test_only_what_went_on_in_the_process_crashed(place, patience, taken):
    """More of it than the server tells at once, and among runs of others."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    gone = f"{socket.gethostname()}:{ended.pid}"
    script = MANY.replace("sys.argv[1]", repr(gone)).replace("PATIENCE", str(patience))
    assert json.loads(place.python(script).splitlines()[-1]) == {
        "parent": ["Crashed"],
        "many": ["Crashed"],
        "early": ["Crashed"],
        "ended": ["Completed"],
        "alive": ["Running"],
        "bystander": ["Running"],
        "far": ["Running"],
        "taken": [taken],
        "silent": ["Crashed"],
        "nobodys": [taken],
        "begun": ["Running"],
        "left": ["Crashed"],
    }
