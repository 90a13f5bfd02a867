"""`xtendflow status`: counts by state and reason."""

import json

import pytest

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
