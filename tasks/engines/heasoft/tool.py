"""One HEASoft tool as a call of the runner: through heasoftpy, in the runner's child and nowhere else.

heasoftpy changes the environment of its process, and drops parameters that a tool does not know without a
word; so it is imported late, and is asked first which parameters there are.
"""

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from tasks.core.errors import EnvironmentFault, SoftwareFault, Transient
from tasks.engines.check import check_file
from tasks.engines.heasoft.checks import Check
from tasks.engines.words import last_words
from tasks.library.call import Call, Report

Parameters = Mapping[str, str | int | float | bool]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*")
"""Names that no tool takes for something else: no filter, list, sign or blank in them."""
_KEPT: Final = 1 << 16
_AT_ONCE: Final = 1 << 16
_CHECKS: Final = TypeAdapter(tuple[Check, ...])


def tool_call(
    tool: str,
    parameters: Parameters,
    *,
    inputs: Mapping[str, str] | None = None,
    outputs: Sequence[str],
    after: Mapping[str, int] | None = None,
    edits: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
    checks: Sequence[Check] = (),
    chatter: int,
    timeout: float,
) -> Call:
    """The call of a tool.

    Parameters
    ----------
    tool : str
        Its name.
    parameters : mapping
        All that it asks for and whatever else matters; files by their names in the working directory.
    inputs : mapping, optional
        Name in the working directory → absolute path.
    outputs : sequence of str
        Files that it must make.
    after : mapping, optional
        Name → number of the earlier call of the plan that makes this file.
    edits : mapping, optional
        Output → input that is copied to it first, for a tool that changes a file in place.
    texts : mapping, optional
        Name → content of small text files that are written first.
    optional : sequence of str
        Parameters that are left out where this release of the tool does not have them.
    checks : sequence of Check
        What else must hold of the outputs.
    chatter : int
        How much the tool tells, 0 to 5; for those that have this parameter.
    timeout : float
        Seconds until it is killed with all that it started.

    Raises
    ------
    SoftwareFault
        When a file has a name that a tool would not take as it is.
    """
    names = [*(inputs or {}), *(after or {}), *(edits or {}), *(texts or {}), *outputs]
    if odd := [name for name in names if not _PLAIN.fullmatch(name)]:
        raise SoftwareFault(f"{tool} would misread the file name {odd[0]}")
    return Call(
        function=f"{run.__module__}:{run.__name__}",
        parameters={
            "tool": tool,
            "parameters": dict(parameters),
            "outputs": list(outputs),
            "edits": dict(edits or {}),
            "texts": dict(texts or {}),
            "optional": list(optional),
            "checks": [check.model_dump(mode="json") for check in checks],
            "chatter": chatter,
        },
        inputs=dict(inputs or {}),
        after=dict(after or {}),
        outputs=tuple(outputs),
        timeout=timeout,
    )


def run(
    tool: str,
    parameters: Parameters,
    *,
    outputs: Sequence[str] = (),
    edits: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    optional: Sequence[str] = (),
    checks: Sequence[Any] = (),
    chatter: int = 1,
    then: Callable[[], None] = lambda: None,
) -> Report:
    """Run a tool in the current directory, in a process that is its own; see `tool_call`.

    Parameters
    ----------
    checks : sequence of dict or Check
        What else must hold of the outputs.
    then : callable, optional
        What else is done with the outputs; its SoftwareFault gets the tool's last words, too.

    Returns
    -------
    Report
        The fact `defaults`: by tool, parameters that it asks for and was not given, with what it took.

    Raises
    ------
    EnvironmentFault
        When heasoftpy cannot be used, or a tool needs a CALDB and there is none.
    Transient
        When the tool was killed.
    SoftwareFault
        When there is no such tool or parameter, the tool failed, an output is missing or not whole, or a
        check does not hold: with the last lines that it printed.
    """
    # Here, where files are read: what only plans calls does without astropy, which takes its time to import.
    from tasks.engines.heasoft.verification import verify

    if "CALDB" in parameters.values() and not os.environ.get("CALDB"):
        raise EnvironmentFault(f"{tool} needs calibration files, and CALDB is not set")
    for output, source in (edits or {}).items():
        shutil.copyfile(source, output)
    for name, content in (texts or {}).items():
        Path(name).write_text(content, encoding="utf-8")
    task = _task(tool)
    given = _given(task, tool, parameters, optional, chatter)
    _say(f"# {tool} {' '.join(f'{name}={value}' for name, value in given.items())}\n")
    words = _succeed(task, tool, given)
    try:
        for name in outputs:
            check_file(Path(name), tool)
        for check in _CHECKS.validate_python(tuple(checks)):
            verify(check, Path())
        then()
    except SoftwareFault as exc:
        raise SoftwareFault(f"{exc}; {tool} said: {words}") from exc
    defaults = {name: getattr(task, name).default for name in _asked(task) if name not in given}
    return Report(facts={"defaults": {tool: defaults}} if defaults else {})


def _task(tool: str) -> Any:
    """The task of a tool, which knows its parameters; also tools without a function in heasoftpy have one."""
    try:
        import heasoftpy
    except ImportError as exc:
        raise EnvironmentFault(f"heasoftpy cannot be used by this Python: {exc}") from exc
    # heasoftpy's own breaks off on what is not UTF-8, and keeps all of it.
    heasoftpy.HSPTask.handle_io_stream = staticmethod(_stream)
    # Its help on a tool, which nobody reads here, takes a process more, and fails where fhelp is missing.
    heasoftpy.HSPTask.task_docs = lambda _: ""
    try:
        return heasoftpy.HSPTask(tool)
    except (heasoftpy.HSPTaskException, OSError, ValueError, LookupError) as exc:
        raise SoftwareFault(f"{tool} cannot be used by heasoftpy: {exc}") from exc


def _given(
    task: Any, tool: str, parameters: Parameters, optional: Sequence[str], chatter: int
) -> dict[str, Any]:
    """The parameters as the tool takes them.

    Raises
    ------
    SoftwareFault
        When it does not know one, which heasoftpy would not tell.
    """
    known = set(task.par_names)
    if unknown := sorted(parameters.keys() - known - set(optional)):
        raise SoftwareFault(f"{tool} has no parameter {', '.join(unknown)} in this release")
    given = {
        name: _typed(value, getattr(task, name).type) for name, value in parameters.items() if name in known
    }
    return {**_chatter(task, chatter), **given}


def _chatter(task: Any, chatter: int) -> dict[str, int]:
    """How much it tells, within what it can; nothing where it has no such parameter."""
    if "chatter" not in task.par_names:
        return {}
    most = str(task.chatter.max)
    return {"chatter": min(chatter, int(most)) if most.isdecimal() else chatter}


def _typed(value: str | int | float | bool, kind: str) -> str | int | float:
    """A value as parameter files hold it: heasoftpy would write True, and 1.0 for a whole number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "i" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _asked(task: Any) -> list[str]:
    """Parameters that the tool asks for where they are not given."""
    return [name for name in task.par_names if name != "mode" and getattr(task, name).isReq]


def _succeed(task: Any, tool: str, given: Mapping[str, Any]) -> str:
    """Run the tool to a good end; the last lines that it printed."""
    import heasoftpy

    ways = {"noprompt": True, "verbose": 1, "allow_failure": True}
    # Where the tool has a parameter of that name, heasoftpy's own goes by another.
    ways = {f"py_{name}" if name in task.par_names else name: value for name, value in ways.items()}
    try:
        result = task(**given, **ways)
    except (heasoftpy.HSPTaskException, OSError, ValueError, LookupError) as exc:
        raise SoftwareFault(f"{tool} could not be run by heasoftpy: {exc}") from exc
    words = last_words((result.stdout or "").splitlines())
    if result.returncode < 0:
        # Somebody killed it, or memory ran out: worth a try. By any other signal it ended itself.
        number = -result.returncode
        kind = Transient if number in (signal.SIGKILL, signal.SIGTERM) else SoftwareFault
        raise kind(f"{tool} was ended by {signal_name(number)}: {words}")
    if result.returncode:
        raise SoftwareFault(f"{tool} ended with exit status {result.returncode}: {words}")
    return words


def signal_name(number: int) -> str:
    """A signal's name; its number where it has none."""
    return next((each.name for each in signal.Signals if each == number), f"signal {number}")


def _stream(process: Any, *_: object) -> tuple[str, None]:
    """Pass on what a tool prints while it prints it; the end of it is what heasoftpy keeps."""
    kept = b""
    while chunk := process.stdout.read1(_AT_ONCE):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        kept = (kept + chunk)[-_KEPT:]
    return kept.decode(errors="replace"), None


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
