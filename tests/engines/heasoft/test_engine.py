"""The HEASoft engine as a planner: its versions, its steps, and who plans them."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from tasks.core.errors import EnvironmentFault
from tasks.engines.heasoft import engine as module
from tasks.engines.heasoft.engine import ENGINE_VERSION, TOOLS, HEASoftEngine
from tasks.engines.heasoft.installation import Installation
from tasks.library.manifest import Step

GIVEN = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20260115-0a1b2c3d4e5f"}
STEPS = set(Step) - {Step.DOWNLOAD}


def test_its_versions_are_those_of_the_worker_and_its_own():
    assert HEASoftEngine(GIVEN).versions() == {**GIVEN, "heasoft-engine": ENGINE_VERSION}
    # A worker that runs an older version of this project has registered another one of the engine.
    assert HEASoftEngine({**GIVEN, "heasoft-engine": "0"}).versions()["heasoft-engine"] == ENGINE_VERSION


def test_without_a_worker_they_are_those_installed_here(monkeypatch):
    found = Installation(headas=None, version=None, heasoftpy=None, caldb=None)
    monkeypatch.setattr(module, "find_installation", lambda: found)
    with pytest.raises(EnvironmentFault, match=r"lacks HEASoft .*; heasoftpy .*; CALDB"):
        HEASoftEngine().versions()


@pytest.fixture
def headas(tmp_path, monkeypatch):
    """A HEASoft of this host that has every tool."""
    (tmp_path / "bin").mkdir()
    for tool in {tool for tools in TOOLS.values() for tool in tools}:
        (tmp_path / "bin" / tool).touch(0o755)
    found = Installation(headas=tmp_path, version="6.36", heasoftpy="1.5", caldb="/caldb")
    monkeypatch.setattr(module, "find_installation", lambda: found)
    return tmp_path


def test_a_complete_heasoft_can_do_every_step(headas):
    assert {step for step in Step if HEASoftEngine().can(step) is None} == STEPS == set(TOOLS)


@pytest.mark.parametrize("tool", sorted({tool for tools in TOOLS.values() for tool in tools}))
def test_a_step_needs_its_tools_on_this_host(headas, tool):
    (headas / "bin" / tool).unlink()
    whys = {step: why for step in STEPS if (why := HEASoftEngine().can(step))}
    assert whys == {
        step: f"the HEASoft of this host has no {tool}" for step, tools in TOOLS.items() if tool in tools
    }
    # Nothing is known of the tools of another host.
    assert not any(map(HEASoftEngine(GIVEN).can, STEPS))


def test_a_script_that_heasoftpy_runs_is_a_tool(headas):
    (headas / "bin" / "xtdrmf").rename(headas / "bin" / "xtdrmf.py")
    assert HEASoftEngine().can(Step.RESPONSES) is None


def test_what_cannot_be_run_is_no_tool_and_all_that_is_missing_is_told(headas):
    (headas / "bin" / "xtdrmf").unlink()
    (headas / "bin" / "xaarfgen").chmod(0o644)
    assert HEASoftEngine().can(Step.RESPONSES) == "the HEASoft of this host has no xtdrmf, xaarfgen"


def test_of_another_host_it_can_do_every_step_but_the_download():
    heasoft = HEASoftEngine(GIVEN)
    assert {step for step in Step if heasoft.can(step) is None} == STEPS
    assert heasoft.can(Step.DOWNLOAD) == "the heasoft engine has no step download"


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_step_has_its_planner(step, monkeypatch):
    asked = []
    name = f"tasks.engines.heasoft.{module._PLANNERS[step]}"
    planner = SimpleNamespace(plan=lambda inputs, products: asked.append((inputs, products)) or ["a call"])
    monkeypatch.setitem(sys.modules, name, planner)
    assert HEASoftEngine(GIVEN).plan(step, "inputs", ("product",)) == ["a call"]
    assert asked == [("inputs", ("product",))]
    monkeypatch.undo()
    assert callable(importlib.import_module(name).plan)
