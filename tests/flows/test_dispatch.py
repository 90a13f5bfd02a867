"""Observations done by workers: which run is whose, and how it ended."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import dispatch
from flows.dispatch import FlowRun, ObjectNotFound, WorkQueueStatus, dispatched, key_of, standing_after
from flows.observation import HELD_ELSEWHERE
from tasks.archive.catalogue.interface import Observation
from tasks.archive.selection import basis
from tasks.core.errors import EnvironmentFault
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.engines.choice import STEPS, Chosen, choose
from tasks.library import leases
from tasks.library.attempts import Attempt
from tasks.library.dataset import EngineUse
from tasks.library.recipe import Recipe
from tasks.library.site import this_site
from tasks.library.summarising import Ending

ENTRY = Observation(obsid=ObsID("000128000"), name="N132D")
NOW = datetime.now(UTC)
DONE = Standing(state=State.DONE)
HOLDER = "somewhere:17"


def ago(**time):
    """A time before that of the test, not before that at which all tests were collected."""
    return datetime.now(UTC) - timedelta(**time)


def prefect_state(name, **details):
    """A state of a flow run by the name that Prefect gives it."""
    kinds = {"Late": "SCHEDULED", "AwaitingRetry": "SCHEDULED", HELD_ELSEWHERE: "COMPLETED"}
    return dispatch.State(type=kinds.get(name, name.upper()), name=name, **details)


ELSEWHERE = prefect_state(HELD_ELSEWHERE)


@pytest.fixture
def native():
    return choose(Recipe(engine="native"))


@pytest.fixture
def heasoft_chosen():
    use = EngineUse(name="heasoft", versions={"heasoft": "6.36", "caldb": "x"})
    return Chosen(Recipe(engine="heasoft"), dict.fromkeys(STEPS, use))


@pytest.fixture
def attempt(native):
    """An attempt at the entry by the native engine, with some fields changed."""

    def make(**changes):
        fields = {
            "id": uuid4().hex[:12],
            "obsid": ENTRY.obsid,
            "started": NOW - timedelta(minutes=5),
            "host": HOLDER,
            "engine": "native",
            "basis": basis(ENTRY, native.recipe, native.versions),
            "standing": Standing(state=State.RUNNING),
            **changes,
        }
        return Attempt(**fields)

    return make


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("XTENDFLOW_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(dispatch, "_pause", lambda age: 0.0)
    here = this_site()
    yield here
    here.ledger.close()


class Server:
    """Knows runs by their keys; each answer about a run takes the next of the states planned for it."""

    def __init__(self):
        self.runs = {}
        self.states = {}
        self.started = []
        self.crashed = []
        self.queue = SimpleNamespace(name="default", status=WorkQueueStatus.NOT_READY)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass

    def plan(self, key, *states):
        run = FlowRun(
            id=uuid4(), flow_id=uuid4(), state=states[0], work_queue_name="default", work_pool_name="pool"
        )
        self.runs[key], self.states[run.id] = run, list(states[1:])
        return run

    async def read_flow_runs(self, flow_run_filter, limit):
        (key,) = flow_run_filter.idempotency_key.any_
        return [self.runs[key]] if key in self.runs else []

    async def read_flow_run(self, number: UUID):
        (run,) = (run for run in self.runs.values() if run.id == number)
        if not self.states[number]:
            raise ObjectNotFound(http_exc=RuntimeError("deleted"))
        run.state = self.states[number].pop(0)
        return run

    async def read_work_queue_by_name(self, name, pool):
        assert (name, pool) == ("default", "pool")
        return self.queue


@pytest.fixture
def server(site, monkeypatch):
    known = Server()

    async def start(name, client, parameters, flow_run_name, tags, idempotency_key, timeout):
        known.started.append((name, flow_run_name, idempotency_key, parameters))
        if name not in known.deployments:
            raise ObjectNotFound(http_exc=RuntimeError("404"))
        assert (client, timeout) == (known, 0)
        ended = prefect_state(HELD_ELSEWHERE, message="new run")
        return known.plan(idempotency_key, prefect_state("Scheduled"), ended)

    async def crash(client, runs, why):
        known.crashed.append((runs, why))

    known.deployments = set(dispatch.DEPLOYMENTS.values())
    monkeypatch.setattr(dispatch, "get_client", lambda: known)
    monkeypatch.setattr(dispatch, "arun_deployment", start)
    monkeypatch.setattr(dispatch, "crash", crash)
    return known


def end(chosen, sweep="a sweep"):
    return asyncio.run(dispatched(ENTRY, chosen, sweep))


def run(chosen, sweep="a sweep"):
    return end(chosen, sweep).standing


def test_the_same_thing_has_the_same_key_until_an_attempt_at_it_has_ended(native, heasoft_chosen, attempt):
    first = key_of(ENTRY, native, [])
    assert first.startswith("000128000:")
    assert first.endswith(":0")
    assert key_of(ENTRY, native, [attempt()]) == first, "a run that goes on must be found again"
    assert key_of(ENTRY, native, [attempt(ended=NOW, basis={"recipe": "another"})]) == first
    ended = attempt(ended=NOW, standing=DONE)
    assert key_of(ENTRY, native, [ended, attempt()]) == first.removesuffix("0") + "1"
    changed = [
        (ENTRY.model_copy(update={"exposure": 1.0}), native),
        (ENTRY, choose(Recipe(engine="native", name="other"))),
        (ENTRY, heasoft_chosen),
        (ENTRY, Chosen(native.recipe, dict.fromkeys(STEPS, EngineUse(name="native", versions={"n": "0"})))),
    ]
    assert len({key_of(entry, chosen, []) for entry, chosen in changed} | {first}) == len(changed) + 1


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        (prefect_state("Crashed", message="exit code 137"), "transient", "exit code 137"),
        (prefect_state("Cancelled"), "transient", "its flow run ended Cancelled"),
        (prefect_state("Running"), "transient", "the process that did it is not heard of any more"),
        (prefect_state("Failed", message="no HEASoft"), "software", "no HEASoft"),
        (prefect_state("Completed"), "software", "its worker uses another ledger"),
    ],
)
def test_a_run_that_leaves_no_attempt_is_no_success(state, kind, reason):
    standing = standing_after(state, None)
    assert (standing.state, standing.kind) == (State.FAILED, kind)
    assert reason in standing.reason


def test_the_ledger_knows_better_than_the_run(attempt):
    ended = attempt(ended=NOW, standing=DONE)
    assert standing_after(prefect_state("Crashed"), ended) == DONE
    assert standing_after(prefect_state("Completed"), ended) == DONE
    assert standing_after(prefect_state("Crashed", message="killed"), attempt()).reason == "killed"
    assert HOLDER in standing_after(prefect_state("Running"), attempt()).reason
    held = standing_after(prefect_state(HELD_ELSEWHERE, message="by another"), ended)
    assert (held.state, held.reason) == (State.RUNNING, "by another")


@pytest.mark.parametrize(("chosen", "deployment"), [("native", "one"), ("heasoft_chosen", "one-heasoft")])
def test_a_new_run_says_everything_that_is_settled(server, request, chosen, deployment):
    chosen = request.getfixturevalue(chosen)
    standing = run(chosen)
    assert (standing.state, standing.reason) == (State.RUNNING, "new run")
    ((name, called, key, parameters),) = server.started
    assert (name, called, key) == (f"observation/{deployment}", "000128000 N132D", key_of(ENTRY, chosen, []))
    assert json.loads(json.dumps(parameters)) == parameters
    assert Recipe.model_validate(parameters["recipe"]) == chosen.recipe
    assert Observation.model_validate(parameters["entry"]) == ENTRY
    assert (parameters["obsid"], parameters["sweep"]) == ("000128000", "a sweep")


@pytest.mark.parametrize("name", ["Scheduled", "Late", "AwaitingRetry", "Pending", "Running"])
def test_a_run_that_is_under_way_is_adopted(server, site, native, attempt, name):
    states = map(prefect_state, (name, "Running", "Completed"))
    found = server.plan(key_of(ENTRY, native, []), *states)
    unlike = {"recipe": "unlike"}
    site.ledger.record_attempt(attempt(flow_run_id=str(found.id), ended=NOW, standing=DONE, basis=unlike))
    assert end(native) == Ending(DONE, 300.0), "the five minutes of the attempt, not those in a queue"
    assert server.started == []


@pytest.mark.parametrize("name", ["Crashed", "Failed", "Cancelled", HELD_ELSEWHERE])
def test_a_run_that_has_ended_is_not_adopted(server, native, name):
    key = key_of(ENTRY, native, [])
    first = server.plan(key, prefect_state(name))
    assert run(native).reason == "new run"
    assert server.started[0][2] == f"{key}:{first.id}"
    # The new one has ended, too, and the third is named after it.
    second = server.runs[f"{key}:{first.id}"]
    run(native)
    assert server.started[1][2] == f"{key}:{second.id}"


def test_a_run_whose_lease_nobody_keeps_is_done_by_another_worker(server, site, native, attempt):
    key = key_of(ENTRY, native, [])
    dead = server.plan(key, prefect_state("Pending"), *[prefect_state("Running")] * 3)
    lease = leases.acquire(site.ledger, ENTRY.obsid, HOLDER, 60)
    # Of the same name, where processes are counted anew.
    leases.acquire(site.ledger, "000129000", HOLDER, 60)
    site.ledger.record_attempt(attempt(flow_run_id=str(dead.id)))
    answers = server.states[dead.id]

    async def dies_meanwhile(number):
        if len(answers) == 2:
            leases.release(site.ledger, lease)
        return await Server.read_flow_run(server, number)

    server.read_flow_run = dies_meanwhile
    assert run(native).reason == "new run"
    assert len(answers) == 1
    assert server.crashed == [(dead.id, "the worker that took it is not heard of any more")]
    assert [each[2] for each in server.started] == [f"{key}:{dead.id}"]


def test_what_brings_down_its_workers_is_not_given_to_many(server, site, native, attempt, monkeypatch):
    async def start(name, client, idempotency_key, **values):
        made = server.plan(idempotency_key, *[prefect_state("Running")] * 2)
        server.started.append(made.id)
        site.ledger.record_attempt(attempt(flow_run_id=str(made.id), host=f"h{len(server.started)}:1"))
        return made

    monkeypatch.setattr(dispatch, "arun_deployment", start)
    standing = run(native)
    assert str(standing) == "failed(transient)"
    assert standing.reason == "the process that did it at h3:1 is not heard of any more"
    assert [number for number, _ in server.crashed] == server.started


def test_a_worker_may_take_its_time_to_begin_but_not_for_ever(server, native):
    key = key_of(ENTRY, native, [])
    server.plan(key, prefect_state("Pending", timestamp=ago(minutes=5)), ELSEWHERE)
    assert run(native).state == State.RUNNING
    assert server.started == []
    server.plan(key, prefect_state("Pending", timestamp=ago(hours=2)))
    assert run(native).reason == "new run"


def test_a_run_that_somebody_deletes_fails_alone(server, native):
    server.plan(key_of(ENTRY, native, []), prefect_state("Running"))
    standing = run(native)
    assert str(standing) == "failed(transient)"
    assert "deleted" in standing.reason


@pytest.mark.parametrize(("stumbles", "ends"), [(dispatch._LEDGER_TRIES - 1, True), (99, False)])
def test_a_ledger_that_stumbles_is_asked_again_and_not_for_ever(server, native, monkeypatch, stumbles, ends):
    server.plan(key_of(ENTRY, native, []), prefect_state("Running"), ELSEWHERE)
    asked, answer = [], dispatch._attempt

    def stumbling(*question):
        asked.append(question)
        if len(asked) <= stumbles:
            raise EnvironmentFault("the ledger cannot be used")
        return answer(*question)

    monkeypatch.setattr(dispatch, "_LATEST", 0.0)
    monkeypatch.setattr(dispatch, "_is_lost", lambda *question: False)
    monkeypatch.setattr(dispatch, "_attempt", stumbling)
    if ends:
        assert run(native).state == State.RUNNING
    else:
        with pytest.raises(EnvironmentFault, match="the ledger cannot be used"):
            run(native)
    assert len(asked) == dispatch._LEDGER_TRIES


def test_a_missing_deployment_is_told_with_the_cure(server, heasoft_chosen):
    server.deployments.remove("observation/one-heasoft")
    with pytest.raises(EnvironmentFault, match=r"no deployment observation/one-heasoft: xtendflow deploy "):
        run(heasoft_chosen)


def test_a_server_that_stays_away_ends_the_wait(server, native):
    server.plan(key_of(ENTRY, native, []), prefect_state("Running"))

    async def gone(number):
        raise httpx.ConnectError("refused")

    server.read_flow_run = gone
    with pytest.raises(EnvironmentFault, match=r"Prefect server failed .* they go on: ConnectError"):
        run(native)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (WorkQueueStatus.NOT_READY, "prefect worker start --pool pool --work-queue default"),
        (WorkQueueStatus.PAUSED, "prefect work-queue resume --pool pool default"),
        (WorkQueueStatus.READY, "the workers of pool pool that poll default are all busy"),
    ],
)
def test_a_queue_that_nobody_empties_is_told_once(server, native, caplog, status, told):
    server.queue.status = status
    late = prefect_state("Late", timestamp=ago(minutes=2))
    with caplog.at_level(logging.INFO, "xtendflow.sweep"):
        for _ in range(2):
            server.plan(key_of(ENTRY, native, []), late, late, ELSEWHERE)
            run(native, sweep=f"with {status}")
    (message,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert message.startswith("observations wait in the work queue default; ")
    assert message.endswith(told)
    caplog.clear()
    server.plan(key_of(ENTRY, native, []), prefect_state("Scheduled"), ELSEWHERE)
    run(native, sweep="a quick one")
    assert {record.levelno for record in caplog.records} <= {logging.INFO}


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_run_is_looked_at_soon_after_it_has_changed_and_ever_more_seldom(one, other):
    pauses = [dispatch._pause(timedelta(seconds=age)) for age in sorted((one, other))]
    assert 0.5 <= pauses[0] <= pauses[1] <= 5
