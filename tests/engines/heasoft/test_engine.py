"""The HEASoft engine as a planner: its versions, its steps, and who plans them."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from tasks.core.errors import EnvironmentFault
from tasks.engines.heasoft import engine as module
from tasks.engines.heasoft.engine import ENGINE_VERSION, HEASoftEngine
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


def test_it_can_do_every_step_but_the_download():
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
