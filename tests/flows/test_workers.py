"""Sweeps whose observations are done by real workers of two work queues; HEASoft is a double."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from astropy.table import Table

from flows.server import prefect_server
from tasks.core.settings import Settings
from tasks.library.recipe import Recipe

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

ROOT = Path(__file__).resolve().parents[2]
TWO = ("900001010", "900004010")
ALREADY = "has a flow run already"
SMALL = """
[images]
bands = ["0.6-10"]
binnings = [4]
[exposure]
binnings = [4]
[light_curves]
bands = []
"""
"""As little as a recipe can ask for: it is about where things are made."""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A server for these tests alone, as workers take whatever lies in the queues of their server."""
    home = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        with prefect_server(Settings(data=home)) as server:
            environment = server.environment(home / "deploying")
            file, names = "deployments/prefect.yaml", ("on-demand", "one", "one-heasoft")
            for words in (
                ("work-pool", "create", "--type", "process", "xtendflow"),
                ("deploy", "--prefect-file", file, *(word for name in names for word in ("--name", name))),
            ):
                done = subprocess.run(
                    [sys.executable, "-m", "prefect", "--no-prompt", *words],
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stdout + done.stderr
            yield server.api


@pytest.fixture
def place(place, tmp_path):
    """A data directory whose catalogue has two observations; sweeps leave them to workers."""
    catalogue = tmp_path / "two.ecsv"
    table = Table.read(place.archive / "xrismmastr.ecsv")
    table[[row["obsid"] in TWO for row in table]].write(catalogue)
    return place.with_variables(
        XTENDFLOW_CATALOGUE=str(catalogue), XTENDFLOW_DISPATCH="deployment", XTENDFLOW_LEASE_SECONDS="60"
    )


@pytest.fixture
def worker(tmp_path):
    """Starts workers of some queues on a host, and ends them with the test."""
    with ExitStack() as started:

        def start(host, *queues):
            # Sweeps that are started by a deployment dispatch because it says so.
            variables = host.environment | {
                "XTENDFLOW_DISPATCH": "",
                "PREFECT_HOME": str(tmp_path / f"worker-{len(queues)}"),
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            }
            words = ("--pool", "xtendflow", *(word for queue in queues for word in ("--work-queue", queue)))
            log = started.enter_context((tmp_path / f"worker-{len(queues)}.log").open("ab"))
            process = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "prefect", "worker", "start", *words],
                    cwd=tmp_path,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
            started.callback(process.terminate)

        yield start


def test_each_observation_goes_to_workers_that_have_its_engines(
    heasoft, place, worker, prefect, wait, tmp_path
):
    (tmp_path / "small.toml").write_text(SMALL)
    words = ("--recipe", str(tmp_path / "small.toml"), "--engine", "heasoft")
    heasoft.python(
        "from tasks.engines.choice import register; from tasks.library.site import this_site;"
        "register(this_site())"
    )
    worker(place, "default")
    worker(heasoft, "default", "heasoft")
    swept = place.sweep(more=words)
    assert swept.status == 0, swept.err
    assert set(swept.states.values()) == {"done"}
    runs = check_runs(prefect, swept.summary["sweep"], "heasoft", place)
    assert {run["id"] for run in runs} == {attempt["flow_run_id"] for attempt in place.attempts()}
    assert {run["name"] for run in runs} == {"900001010 SIM full window", "900004010 SIM faint"}
    (sweep,) = {json.dumps(run["parameters"]["recipe"], sort_keys=True) for run in runs}
    assert json.loads(sweep)["heasoft"]["version"] == "6.36"

    # Whoever asks for the same has nothing to do.
    again = place.sweep(more=words)
    assert (again.status, again.begun) == (0, {})
    assert len(prefect.flow_runs("observation")) == len(TWO)

    # As a schedule or the form does it: the sweep is a worker's run, too.
    found = httpx.get(f"{prefect.api}/deployments/name/sweep/on-demand", trust_env=False).json()
    recipe = Recipe(engine="native", **tomllib.loads(SMALL)).model_dump(mode="json")
    made = httpx.post(
        f"{prefect.api}/deployments/{found['id']}/create_flow_run",
        json={"parameters": {"recipe": recipe}, "state": {"type": "SCHEDULED"}},
        trust_env=False,
    )
    number = made.raise_for_status().json()["id"]
    ended = wait(
        lambda: [
            run
            for run in prefect.flow_runs("sweep")
            if run["id"] == number and run["state_type"] not in ("SCHEDULED", "PENDING", "RUNNING")
        ],
        "the deployed sweep ends",
    )
    assert ended[0]["state_type"] == "COMPLETED", ended[0]["state"]
    (native,) = {run["parameters"]["sweep"] for run in prefect.flow_runs("observation")} - {
        swept.summary["sweep"]
    }
    check_runs(prefect, native, "native", place)
    place.check_store()


def check_runs(prefect, sweep, engine, place):
    """The runs of a sweep's observations: on the queue of their engine, which made all products."""
    runs = [run for run in prefect.flow_runs("observation") if run["parameters"]["sweep"] == sweep]
    assert {run["parameters"]["obsid"] for run in runs} == set(TWO)
    assert len(runs) == len(TWO)
    assert {run["work_queue_name"] for run in runs} == {"heasoft" if engine == "heasoft" else "default"}
    assert {run["state_type"] for run in runs} == {"COMPLETED"}
    assert all(run["parent_task_run_id"] for run in runs), "they stand below the sweep in the UI"
    manifests = place.manifests()
    assert len(manifests) == len(TWO)
    steps = [step for manifest in manifests.values() for step in manifest["steps"].values()]
    assert {step["engine"] for step in steps} == {engine}
    return runs


def test_a_sweep_adopts_what_a_killed_one_left_with_workers(place, worker, prefect, wait, finish):
    others = {run["id"] for run in prefect.flow_runs("observation")}

    def runs(*kinds):
        found = (run for run in prefect.flow_runs("observation") if run["id"] not in others)
        return [run for run in found if not kinds or run["state_type"] in kinds]

    first = place.start(*place.words(), "--engine", "native")

    wait(lambda: len(runs("SCHEDULED")) == len(TWO), "the runs lie in the queue")
    kill_sweep(place)
    assert finish(first).status == 3
    # Nobody has taken them yet.
    second = place.start(*place.words(), "--engine", "native")
    said(second, ALREADY)
    worker(place, "default")
    wait(lambda: hold(place) == len(TWO), "both are under way")
    kill_sweep(place)
    assert finish(second).status == 3
    # Now they go on.
    third = place.start(*place.words(), "--engine", "native")
    said(third, ALREADY)
    for pid in place.children():
        os.kill(pid, signal.SIGCONT)
    swept = finish(third)
    assert swept.status == 0
    assert set(swept.states.values()) == {"done"}
    assert {run["parameters"]["obsid"] for run in runs("COMPLETED")} == set(TWO)
    assert len(runs()) == len(place.attempts()) == len(TWO)
    place.check_store()


def kill_sweep(place):
    """Kill the process that runs a sweep's flow."""
    (pid,) = (pid for pid, command in place.processes().items() if "flows.cli.run_sweep" in command)
    os.kill(pid, signal.SIGKILL)


def hold(place):
    """Stop the calls that are under way, so that their observations do not end; how many they are."""
    children = place.children()
    for pid in children:
        # It may have ended since.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    return len(children)


def said(process, text):
    """Read what a sweep says until it has said something of every observation."""
    told, about = [], set()
    while len(about) < len(TWO):
        told.append(process.stderr.readline())
        assert told[-1], told
        about |= {line.split()[0] for line in told if text in line}
