"""The exact calls of a step, as a shell script that can be copied and run."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pprint import pformat
from typing import Any, Final

from tasks.library.manifest import StepRecord

_FUNCTION: Final = re.compile(r"(tasks(?:\.\w+)+):(\w+)", re.ASCII)
_TOOL: Final = re.compile(r"[a-z]\w*", re.ASCII)
_WIDTH: Final = 100


def script_of(record: StepRecord) -> str:
    """A step's calls as a shell script, in their order.

    It runs in a folder where the inputs lie under the names that its first lines list. Tools of HEASoft
    stand as one types them, functions of this project as Python.
    """
    calls = list(record.calls)
    run = record.facts.get("reprocessing")
    before = _lines_of({"parameters": run}) if isinstance(run, dict) else []
    made = {name for call in calls for name in _names(call, "outputs")}
    needed = sorted({name for call in calls for name in _names(call, "inputs")} - made)
    lines = [f"# Takes {_comment(name)}" for name in needed]
    for call in calls:
        lines += _lines_of(call)
    return "\n".join([*before, *lines])


def _names(call: Mapping[str, Any], key: str) -> list[str]:
    names = call.get(key, ())
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def _lines_of(call: Mapping[str, Any]) -> list[str]:
    parameters = call.get("parameters")
    if isinstance(parameters, dict):
        if _TOOL.fullmatch(str(parameters.get("tool", ""))) and isinstance(
            parameters.get("parameters"), dict
        ):
            return list(_tool_lines(parameters))
        if found := _FUNCTION.fullmatch(str(call.get("function", ""))):
            return _function_lines(found[1], found[2], parameters)
    return [f"# not a call that can be run: {_comment(json.dumps(call, ensure_ascii=False, default=str))}"]


def _tool_lines(told: Mapping[str, Any]) -> Iterator[str]:
    for name, content in (told.get("texts") or {}).items():
        yield f"printf %s {shlex.quote(str(content))} > {shlex.quote(str(name))}"
    for output, source in (told.get("edits") or {}).items():
        yield f"cp {shlex.quote(str(source))} {shlex.quote(str(output))}"
    given = (shlex.quote(f"{name}={_typed(value)}") for name, value in told["parameters"].items())
    yield " ".join([told["tool"], *given])


def _typed(value: object) -> str:
    """A value as a tool takes it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _function_lines(module: str, name: str, parameters: Mapping[str, Any]) -> list[str]:
    given = pformat(dict(parameters), width=_WIDTH, sort_dicts=False)
    # Each line of it begins with a quote, a bracket or a space, so none can end the document.
    return ["python - <<'END'", f"from {module} import {name}", f"{name}(**{given})", "END"]


def _comment(text: str) -> str:
    """A text that stays within its line."""
    return " ".join(text.split())
