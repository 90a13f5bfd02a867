"""The child process of the runner: does one call in the current directory and says how it went.

Started as `python -P -m tasks.engines.child`. Reads `.call.json`, leaves `.report.json`.
"""

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from tasks.core.errors import XtendflowError
from tasks.engines.machine import peak_memory
from tasks.library.call import Call, Report

CALL_FILE = ".call.json"
REPORT_FILE = ".report.json"


def main() -> int:
    """Run the call; 0 when it worked, 1 when it raised one of our errors (named in the report).

    An unforeseen exception leaves no report: its traceback goes to the log and the exit status is Python's.
    """
    _end_with_parent()
    call = Call.model_validate_json(Path(CALL_FILE).read_bytes())
    module, _, name = call.function.partition(":")
    try:
        answer = getattr(importlib.import_module(module), name)(**call.parameters)
    except XtendflowError as exc:
        traceback.print_exc()
        # The runner knows the classes of the tree alone; one derived elsewhere goes by its base's name.
        known = next(kind for kind in type(exc).__mro__ if kind.__module__ == XtendflowError.__module__)
        _leave({"error": known.__name__, "message": str(exc), "memory": peak_memory()})
        return 1
    report = Report.model_validate(answer or {}).model_dump(mode="json")
    _leave({"report": report, "memory": peak_memory()})
    return 0


def _end_with_parent() -> None:
    """Have this process and all that it starts end when the runner is killed: standard input ends then."""
    lifeline = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:  # for tools that would wait for an answer
        os.dup2(nothing.fileno(), 0)

    def watch() -> None:
        os.read(lifeline, 1)
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _leave(content: dict[str, object]) -> None:
    Path(REPORT_FILE).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
