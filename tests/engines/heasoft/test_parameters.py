"""Every tool is told all that it asks for and nothing that it does not know: none prompts, none ignores."""

import importlib.util
from pathlib import Path

import pytest

from tasks.engines.heasoft import derived, extractor, responses
from tasks.engines.heasoft.tool import _typed
from tasks.library.manifest import Step

TABLE = Path(__file__).parents[1] / "doubles" / "heasoftpy" / "parameters.py"


@pytest.fixture(scope="module")
def tools():
    """Tool → parameter → type, mode, default and range."""
    spec = importlib.util.spec_from_file_location("parameters_of_tools", TABLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TOOLS


@pytest.mark.parametrize(
    ("step", "planner", "names"),
    [
        (Step.EXTRACTION, extractor.plan, {"extractor", "ahbackscal"}),
        (Step.DERIVED, derived.plan, {"lcmath", "ftgrouppha"}),
        (Step.RESPONSES, responses.plan, {"xtdrmf", "coordpnt", "xaarfgen", "ftgrouppha"}),
    ],
)
def test_all_that_is_asked_is_told_and_known(planned, tools, step, planner, names):
    calls = [call.parameters for call in planned(step, planner).calls if "tool" in call.parameters]
    assert {call["tool"] for call in calls} == names
    for call in calls:
        known, given = tools[call["tool"]], call["parameters"]
        assert given.keys() <= known.keys() | set(call["optional"])
        assert {name for name, (_, mode, *_) in known.items() if mode == "a"} <= given.keys()


@pytest.mark.parametrize(
    ("step", "planner"),
    [(Step.EXTRACTION, extractor.plan), (Step.DERIVED, derived.plan), (Step.RESPONSES, responses.plan)],
)
def test_values_are_of_the_type_that_the_tool_reads(planned, tools, step, planner):
    """As the call of a tool hands them over: it writes 0.0 as 0 where a whole number is read."""
    python = {"b": (str,), "i": (int,), "r": (float, int), "s": (str,)}
    for call in planned(step, planner).calls:
        for name, value in call.parameters.get("parameters", {}).items():
            kind, _, _, legal = tools[call.parameters["tool"]][name]
            assert isinstance(_typed(value, kind), python[kind]), f"{name}={value!r}"
            assert isinstance(value, bool) == (kind == "b")
            if "|" in legal:
                assert value in legal.split("|")
