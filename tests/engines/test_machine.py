"""What a call gets of the machine, and what is counted of it."""

import os
from pathlib import Path

import pytest

from tasks.core.errors import EnvironmentFault, SoftwareFault
from tasks.engines import machine
from tasks.engines.machine import bytes_in, environment, is_full, peak_memory
from tasks.library.call import Call, linked


def test_every_child_has_parameters_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADAS", "/soft/heasoft")
    monkeypatch.setenv("PFILES", "/home/somebody/pfiles;/soft/heasoft/syspfiles")
    one, two = (environment(tmp_path / name)["PFILES"] for name in ("one", "two"))
    assert one == f"{tmp_path}/one/pfiles;/soft/heasoft/syspfiles"
    assert one.split(";")[0] != two.split(";")[0]
    assert os.environ["PFILES"].startswith("/home/somebody")


def test_a_relative_directory_is_meant_from_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADAS", "/soft")
    monkeypatch.chdir(tmp_path)
    assert environment(Path("place"))["PFILES"] == f"{tmp_path}/place/pfiles;/soft/syspfiles"


def test_nothing_prompts(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADASPROMPT", "/dev/tty")
    given = environment(tmp_path)
    assert given["HEADASNOQUERY"] == "1"
    assert given["HEADASPROMPT"] == "/dev/null"


def test_a_local_caldb_has_its_tables_unless_they_are_given(tmp_path, monkeypatch):
    tools = tmp_path / "caldb/software/tools"
    tools.mkdir(parents=True)
    monkeypatch.setenv("HEADAS", "/soft")
    monkeypatch.setenv("CALDB", str(tmp_path / "caldb"))
    monkeypatch.delenv("CALDBALIAS", raising=False)
    monkeypatch.setenv("CALDBCONFIG", "/mine/caldb.config")
    assert "CALDBALIAS" not in environment(tmp_path / "one")
    for name in ("caldb.config", "alias_config.fits"):
        (tools / name).touch()
    given = environment(tmp_path / "two")
    assert given["CALDBALIAS"] == str(tools / "alias_config.fits")
    assert given["CALDBCONFIG"] == "/mine/caldb.config"


@pytest.mark.usefixtures("bare_host")
def test_without_heasoft_there_are_no_parameter_files(tmp_path):
    assert "PFILES" not in environment(tmp_path)


@pytest.mark.usefixtures("bare_host")
@pytest.mark.parametrize("name", ["a:b", "a;b"])
def test_a_directory_that_heasoft_takes_for_two_is_refused(tmp_path, monkeypatch, name):
    environment(tmp_path / name)
    monkeypatch.setenv("HEADAS", "/soft")
    with pytest.raises(EnvironmentFault, match="a colon or a semicolon"):
        environment(tmp_path / name)


def test_bytes_of_a_directory_are_those_of_its_own_files(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"x" * 10)
    (tmp_path / "b").write_bytes(b"x" * 5)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    assert bytes_in(tmp_path) == 15


def test_the_peak_is_kept(tmp_path):
    before = peak_memory()
    held = bytearray(before + (50 << 20))
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    assert peak_memory() >= before + (50 << 20)


def test_a_full_disk_is_known_by_words_or_by_its_room(tmp_path, monkeypatch):
    assert not is_full(tmp_path, "exit status 1")
    assert is_full(tmp_path, "write: No space left on device")
    assert is_full(tmp_path, "Disk quota exceeded")
    usage = machine.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage._replace(free=100))
    assert is_full(tmp_path, "exit status 1")


def call(*outputs: str, **after: int) -> Call:
    return Call(function="tasks.a:b", outputs=outputs, after=after, inputs={"given": "/somewhere"})


def test_what_an_earlier_call_makes_becomes_an_input(tmp_path):
    calls = linked([call("a"), call("b", a=0), call(a=0, b=1)], tmp_path)
    assert calls[0] == call("a")
    assert calls[1].inputs == {"given": "/somewhere", "a": str(tmp_path / "0" / "a")}
    assert calls[2].inputs["b"] == str(tmp_path / "1" / "b")
    assert all(not each.after for each in calls)


@pytest.mark.parametrize("calls", [[call("a", a=0)], [call("a"), call(b=0)], [call(a=1), call("a")]])
def test_what_nobody_makes_before_is_a_fault(tmp_path, calls):
    with pytest.raises(SoftwareFault, match=r"no call before tasks.a:b makes [ab]$"):
        linked(calls, tmp_path)


def test_a_tool_goes_by_its_own_name():
    assert call().maker == "tasks.a:b"
    assert Call(function="tasks.a:b", parameters={"tool": "extractor"}).maker == "extractor"
