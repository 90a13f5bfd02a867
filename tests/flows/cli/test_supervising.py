"""The sweep's process and the Prefect server: what becomes of one without the other."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flows.cli import supervising
from flows.cli.supervising import supervised
from flows.server import Server, prefect_server, revive
from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings
from tasks.library.recipe import Recipe

FAINT, CLASS = "900004010", "30000010"
NOBODY = Server("http://somebody:secret@127.0.0.1:9/api")


def waiting(script: str) -> subprocess.Popen[bytes]:
    """A process that says when it is ready."""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def ends(runs: list[dict[str, Any]]) -> set[str]:
    """How the runs that began have ended.

    A server that dies between making a run and its answer is asked for it once more: the first one is never
    begun, and the next sweep says so (see test_orphans).
    """
    assert sum(run["state_type"] == "PENDING" for run in runs) <= 1
    return {run["state_type"] for run in runs if run["start_time"] or run["state_type"] != "PENDING"}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has much patience."""
    for name, seconds in (("_LOOK_SECONDS", 0.3), ("_AWAY_SECONDS", 3), ("END_SECONDS", 3)):
        monkeypatch.setattr(supervising, name, seconds)


@pytest.mark.usefixtures("hasty")
def test_one_that_does_not_end_is_killed():
    stubborn = (
        "import signal; signal.signal(2, signal.SIG_IGN); print(1, flush=True)\nwhile 1: signal.pause()"
    )
    looks = []
    with waiting(stubborn) as process:
        child = supervising._Child(process)
        child.interrupt()
        assert child.wait(lambda: looks.append(1)) == -signal.SIGINT
        assert process.returncode == -signal.SIGKILL
    assert looks == [], "the server is nobody's business any more"


@pytest.mark.usefixtures("hasty")
def test_one_that_ends_says_how():
    script = "import signal; print(1, flush=True)\ntry: signal.pause()\nexcept KeyboardInterrupt: exit(130)"
    with waiting(script) as process:
        child = supervising._Child(process)
        looks = []

        def look() -> None:
            looks.append(1)
            if len(looks) == 3:
                child.interrupt()

        assert child.wait(look) == 130
    assert len(looks) == 3


def test_a_server_that_stays_away(tmp_path, monkeypatch):
    watch = supervising._Watch(NOBODY, tmp_path)
    watch.look()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 119)
    watch.look()
    monkeypatch.setattr(time, "monotonic", lambda: now + 121)
    with pytest.raises(EnvironmentFault, match=r"at http://\*\*\*@127\.0\.0\.1:9/api has not answered for"):
        watch.look()
    assert list(tmp_path.iterdir()) == [], "the server of somebody else is not ours to start"


@pytest.mark.system
def test_an_embedded_server_that_is_killed_is_started_again(lonely, wait, finish, recorded):
    home = Settings(data=lonely.folder).prefect_home
    command = lonely.start(*lonely.words(FAINT))
    wait(lonely.children, "work goes on")
    before = Server(**json.loads((home / "server.json").read_text()))
    os.killpg(before.pid, signal.SIGKILL)
    swept = finish(command)
    assert swept.status == 0, swept.err
    assert swept.states == {(FAINT, CLASS): "done"}
    assert not re.search("error|Traceback", swept.err, re.IGNORECASE), swept.err
    assert not (home / "server.json").exists()
    lonely.check_store()
    with prefect_server(Settings(data=lonely.folder)) as server:
        runs = recorded(server.api).ask("flow_runs")
    assert ends(runs) == {"COMPLETED"}


@pytest.mark.system
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_server_that_comes_back(lonely, tmp_path, wait, finish, recorded, how):
    settings = Settings(data=tmp_path / "server")
    with prefect_server(settings) as server:
        place = lonely.with_variables(PREFECT_API_URL=server.api)
        command = place.start(*place.words(FAINT))
        wait(place.manifests, "something is published")
        os.killpg(server.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        wait(lambda: not place.children(), "a step ends meanwhile")
        if how == "killed":
            os.waitpid(server.pid, 0)
            revive(server, settings.prefect_home)
        else:
            os.killpg(server.pid, signal.SIGCONT)
        swept = finish(command)
        assert swept.status == 0, swept.err
        assert swept.states == {(FAINT, CLASS): "done"}
        assert not re.search("error|Traceback", swept.err, re.IGNORECASE), swept.err
        runs = recorded(server.api).ask("flow_runs")
        assert ends(runs) == {"COMPLETED"}
        assert how == "killed" or all(run["start_time"] for run in runs)
    (attempt,) = place.attempts()
    assert attempt["ended"]


@pytest.mark.system
@pytest.mark.usefixtures("hasty")
def test_a_server_that_is_gone_for_good(lonely, tmp_path, monkeypatch, wait):
    """The sweep ends soon and says why; the next one goes on, and says how it ended."""
    settings = Settings(
        data=lonely.folder, archive=str(lonely.archive), catalogue=str(lonely.archive / "xrismmastr.ecsv")
    )
    order = {"query": {"obsids": [FAINT]}, "recipe": Recipe().model_dump(mode="json")}
    other = Settings(data=tmp_path / "server")
    look = supervising._Watch.look

    def kill_and_look(watch: supervising._Watch) -> None:
        if lonely.children() and Path(f"/proc/{server.pid}").exists():
            os.killpg(server.pid, signal.SIGKILL)
        look(watch)

    monkeypatch.setattr(supervising._Watch, "look", kill_and_look)
    with prefect_server(other) as server:
        monkeypatch.setenv("PREFECT_API_URL", server.api)
        monkeypatch.setenv("XTENDFLOW_DATA", str(lonely.folder))
        with pytest.raises(EnvironmentFault, match="has not answered for 3 s; what was finished is kept"):
            supervised(settings, {**order, "rules": {}, "as_json": True}, keep=False)
        wait(lambda: not lonely.processes(), "nothing goes on")
        revive(server, other.prefect_home)
        swept = lonely.with_variables(PREFECT_API_URL=server.api).sweep(FAINT)
    assert swept.status == 0, swept.err
    assert all(attempt["ended"] for attempt in lonely.attempts())
    assert [attempt["standing"]["state"] for attempt in lonely.attempts()][-1] == "done"
