"""`xtendflow deploy`: everything once, then only what differs; forms that refuse; messages that arrive."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from flows.automations import HEARTBEAT, SILENCE, notifications, watch
from flows.deploying import _agree, _as_active_as, _essence, _schedules, specification
from flows.server import prefect_server
from tasks.core.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
COMMAND = Path(sys.executable).with_name("xtendflow")
NUMBER = 10
"""Deployments that there are."""


def test_it_needs_a_server(xtendflow, monkeypatch):
    ended = xtendflow("deploy", "--pool", "main")
    assert (ended.status, ended.out, ended.written) == (3, "", ())
    assert ended.err == "xtendflow: PREFECT_API_URL is not set: it is the address of a Prefect server's API\n"
    monkeypatch.setenv("PREFECT_API_URL", "http://somebody:secret@127.0.0.1:9/api")
    ended = xtendflow("deploy", "--pool", "main", "--dry-run")
    assert ended.status == 3
    assert "does not answer" in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--pool"),
        (("--pool", ""), "--pool"),
        (("--pool", "a/b"), "is no name"),
        (("--pool", "Prefect-own"), "Prefect's own"),
    ],
)
def test_names_that_no_pool_can_have(refused, words, told):
    assert told in refused("deploy", *words)


def test_what_the_server_adds_is_no_difference():
    assert _agree({"collision_strategy": "CANCEL_NEW", "grace_period_seconds": None},
                  {"collision_strategy": "CANCEL_NEW"})  # fmt: skip
    assert not _agree({"collision_strategy": "ENQUEUE"}, {"collision_strategy": "CANCEL_NEW"})
    assert not _agree({"env": {}, "image": "own"}, {"env": {}})
    assert not _agree(None, [])


def test_whether_a_schedule_is_active_is_said_on_the_server():
    wanted = _schedules(next(item for item in specification()["deployments"] if item["name"] == "nightly"))
    there = [{**each, "active": False, "id": "x"} for each in wanted]
    assert _essence(wanted) == _essence(there)
    moved = [{**each, "schedule": {"cron": "0 4 * * *", "timezone": "UTC"}} for each in wanted]
    assert _essence(wanted) != _essence(moved)
    assert [each["active"] for each in _as_active_as(moved, there)] == [False]
    assert [each["active"] for each in _as_active_as(moved, [])] == [True]


def test_a_run_is_dead_after_more_than_three_heartbeats():
    found = watch(["sweep"])
    assert found.trigger.within == SILENCE > 3 * HEARTBEAT
    # A server may be away for as long as clients try again.
    assert timedelta(minutes=3) < SILENCE


def test_a_late_observation_is_nothing_to_tell():
    late = [each for each in notifications(str(uuid4())) if "prefect.flow-run.Late" in each.trigger.expect]
    assert [each.trigger.match_related["prefect.resource.name"] for each in late] == [["sweep"]]


class Prefect:
    """A server, and commands that talk to it."""

    def __init__(self, server, folder):
        self.api, self.folder = server.api, folder
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("XTENDFLOW_")},
            "PREFECT_API_URL": server.api,
            "PREFECT_HOME": str(folder / "home"),
            "DO_NOT_TRACK": "1",
        }

    def deploy(self, *words, command=(COMMAND,), **variables):
        return subprocess.run(
            [*command, "deploy", *words],
            cwd=self.folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, method, path, content=None):
        """An answer; a server whose database is busy is asked again, as Prefect's own client does."""
        for _ in range(5):
            answer = httpx.request(method, f"{self.api}{path}", json=content, trust_env=False, timeout=60)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(2)
        return answer

    def find(self, path):
        return self.ask("GET", path).raise_for_status().json()

    def run(self, flow):
        """A run that goes on, without a process."""
        number = self.ask("POST", "/flows/", {"name": flow}).json()["id"]
        made = self.ask(
            "POST", "/flow_runs/", {"flow_id": number, "name": "night", "state": {"type": "RUNNING"}}
        )
        return made.raise_for_status().json()["id"]

    def end(self, run, state):
        self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": True}).raise_for_status()


@pytest.fixture(scope="module")
def prefect(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        folder = tmp_path_factory.mktemp("deploy")
        with prefect_server(Settings(data=folder / "data")) as server:
            yield Prefect(server, folder)


@pytest.fixture(scope="module")
def deployed(prefect):
    done = prefect.deploy("--pool", "main")
    assert done.returncode == 0, done.stderr
    return prefect


def until(condition, what, seconds=90):
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(0.3)
    return value


def outcomes(done):
    """What became of things, by their kind and name."""
    assert done.returncode == 0, done.stderr
    lines = (line.partition(" ") for line in done.stdout.splitlines())
    return {rest.strip(): first for first, _, rest in lines if first in ("made", "changed", "left")}


@pytest.mark.system
def test_a_dry_run_makes_nothing_and_names_what_would_be(prefect):
    done = prefect.deploy("--pool", "elsewhere", "--dry-run")
    told = outcomes(done)
    assert told["work pool elsewhere"] == "made"
    assert len([what for what in told if what.startswith("deployment ")]) == NUMBER
    assert "would be made or changed; nothing was" in done.stdout
    assert prefect.ask("GET", "/work_pools/elsewhere").status_code == 404


@pytest.mark.system
def test_a_second_time_nothing_changes(deployed):
    before = deployed.ask("POST", "/deployments/filter", {}).json()
    assert len(before) == NUMBER
    assert {item["work_pool_name"] for item in before} == {"main"}
    again = deployed.deploy("--pool", "main")
    assert set(outcomes(again).values()) == {"left"}
    assert "Everything is there already; nothing was changed." in again.stdout
    assert "Without --notify nobody is told" in again.stdout
    assert deployed.ask("POST", "/deployments/filter", {}).json() == before
    pool = deployed.find("/work_pools/main")
    assert pool["type"] == "process"
    assert pool["base_job_template"]["variables"]["properties"]["working_dir"]["default"] == "."


@pytest.mark.system
def test_what_somebody_has_decided_stays_and_what_differs_is_put_right(deployed):
    nightly = deployed.find("/deployments/name/sweep/nightly")
    (schedule,) = nightly["schedules"]
    deployed.ask(
        "PATCH", f"/deployments/{nightly['id']}/schedules/{schedule['id']}", {"active": False}
    ).raise_for_status()
    own = {"name": "mine"}
    content = {"version": "0.0.0", "tags": ["own"], "parameters": {"rules": {"limit": 1}, "recipe": own}}
    deployed.ask("PATCH", f"/deployments/{nightly['id']}", content).raise_for_status()
    done = deployed.deploy("--pool", "main")
    changed = {what: told for what, told in outcomes(done).items() if told != "left"}
    assert changed == {"deployment sweep/nightly (parameters, tags, version)": "changed"}
    after = deployed.find("/deployments/name/sweep/nightly")
    assert (after["id"], after["version"], after["tags"]) == (
        nightly["id"],
        nightly["version"],
        nightly["tags"],
    )
    assert [each["active"] for each in after["schedules"]] == [False]
    assert after["parameters"] == {"recipe": own}
    assert [
        each["active"] for each in deployed.find("/deployments/name/sweep/weekly-check")["schedules"]
    ] == [False]


@pytest.mark.system
def test_a_recipe_is_given_to_whatever_takes_one_and_kept(deployed, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "mine"\nengine = "heasoft"\n[images]\nbinnings = [4]\n')
    done = deployed.deploy("--pool", "main", "--recipe", str(recipe))
    changed = {what for what, told in outcomes(done).items() if told == "changed"}
    assert {
        f"deployment sweep/{name} (parameters)" for name in ("nightly", "weekly-check", "on-demand")
    } < changed
    before = deployed.ask("POST", "/deployments/filter", {}).json()
    for item in before:
        takes = "recipe" in item["parameter_openapi_schema"]["properties"]
        assert item["parameters"].get("recipe", {}).get("name") == ("mine" if takes else None), item["name"]
    assert (
        deployed.find("/deployments/name/observation/one-heasoft")["parameters"]["recipe"]["engine"]
        == "heasoft"
    )
    checking = deployed.find("/deployments/name/sweep/weekly-check")["parameters"]
    assert (checking["rules"], checking["recipe"]["engine"]) == ({"verify": True}, "heasoft")
    assert set(outcomes(deployed.deploy("--pool", "main")).values()) == {"left"}
    assert deployed.ask("POST", "/deployments/filter", {}).json() == before

    recipe.write_text("nonsense = 1")
    refused = deployed.deploy("--pool", "main", "--recipe", str(recipe))
    assert refused.returncode == 2
    assert "nonsense" in refused.stderr


@pytest.mark.system
def test_one_sweep_at_a_time_whichever_started_it(deployed):
    def start(name):
        number = deployed.find(f"/deployments/name/sweep/{name}")["id"]
        run = (
            deployed.ask("POST", f"/deployments/{number}/create_flow_run", {}).raise_for_status().json()["id"]
        )
        state = {"state": {"type": "PENDING"}}
        answer = deployed.ask("POST", f"/flow_runs/{run}/set_state", state).raise_for_status().json()
        return run, answer["state"]["type"] if answer["state"] else answer["status"]

    first, state = start("on-demand")
    assert state == "PENDING"
    assert start("retry-failed")[1] == "CANCELLED"
    assert start("nightly")[1] == "CANCELLED"
    deployed.end(first, {"type": "COMPLETED"})
    third, state = start("retry-failed")
    assert state == "PENDING"
    deployed.end(third, {"type": "COMPLETED"})


GOOD = {
    "query": {"obsids": ["900001010"], "radius_arcmin": 15, "since": "2024-02-01"},
    "recipe": {"images": {"bands": ["0.6-10", ".5 - 2."]}, "engine": "native"},
    "rules": {"limit": 3},
}
BAD = [
    ({"recipe": {"images": {"bands": ["10-a"]}}}, "recipe.images.bands"),
    ({"recipe": {"images": {"bands": [{"low": "0.6", "high": "10"}]}}}, "recipe.images.bands"),
    ({"recipe": {"engine": "magic"}}, "recipe.engine"),
    ({"recipe": {"nonsense": 1}}, "nonsense"),
    ({"recipee": {}}, "recipee"),
    ({"query": {"obsids": ["12345678"]}}, "query.obsids"),
    ({"query": {"obsids": [900001010]}}, "query.obsids"),
    ({"query": {"radius_arcmin": 0}}, "query.radius_arcmin"),
    ({"query": {"radius_arcmin": 99999}}, "query.radius_arcmin"),
    ({"query": {"ra": 81.25}}, "dec"),
    ({"query": {"ra": None, "dec": -69.6}}, "query.ra"),
    ({"query": {"since": "yesterday"}}, "query.since"),
    ({"rules": {"limit": 0}}, "rules.limit"),
    ({"rules": {"only": "everything"}}, "rules.only"),
]


@pytest.mark.system
def test_a_form_refuses_what_cannot_be_meant_before_a_run_is_made(deployed):
    number = deployed.find("/deployments/name/sweep/on-demand")["id"]

    def runs():
        wanted = {"deployments": {"id": {"any_": [number]}}}
        return deployed.ask("POST", "/flow_runs/count", wanted).raise_for_status().json()

    before = runs()
    for parameters, told in BAD:
        answer = deployed.ask("POST", f"/deployments/{number}/create_flow_run", {"parameters": parameters})
        assert answer.status_code == 409, parameters
        assert told in answer.json()["detail"]
    assert runs() == before
    answer = deployed.ask("POST", f"/deployments/{number}/create_flow_run", {"parameters": GOOD})
    assert answer.status_code in (200, 201), answer.text
    assert runs() == before + 1
    deployed.end(answer.json()["id"], {"type": "CANCELLED"})


@pytest.fixture
def receiver():
    """A place on this host where messages arrive."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()
        thread.join()


def make_block(prefect, slug, name, content):
    kind = prefect.find(f"/block_types/slug/{slug}")
    wanted = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    (schema, *_) = prefect.ask("POST", "/block_schemas/filter", wanted).raise_for_status().json()
    document = {"name": name, "data": content, "block_type_id": kind["id"], "block_schema_id": schema["id"]}
    prefect.ask("POST", "/block_documents/", document).raise_for_status()


@pytest.mark.system
def test_failures_arrive_where_the_block_says(deployed, receiver):
    address, received = receiver
    message = {"subject": "{{subject}}", "body": "{{body}}"}
    make_block(
        deployed, "custom-webhook", "ops",
        {"name": "ops", "url": address, "method": "POST", "json_data": message},
    )  # fmt: skip
    told = outcomes(deployed.deploy("--pool", "main", "--notify", "custom-webhook/ops"))
    made = sorted(what for what, outcome in told.items() if outcome == "made")
    assert made == [
        f"automation xtendflow: {what}"
        for what in ("a sweep failed", "a sweep is late", "an observation failed")
    ]
    again = deployed.deploy("--pool", "main", "--notify", "custom-webhook/ops")
    assert set(outcomes(again).values()) == {"left"}

    deployed.end(deployed.run("sweep"), {"type": "COMPLETED"})
    deployed.end(deployed.run("sweep"), {"type": "FAILED", "message": "2 of 3 datasets failed"})
    deployed.end(deployed.run("observation"), {"type": "CRASHED", "message": "its process is gone"})
    deployed.end(deployed.run("download"), {"type": "FAILED", "message": "of no interest"})
    deployed.end(deployed.run("sweep"), {"type": "SCHEDULED", "name": "Late"})
    until(lambda: len(received) >= 3, "three messages arrive")
    subjects = sorted(each["subject"] for each in received)
    assert subjects == [
        "xtendflow: a sweep failed: night",
        "xtendflow: a sweep is late: night",
        "xtendflow: an observation failed: night",
    ]
    (failed,) = (each["body"] for each in received if "sweep failed" in each["subject"])
    assert failed.startswith("2 of 3 datasets failed")


@pytest.mark.system
def test_a_block_that_cannot_notify(deployed):
    make_block(deployed, "local-file-system", "disk", {"basepath": "/tmp"})
    for name, why in (
        ("slack-webhook/ops", "has no block"),
        ("local-file-system/disk", "cannot notify"),
    ):
        done = deployed.deploy("--pool", "main", "--notify", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr


@pytest.mark.system
def test_a_run_that_is_silent_has_crashed_and_one_that_ended_has_not(deployed):
    # The same automation, with the shortest time that Prefect has.
    wanted = watch(["observation"], timedelta(seconds=10)).model_copy(update={"name": "soon"})
    deployed.ask("POST", "/automations/", wanted.model_dump(mode="json")).raise_for_status()
    time.sleep(3)  # automations are loaded when they are heard of
    silent, ended, other = (deployed.run(flow) for flow in ("observation", "observation", "sweep"))
    for run, flow in ((silent, "observation"), (ended, "observation"), (other, "sweep")):
        number = deployed.ask("POST", "/flows/", {"name": flow}).json()["id"]
        event = {
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": "prefect.flow-run.heartbeat",
            "resource": {"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.name": "night"},
            "related": [
                {
                    "prefect.resource.id": f"prefect.flow.{number}",
                    "prefect.resource.role": "flow",
                    "prefect.resource.name": flow,
                }
            ],
        }
        deployed.ask("POST", "/events", [event]).raise_for_status()
    # An end with a name of its own, as observations have it that were skipped.
    deployed.end(ended, {"type": "COMPLETED", "name": "Skipped"})

    def state(run):
        return deployed.find(f"/flow_runs/{run}")["state"]

    until(lambda: state(silent)["type"] == "CRASHED", "the silent run has crashed")
    assert state(silent)["message"] == "nothing was heard of its process for 10 s"
    assert (state(ended)["type"], state(ended)["name"]) == ("COMPLETED", "Skipped")
    assert state(other)["type"] == "RUNNING"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The project as a wheel installs it."""
    folder = tmp_path_factory.mktemp("wheel")

    def python(*words):
        done = subprocess.run(
            [sys.executable, "-P", "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    python("hatchling", "build", "--target", "wheel", "--directory", str(folder))
    (wheel,) = folder.glob("*.whl")
    python(
        "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel)
    )
    return folder / "site"


@pytest.mark.system
def test_an_installed_wheel_has_all_of_it(deployed, site):
    pools = {path.name for path in (site / "deployments" / "pools").iterdir()}
    assert pools == {"process.json", "docker.json", "kubernetes.json", "ecs.json"}
    script = "import flows; from flows.cli.main import main; print(flows.__file__); main()"
    done = deployed.deploy(
        "--pool", "main", "--dry-run", command=(sys.executable, "-P", "-c", script), PYTHONPATH=str(site)
    )
    assert done.stdout.startswith(str(site))
    # It is the same that was put there from the source tree.
    assert set(outcomes(done).values()) == {"left"}


@pytest.mark.system
def test_a_worker_needs_no_source_tree_and_keeps_its_data_where_it_was_started(
    deployed, site, archive, tmp_path
):
    number = deployed.find("/deployments/name/discovery/alone")["id"]
    run = deployed.ask("POST", f"/deployments/{number}/create_flow_run", {}).raise_for_status().json()["id"]
    home = tmp_path / "worker"
    home.mkdir()
    variables = {"PYTHONPATH": str(site), "XTENDFLOW_CATALOGUE": str(archive / "xrismmastr.ecsv")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "prefect", "worker", "start", "--pool", "main", "--run-once"],
        cwd=home,
        env=deployed.environment | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = deployed.find(f"/flow_runs/{run}")
    assert found["state"]["type"] == "COMPLETED", done.stdout + done.stderr
    assert [path.name for path in home.iterdir()] == ["sweep-data"]
