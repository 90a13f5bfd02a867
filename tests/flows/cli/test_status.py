"""`xtendflow status`: counts by state and reason."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt
from tasks.library.ledger import Ledger
from tasks.library.rows import Sighting

TRAP = "[/bold] [red]not a colour[/red] [dML87] 563"


def test_before_the_first_sweep_there_is_nothing(xtendflow):
    ended = xtendflow("status")
    assert (ended.status, ended.written) == (0, ())
    assert "no sweep has been run here" in ended.out
    empty = {"observations": [], "datasets": [], "failed": [], "sweeps": []}
    assert json.loads(xtendflow("status", "--json").out) == empty


@pytest.mark.usefixtures("swept")
def test_what_people_read(xtendflow):
    ended = xtendflow("status")
    lines = " ".join(ended.out.split())
    assert (ended.status, ended.err) == (0, "")
    assert "1 done" in lines
    assert f"1 failed(permanent) damaged: {TRAP}" in lines
    assert f"failed(permanent) 900011010 {TRAP}, 1 attempts: damaged: {TRAP}" in lines
    assert "sweep night: 1 done, 1 failed" in lines


@pytest.mark.usefixtures("swept")
def test_what_scripts_read(xtendflow):
    known = json.loads(xtendflow("status", "--json").out)
    states = {(item["state"], item["kind"]): item["number"] for item in known["observations"]}
    assert states == {("done", None): 1, ("failed", "permanent"): 1}
    assert [item["number"] for item in known["datasets"]] == [1]
    assert [item["obsid"] for item in known["failed"]] == ["900011010"]
    assert [item["id"] for item in known["sweeps"]] == ["night"]


def test_a_ledger_that_is_none_any_more(xtendflow, swept):
    (swept / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    ended = xtendflow("status")
    assert (ended.status, ended.err.count("\n")) == (3, 1)
    assert "ledger" in ended.err


@pytest.fixture
def busy(swept):
    """A ledger in which one observation waits, one runs, and one failed an hour ago in a step."""
    ledger, now = Ledger.open(f"sqlite:///{swept}/ledger.sqlite"), datetime.now(UTC)
    waiting, running = (Standing(state=state) for state in (State.WAITING, State.RUNNING))
    ledger.note([Sighting(ObsID("900000020"), TRAP, "row", waiting, "new")])
    broken = Standing(state=State.FAILED, kind="software", reason="it is hot", step="exposure")
    for number, standing, ended in ((30, running, None), (40, broken, now)):
        plain = {"host": "ground:1", "engine": "native", "tries": 5, "started": now - timedelta(minutes=2)}
        attempt = Attempt(
            id=f"b{number}", obsid=ObsID(f"9000000{number}"), standing=standing, ended=ended, **plain
        )
        ledger.record_attempt(attempt)
    ledger.close()
    return swept


@pytest.mark.usefixtures("busy")
def test_how_work_goes_on_for_scripts(xtendflow):
    known = json.loads(xtendflow("status", "--json").out)
    hour = known["throughput"]["hour"]
    assert (hour["failed"], hour["tries"]) == (1, 5)
    assert {"kind": "software", "step": "exposure", "number": 1} in known["failures"]
    queue = known["queue"]
    assert (queue["waiting"], queue["oldest_waiting"]["obsid"]) == (1, "900000020")
    assert (queue["running"], queue["oldest_running"]["obsid"]) == (1, "900000030")
    assert 120 <= queue["oldest_running"]["seconds"] < 600
    assert datetime.fromisoformat(known["at"]) > datetime.fromisoformat(queue["oldest_running"]["since"])
    assert [place["name"] for place in known["disk"]] == ["store", "downloads", "scratch"]
    assert {item["step"] for item in known["failed"]} == {"exposure", None}
    assert known["stored"] == known["disk"][0]["bytes"] == 2


@pytest.mark.usefixtures("busy")
def test_how_work_goes_on_for_people(xtendflow):
    lines = [" ".join(line.split()) for line in xtendflow("status").out.splitlines()]
    assert "1 software exposure" in lines
    assert "1 permanent unknown" in lines
    assert any(
        line.startswith(f"waiting: 1 observations, for longest 900000020 {TRAP}: 0:0") for line in lines
    )
    assert any(line.startswith("attempts: 4, 0 of them at something tried before") for line in lines)
    assert any(line.startswith("failed(software) 900000040 in exposure, 1 attempts") for line in lines)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("5",), "5 is the pause of --watch, which is not given"),
        (("--watch", "0"), "'0' is no pause"),
        (("--watch", "often"), "'often' is no pause"),
        (("--watch", "nan"), "'nan' is no pause"),
        (("--watch", "inf"), "'inf' is no pause"),
    ],
)
def test_a_pause_that_cannot_be_meant(refused, words, says):
    assert says in refused("status", *words)


def watched(here, words, until, **where):
    """What `status --watch` does until it has said something and is interrupted by Ctrl-C."""
    command = [Path(sys.executable).with_name("xtendflow"), "status", *words]
    with subprocess.Popen(command, cwd=here, stderr=subprocess.PIPE, text=True, **where) as process:
        try:
            until(process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, err


@pytest.mark.system
def test_a_sweep_leaves_the_step_that_failed(place):
    assert place.sweep("900011010").status == 1
    known = json.loads(place.run("status", "--json").stdout)
    assert known["failures"] == [{"kind": "permanent", "step": "download", "number": 1}]
    (failed,) = known["failed"]
    assert (failed["obsid"], failed["step"]) == ("900011010", "download")
    (attempt,) = place.attempts()
    assert attempt["standing"]["step"] == "download"


@pytest.mark.system
@pytest.mark.usefixtures("busy")
def test_scripts_that_watch(here):
    lines = []
    status, _, err = watched(
        here,
        ("--watch", "0.2", "--json"),
        lambda process: lines.extend(json.loads(process.stdout.readline()) for _ in range(2)),
        stdout=subprocess.PIPE,
    )
    assert (status, err) == (0, "")
    assert lines[0]["at"] < lines[1]["at"]
    assert lines[0]["observations"] == lines[1]["observations"]


@pytest.mark.system
@pytest.mark.usefixtures("busy")
def test_people_who_watch(here):
    """On a terminal the tables are drawn anew in place, and the cursor is there again at the end."""
    ours, theirs = pty.openpty()
    seen, enough = bytearray(), threading.Event()

    def read():
        with suppress(OSError):  # how Linux says that a terminal was closed
            while more := os.read(ours, 1 << 16):
                seen.extend(more)
                if seen.count(b"datasets that ended") > 1:
                    enough.set()

    def until(process):
        os.close(theirs)
        assert enough.wait(120)

    # To the end: a terminal that nobody reads stops who writes to it.
    reader = threading.Thread(target=read)
    reader.start()
    status, _, err = watched(here, ("--watch", "0.2"), until, stdout=theirs)
    reader.join()
    os.close(ours)
    assert (status, err) == (0, "")
    assert b"Traceback" not in seen
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
