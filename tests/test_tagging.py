"""Tags of runs, and what they cost: the server is asked only for what a run did not begin with."""

import asyncio
import importlib
from types import SimpleNamespace
from uuid import uuid4

import pytest

from tasks import tagging
from tasks.core.errors import (
    BadInput,
    EnvironmentFault,
    GaveUp,
    LeaseLost,
    Permanent,
    SoftwareFault,
    Transient,
)
from tasks.core.state import Standing
from tasks.tagging import kind_of_error, stage_tags, tag_error, tag_flow, tagged, tags_of, task_tags, untagged

prefect_states = importlib.import_module("prefect.states")


def begun_with():
    """The tags that a run would begin with."""
    return set(importlib.import_module("prefect.context").TagsContext.get().current_tags)


class Server:
    """Keeps what it is asked to change."""

    def __init__(self):
        self.asked = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass

    async def update_flow_run(self, run, tags):
        self.asked.append((run, tags))


@pytest.fixture
def server(monkeypatch):
    found = Server()
    monkeypatch.setattr(tagging, "get_client", lambda: found)
    return found


@pytest.fixture
def run(monkeypatch):
    """The flow run and the task run whose body this is."""
    flow_run = SimpleNamespace(id=uuid4(), tags=["xtendflow"], parent_task_run_id=None)
    task_run = SimpleNamespace(tags=[])
    for name, value in (("FlowRunContext", flow_run), ("TaskRunContext", task_run)):
        context = SimpleNamespace(flow_run=value, task_run=value)
        monkeypatch.setattr(getattr(tagging, name), "get", lambda context=context: context)
    return SimpleNamespace(flow=flow_run, task=task_run)


def test_names_become_tags():
    assert tags_of() == ()
    assert tags_of(obsid="000128000", dataclass="30000010", engine="heasoft+native") == (
        "obsid:000128000",
        "dataclass:30000010",
        "engine:heasoft",
        "engine:native",
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Permanent("x"), "permanent"),
        (Transient("x"), "transient"),
        (SoftwareFault("x"), "software"),
        (GaveUp("x"), "gave-up"),
        (LeaseLost("x"), "transient"),
        (EnvironmentFault("x"), "environment"),
        (BadInput("x"), "bad-input"),
        (KeyError("x"), "software"),
        (Standing.of(GaveUp("x")).model_dump(mode="json"), "gave-up"),
        ("a sweep's summary", None),
        (None, None),
    ],
)
def test_every_error_has_its_kind(value, kind):
    assert kind_of_error(value) == kind


def test_flow_runs_take_tags_over_and_task_runs_do_not():
    with tagged(obsid="000128000"):
        with tagged(dataclass="30000010"):
            assert begun_with() == {"obsid:000128000", "dataclass:30000010"}
        with untagged():
            assert begun_with() == set()
        assert begun_with() == {"obsid:000128000"}


def test_the_server_is_asked_for_new_tags_only(run, server):
    async def body():
        await tag_flow(obsid="000128000")
        async with stage_tags(obsid="000128000"), stage_tags():
            assert begun_with() == set()

    asyncio.run(body())
    assert server.asked == [(run.flow.id, ["xtendflow", "obsid:000128000"])]


def test_a_task_run_that_fails_says_why_until_it_is_tried_again(run, server):
    with pytest.raises(Transient), task_tags(obsid="000128000", engine="native"):
        raise Transient("503")
    assert run.task.tags == ["obsid:000128000", "engine:native", "error:transient"]
    with task_tags(obsid="000128000", engine="native"):
        pass
    assert run.task.tags == ["obsid:000128000", "engine:native"]
    assert server.asked == []


def test_outside_of_runs_nothing_is_tagged(server):
    with task_tags(obsid="000128000"):
        asyncio.run(tag_flow(obsid="000128000"))
    assert server.asked == []


def failed(data):
    return prefect_states.Failed(data=data)


@pytest.mark.parametrize(
    ("flow", "inside", "data", "tag"),
    [
        ("observation", True, Standing.of(Permanent("x")).model_dump(mode="json"), "error:permanent"),
        ("observation", False, EnvironmentFault("x"), "error:environment"),
        ("download", False, Transient("x"), "error:transient"),
        ("processing", False, [prefect_states.Completed(), failed(GaveUp("x"))], "error:gave-up"),
        ("download", True, Transient("x"), None),
        ("sweep", False, "summary", None),
        ("sweep", False, EnvironmentFault("x"), "error:environment"),
    ],
)
def test_one_failure_is_one_run_that_is_found(run, server, flow, inside, data, tag):
    run.flow.parent_task_run_id = uuid4() if inside else None
    asyncio.run(tag_error(SimpleNamespace(name=flow), run.flow, failed(data)))
    assert server.asked == ([(run.flow.id, ["xtendflow", tag])] if tag else [])
