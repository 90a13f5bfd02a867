"""`xtendflow show`: what is known of an observation, and its files."""

import json
import os

import pytest

OBSID = "900001010"


@pytest.mark.parametrize("obsid", ["../../etc", "12345678", "", "٣٠٠٠٠٠٠٠٠", "900001010\n"])
@pytest.mark.parametrize("more", [(), ("--files",), ("--json",)])
def test_what_is_no_obsid(refused, obsid, more):
    assert "is not an ObsID" in refused("show", obsid, *more)


def test_nothing_is_known_before_the_first_sweep(refused):
    assert "no sweep has been run" in refused("show", OBSID)


@pytest.mark.usefixtures("swept")
def test_an_observation_that_no_sweep_has_found(refused):
    assert "no sweep has found it" in refused("show", "000128000")


@pytest.mark.usefixtures("swept")
def test_what_people_read(xtendflow):
    ended = xtendflow("show", OBSID)
    lines = " ".join(ended.out.split())
    assert (ended.status, ended.err) == (0, "")
    # Names and reasons come from outside: they are text, whatever brackets they hold.
    trap = "[/bold] [red]not a colour[/red] [dML87] 563"
    assert f"{OBSID} {trap}: done" in lines
    assert f"caution trap: {trap}" in lines
    assert f"not made: rate-image: {trap}" in lines
    assert "2 image" in lines
    assert f"/sweep-data/store/report/{OBSID}/30000010/index.html" in lines
    assert "2026-11-21T05:30:00 on ground:1: done" in lines


@pytest.mark.usefixtures("swept")
def test_what_scripts_read(xtendflow):
    ended = xtendflow("show", OBSID, "--json")
    known = json.loads(ended.out)
    assert known["standing"] == {"state": "done", "kind": None, "reason": None, "step": None}
    (dataset,) = known["datasets"]
    assert dataset["dataclass"] == "30000010"
    assert [item["name"] for item in dataset["products"]] == ["1.img", "4.img"]
    assert dataset["target"] is None
    assert [attempt["tries"] for attempt in known["attempts"]] == [3]

    failed = json.loads(xtendflow("show", "900011010", "--json").out)
    assert (failed["standing"]["state"], failed["standing"]["kind"]) == ("failed", "permanent")
    assert failed["datasets"] == []


@pytest.fixture
def with_files(archive):
    folder = archive / "9" / OBSID
    for name, size in (
        ("auxil/xa900001010.ehk.gz", 10),
        ("auxil/xa900001010.orb.gz", 20),
        ("xtend/event_cl/xa900001010xtd_p030000010_cl.evt.gz", 30),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * size)
    return archive


def test_files_say_what_is_needed_and_what_is_here(xtendflow, with_files):
    ended = xtendflow("show", OBSID, "--files", "--archive", with_files, "--json")
    assert (ended.status, ended.written) == (0, ())
    assert {row["name"].partition("/")[2]: row["needed"] for row in json.loads(ended.out)} == {
        "xa900001010.ehk.gz": True,
        "xa900001010.orb.gz": False,
        "event_cl/xa900001010xtd_p030000010_cl.evt.gz": True,
    }
    assert not any(row["here"] for row in json.loads(ended.out))

    told = xtendflow("show", OBSID, "--files", "--archive", os.path.relpath(with_files)).out
    assert "needed: 2 of 3 files, 40 bytes" in told
    assert "here: 0 of 3 files, 0 bytes" in told


def test_files_of_an_archive_that_is_none(refused, xtendflow, archive):
    assert "ftp://" in refused("show", OBSID, "--files", "--archive", "ftp://host/data")
    assert "holds no files of 000128000" in refused("show", "000128000", "--files", "--archive", archive)
    ended = xtendflow("show", OBSID, "--files", "--archive", archive / "nowhere")
    assert (ended.status, ended.err.count("\n"), ended.written) == (3, 1, ())
