"""The deployments name flows that exist, and a server takes them."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from flows.dispatch import DEPLOYMENTS
from tasks.core.settings import Settings
from tasks.engines.choice import DEFAULT_QUEUE, HEASOFT_QUEUE
from tasks.library.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deployments" / "prefect.yaml"


@pytest.fixture(scope="module")
def deployments():
    return yaml.safe_load(FILE.read_text())["deployments"]


def test_every_flow_can_be_started_alone(deployments):
    started = {item["entrypoint"].rpartition(":")[2] for item in deployments}
    assert started == {"sweep", "observation", "discovery", "download", "processing", "products"}


def test_entrypoints_are_flows_with_described_parameters(deployments):
    for item in deployments:
        path, _, name = item["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
        assert flow.name == name
        assert flow.description
        described = flow.fn.__doc__ or ""
        assert all(parameter in described for parameter in flow.parameters.properties), name


def test_names_are_distinct_and_one_sweep_runs_at_a_time(deployments):
    names = [(item["entrypoint"], item["name"]) for item in deployments]
    assert len(set(names)) == len(names)
    sweeps = [item for item in deployments if item["entrypoint"].endswith(":sweep")]
    limit = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert [item["concurrency_limit"] for item in sweeps] == [limit, limit]
    assert [bool(item.get("schedules")) for item in sweeps] == [True, False]


def test_what_needs_heasoft_goes_to_its_workers(deployments):
    queues = {item["name"]: item["work_pool"]["work_queue_name"] for item in deployments}
    assert queues.pop("one-heasoft") == HEASOFT_QUEUE
    assert set(queues.values()) == {DEFAULT_QUEUE}
    (given,) = (item["parameters"] for item in deployments if "parameters" in item)
    assert Recipe.model_validate(given["recipe"]) == Recipe(engine="heasoft")


def variables(item):
    return item["work_pool"].get("job_variables", {}).get("env", {})


def test_sweeps_alone_leave_their_observations_to_workers(deployments, monkeypatch):
    told = {item["name"] for item in deployments if "XTENDFLOW_DISPATCH" in variables(item)}
    assert told == {item["name"] for item in deployments if item["entrypoint"].endswith(":sweep")}
    for item in deployments:
        for name, value in variables(item).items():
            assert isinstance(value, str), "an environment has nothing but text"
            monkeypatch.setenv(name, value)
        assert Settings().dispatch == ("deployment" if item["name"] in told else "here")
        monkeypatch.undo()


def test_a_sweep_finds_the_deployment_of_each_queue(deployments):
    named = {
        f"{item['entrypoint'].rpartition(':')[2]}/{item['name']}": item["work_pool"]["work_queue_name"]
        for item in deployments
    }
    assert {named[name]: name for name in DEPLOYMENTS.values()} == DEPLOYMENTS


@pytest.mark.system
def test_a_server_takes_them_and_checks_what_is_typed_into_its_forms(tmp_path, deployments):
    from flows.server import prefect_server

    with prefect_server(Settings(data=tmp_path)) as server:
        environment = {**server.environment(tmp_path / "prefect"), "PWD": os.fspath(ROOT)}

        def prefect(*words):
            return subprocess.run(
                [sys.executable, "-m", "prefect", *words],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )

        prefect("work-pool", "create", "--type", "process", "xtendflow")
        done = prefect("deploy", "--prefect-file", os.fspath(FILE), "--all")
        assert done.returncode == 0, done.stdout + done.stderr
        listed = httpx.post(f"{server.api}/deployments/filter", json={}).json()
        assert len(listed) == len(deployments)
        assert {item["name"] for item in listed} == {item["name"] for item in deployments}
        refused = prefect("deployment", "run", "observation/one", "-p", 'obsid="../../etc"')
        assert refused.returncode != 0
        assert "does not match" in refused.stdout + refused.stderr
