"""The work pools' templates: complete, consistent, and what Prefect itself has plus our own defaults."""

import json
import re
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
POOLS = ROOT / "deployments" / "pools"
TYPES = {
    "process": "prefect",
    "docker": "prefect-docker",
    "kubernetes": "prefect-kubernetes",
    "ecs": "prefect-aws",
}
PLACE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")

every_type = pytest.mark.parametrize("kind", TYPES)


def template(kind):
    return json.loads((POOLS / f"{kind}.json").read_text(encoding="utf-8"))


def of_prefect(kind):
    """The template that the installed Prefect has for a type; for other packages' workers, too."""
    if kind == "process":
        return import_module("prefect.workers.process").ProcessWorker.get_default_base_job_template()
    file = files("prefect").joinpath("server/api/collections_data/views/aggregate-worker-metadata.json")
    return json.loads(file.read_text())[TYPES[kind]][kind]["default_base_job_configuration"]


def test_there_is_one_for_each_type():
    assert {path.stem for path in POOLS.iterdir()} == set(TYPES)


@every_type
def test_every_place_in_the_configuration_is_a_variable(kind):
    found = template(kind)
    assert set(found) == {"job_configuration", "variables"}
    places = set(PLACE.findall(json.dumps(found["job_configuration"])))
    assert places == set(found["variables"]["properties"]), "one is not defined, or is used nowhere"
    assert set(found["variables"].get("required", ())) <= places


@every_type
def test_variables_are_explained_and_their_defaults_hold(kind):
    variables = template(kind)["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    for name, item in variables["properties"].items():
        assert item["title"], name
        assert item["description"], name
    defaults = {name: item["default"] for name, item in variables["properties"].items() if "default" in item}
    jsonschema.validate(defaults, {**variables, "required": []})


@every_type
def test_nothing_that_prefect_has_is_missing(kind):
    ours, theirs = template(kind), of_prefect(kind)
    assert set(ours["job_configuration"]) == set(theirs["job_configuration"])
    missing = set(theirs["variables"]["properties"]) - set(ours["variables"]["properties"])
    assert not missing
    assert ours["variables"].get("definitions") == theirs["variables"].get("definitions")


@every_type
def test_a_server_takes_it_for_a_template(kind):
    create = import_module("prefect.server.schemas.actions").WorkPoolCreate
    made = create(name="pool", type=kind, base_job_template=template(kind))
    assert made.base_job_template == template(kind)


def test_a_process_runs_where_its_worker_was_started(tmp_path, monkeypatch):
    """Else it would run in a directory that is gone with it, and so would its data."""
    place = template("process")["variables"]["properties"]["working_dir"].pop("default")
    monkeypatch.chdir(tmp_path)
    configuration = import_module("prefect.workers.process").ProcessJobConfiguration
    assert configuration(working_dir=place).working_dir.resolve() == tmp_path


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_containers_have_the_image_of_this_version(kind):
    assert (
        template(kind)["variables"]["properties"]["image"]["default"] == f"xtendflow:{version('xtendflow')}"
    )
    # The same name as there, where it is built.
    assert f"xtendflow:{version('xtendflow')}" in (ROOT / "infra" / "compose.yaml").read_text()


def test_a_container_in_a_cluster_may_do_little():
    pod = template("kubernetes")["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_what_runs_in_a_cluster_may_talk_to_its_store():
    """Its network policy lets those in that are part of this."""
    pod = template("kubernetes")["job_configuration"]["job_manifest"]["spec"]["template"]
    policy = (ROOT / "infra" / "kubernetes" / "network.yaml").read_text()
    for name, value in pod["metadata"]["labels"].items():
        assert f"{name}: {value}" in policy


def test_products_of_a_task_outlive_it():
    ecs = template("ecs")
    (container,) = ecs["job_configuration"]["task_definition"]["containerDefinitions"]
    assert {"name": "XTENDFLOW_STORE", "value": "{{ store }}"} in container["environment"]
    assert "store" in ecs["variables"]["required"]


@every_type
def test_no_password_stands_in_it(kind):
    properties = template(kind)["variables"]["properties"]
    assert not [name for name in properties["env"]["default"] if re.search("PASSW|SECRET|KEY|AUTH", name)]
