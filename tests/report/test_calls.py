"""Calls as they stand on a page: what they say is what was run, and they run."""

import ast
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.library.manifest import StepRecord
from tasks.report.calls import script_of

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def record(*calls, facts=None):
    return StepRecord(fingerprint="0" * 64, engine="native", versions={}, calls=calls, facts=facts or {})


def tool(name="extractor", **parameters):
    return {
        "function": "tasks.engines.heasoft.tool:run",
        "parameters": {"tool": name, "parameters": parameters},
    }


@settings(deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_a_function_gets_exactly_its_parameters(parameters):
    script = script_of(record({"function": "tasks.xtend.channels:channels", "parameters": parameters}))
    first, *lines, last = script.split("\n")
    assert (first, last) == ("python - <<'END'", "END")
    assert "END" not in lines
    imported, called = ast.parse("\n".join(lines)).body
    assert (imported.module, imported.names[0].name) == ("tasks.xtend.channels", "channels")
    assert called.value.func.id == "channels"
    assert ast.literal_eval(called.value.keywords[0].value) == parameters


@settings(deadline=None, max_examples=20)
@given(st.dictionaries(st.from_regex("[a-z]{1,9}", fullmatch=True), TEXTS | st.booleans(), max_size=4))
def test_a_tool_gets_exactly_its_parameters(parameters):
    script = script_of(record(tool("show", **parameters)))
    show = f"show() {{ {sys.executable} -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"; }}\n"
    done = subprocess.run(["/bin/sh", "-c", show + script], capture_output=True, text=True, check=True)
    typed = {True: "yes", False: "no"}
    expected = [
        f"{name}={typed[value] if isinstance(value, bool) else value}" for name, value in parameters.items()
    ]
    assert json.loads(done.stdout) == expected


def test_what_a_tool_finds_in_its_folder_is_made_first(tmp_path):
    call = tool("cat")
    call["parameters"] |= {"texts": {"list.txt": 'it\'s "one"\n'}, "edits": {"copy.txt": "list.txt"}}
    script = script_of(record(call)).replace("\ncat", "\ncat copy.txt")
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == 'it\'s "one"\n'


def test_inputs_are_listed_unless_a_call_makes_them():
    first = {**tool("one"), "inputs": ["b.evt", "a.evt"], "outputs": ["c.fits"]}
    second = {**tool("two"), "inputs": ["c.fits", "a.evt"], "outputs": ["d.fits"]}
    assert script_of(record(first, second)) == "# Takes a.evt\n# Takes b.evt\none\ntwo"


def test_the_run_of_the_pipeline_comes_first():
    run = {"tool": "xtdpipeline", "parameters": {"seed": 7, "calc_modegti": True}, "seconds": 1.0}
    script = script_of(record(tool("two"), facts={"reprocessing": run}))
    assert script == "xtdpipeline seed=7 calc_modegti=yes\ntwo"


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"function": "os:system", "parameters": {"command": "rm -rf /"}},
        {"function": "tasks.x:y\nrm -rf /", "parameters": {}},
        {"function": "<script>"},
        {"function": "tasks.a:b", "parameters": "no mapping"},
        tool("rm -rf / #"),
        tool("two\nlines"),
    ],
)
def test_what_is_no_call_of_ours_is_a_comment(call):
    script = script_of(record(call))
    commands = [line for line in script.splitlines() if not line.startswith("#")]
    # What has no tool's name is still a function's parameter, as which nothing can happen.
    assert not commands or commands[1] == "from tasks.engines.heasoft.tool import run"
