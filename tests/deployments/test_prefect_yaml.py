"""The deployments name flows that exist, and a server takes them."""

import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
import yaml

from flows.automations import HEARTBEAT
from flows.deploying import form
from flows.dispatch import DEPLOYMENTS
from tasks.archive.selection import Rules
from tasks.core.settings import Settings
from tasks.engines.choice import DEFAULT_QUEUE, HEASOFT_QUEUE
from tasks.library.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deployments" / "prefect.yaml"


@pytest.fixture(scope="module")
def deployments():
    return yaml.safe_load(FILE.read_text())["deployments"]


def flow_of(item):
    return item["entrypoint"].rpartition(".")[2]


def test_every_flow_can_be_started_alone(deployments):
    started = {flow_of(item) for item in deployments}
    assert started == {"sweep", "observation", "discovery", "download", "processing", "products"}


def test_entrypoints_are_flows_with_described_parameters(deployments):
    for item in deployments:
        name = flow_of(item)
        # A name in the installed package, so that a worker needs no clone.
        assert item["entrypoint"] == f"flows.{name}.{name}"
        flow = getattr(importlib.import_module(f"flows.{name}"), name)
        assert flow.name == name
        assert flow.description
        described = flow.fn.__doc__ or ""
        assert all(parameter in described for parameter in flow.parameters.properties), name


def test_names_are_distinct_and_one_sweep_runs_at_a_time(deployments):
    names = [(item["entrypoint"], item["name"]) for item in deployments]
    assert len(set(names)) == len(names)
    sweeps = {item["name"]: item for item in deployments if flow_of(item) == "sweep"}
    limit = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert all(item["concurrency_limit"] == limit for item in sweeps.values())
    assert set(sweeps) == {"nightly", "weekly-check", "on-demand", "retry-failed"}
    assert not [item for item in deployments if "concurrency_limit" in item and flow_of(item) != "sweep"]


def test_schedules(deployments):
    found = {item["name"]: item["schedules"] for item in deployments if "schedules" in item}
    assert {name: each.get("active", True) for name, (each,) in found.items()} == {
        "nightly": True,
        "weekly-check": False,
    }
    # By its name Prefect finds a schedule again.
    assert all(each["slug"] == name for name, (each,) in found.items())


def test_each_has_tags_a_text_and_the_version_of_the_project(deployments):
    for item in deployments:
        assert item["version"] == version("xtendflow")
        assert "xtendflow" in item["tags"]
        assert item["description"].endswith(".")


def test_parameters_that_are_given_hold(deployments):
    given = {item["name"]: item["parameters"] for item in deployments if "parameters" in item}
    assert Recipe.model_validate(given.pop("one-heasoft")["recipe"]) == Recipe(engine="heasoft")
    assert Rules.model_validate(given.pop("weekly-check")["rules"]) == Rules(verify=True)
    assert Rules.model_validate(given.pop("retry-failed")["rules"]) == Rules(only="failed")
    assert not given


def test_runs_give_signs_of_life(deployments):
    wanted = str(int(HEARTBEAT.total_seconds()))
    assert {variables(item)["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] for item in deployments} == {wanted}


def objects(schema):
    """Every model of a form."""
    for name, item in schema["definitions"].items():
        if item["type"] == "object":
            yield name, item


def test_forms_explain_themselves(deployments):
    """But for the row of the catalogue, which only a sweep gives."""
    for entrypoint in sorted({item["entrypoint"] for item in deployments}):
        schema = form(entrypoint)
        for name, item in objects(schema):
            assert item["additionalProperties"] is False, name
            if name not in ("Observation", "Caution"):
                mute = [
                    key
                    for key, each in item["properties"].items()
                    # Models explain themselves.
                    if not each.get("description") and "$ref" not in each
                ]
                assert not mute, f"{entrypoint}: {name} does not explain {mute}"


def test_bands_and_numbers_of_observations_are_text_with_an_example():
    schema = form("flows.sweep.sweep")
    band = schema["definitions"]["Band"]
    assert (band["type"], band["examples"]) == ("string", ["0.6-10"])
    assert re.fullmatch(band["pattern"], band["examples"][0])
    assert schema["definitions"]["Query"]["properties"]["obsids"]["items"]["examples"] == ["000128000"]
    # What the form shows at first is what it takes.
    default = schema["properties"]["recipe"]["default"]
    assert all(re.fullmatch(band["pattern"], text) for text in default["images"]["bands"])


def test_what_needs_heasoft_goes_to_its_workers(deployments):
    queues = {item["name"]: item["work_pool"]["work_queue_name"] for item in deployments}
    assert queues.pop("one-heasoft") == HEASOFT_QUEUE
    assert set(queues.values()) == {DEFAULT_QUEUE}


def variables(item):
    return item["work_pool"].get("job_variables", {}).get("env", {})


def test_sweeps_alone_leave_their_observations_to_workers(deployments, monkeypatch):
    told = {item["name"] for item in deployments if "XTENDFLOW_DISPATCH" in variables(item)}
    assert told == {item["name"] for item in deployments if flow_of(item) == "sweep"}
    for item in deployments:
        for name, value in variables(item).items():
            assert isinstance(value, str), "an environment has nothing but text"
            monkeypatch.setenv(name, value)
        assert Settings().dispatch == ("deployment" if item["name"] in told else "here")
        monkeypatch.undo()


def test_a_sweep_finds_the_deployment_of_each_queue(deployments):
    named = {f"{flow_of(item)}/{item['name']}": item["work_pool"]["work_queue_name"] for item in deployments}
    assert {named[name]: name for name in DEPLOYMENTS.values()} == DEPLOYMENTS


@pytest.mark.system
def test_a_server_takes_them_and_checks_what_is_typed_into_its_forms(tmp_path, deployments):
    from flows.server import prefect_server

    with prefect_server(Settings(data=tmp_path)) as server:
        environment = {**server.environment(tmp_path / "prefect"), "PWD": os.fspath(ROOT)}

        def run(*words):
            return subprocess.run(
                words,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )

        def prefect(*words):
            return run(sys.executable, "-m", "prefect", *words)

        def ours():
            return run(Path(sys.executable).with_name("xtendflow"), "deploy", "--pool", "xtendflow")

        assert ours().returncode == 0
        done = prefect("deploy", "--prefect-file", os.fspath(FILE), "--all")
        assert done.returncode == 0, done.stdout + done.stderr
        listed = httpx.post(f"{server.api}/deployments/filter", json={}).json()
        assert len(listed) == len(deployments)
        assert {item["name"] for item in listed} == {item["name"] for item in deployments}
        # Both commands read the file in the same way, but Prefect's forms take names that nothing reads.
        again = ours()
        assert again.returncode == 0, again.stderr
        changed = [line for line in again.stdout.splitlines() if line.startswith("changed")]
        assert len(changed) == len(deployments)
        assert all(line.endswith(" (parameter_openapi_schema)") for line in changed)
        assert "Everything is there already" in ours().stdout
        refused = prefect("deployment", "run", "observation/one", "-p", 'obsid="../../etc"')
        assert refused.returncode != 0
        assert "does not match" in refused.stdout + refused.stderr
