"""A tool's process: reads its parameters as the parameter library does, then works, or misbehaves as told.

`HEASOFT_DOUBLE` in the environment tells how: `tool=way`, several with commas between them, `*` for any tool.
`HEASOFT_DOUBLE_LOG` names a file in which every tool notes when it begins and ends, and where it works.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tasks.core.errors import XtendflowError

from .parameters import CLOBBERED, READ, TOOLS, lines_of

Given = dict[str, Any]
MISREAD = set("[](),;@!+ ")


class Refusal(Exception):
    """What a tool says before it ends with an exit status that is not zero."""


def end(tool: str, words: list[str]) -> NoReturn:
    """Be the tool and end this process."""
    status = 1
    note(tool, "begins")
    try:
        status = run(tool, words)
    except (Refusal, XtendflowError, OSError) as exc:
        say(f"{tool}: ERROR: {exc}")
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        note(tool, "ends")
        sys.stdout.flush()
        os._exit(status)


def note(tool: str, what: str) -> None:
    """Say in the file that `HEASOFT_DOUBLE_LOG` names which directory and which PFILES a tool works with."""
    if path := os.environ.get("HEASOFT_DOUBLE_LOG"):
        places = {"directory": str(Path.cwd()), "pfiles": os.environ["PFILES"]}
        line = {"tool": tool, "what": what, "pid": os.getpid(), **places}
        # One write at the end of a file is one piece, whoever else writes there.
        with Path(path).open("ab", buffering=0) as log:
            log.write(json.dumps(line).encode() + b"\n")


def run(tool: str, words: list[str]) -> int:
    given = parameters(tool, words)
    say(f"{tool} (double) in {Path.cwd().name}")
    check_files(tool, given)
    way = way_of(tool)
    if way is None:
        work(tool, given)
        return 0
    return WAYS[way](tool, given)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def way_of(tool: str) -> str | None:
    told = [part.partition("=") for part in os.environ.get("HEASOFT_DOUBLE", "").split(",")]
    return next((way for name, _, way in told if name in (tool, "*")), None)


def parameters(tool: str, words: list[str]) -> Given:
    """The parameters with their types; what is not given and asked for is prompted."""
    known = TOOLS[tool]
    folder = Path(os.environ["PFILES"].split(";")[0])
    if (folder / f"{tool}.par").read_text().count("\n") != len(lines_of(tool)):
        raise Refusal(f"the parameter file in {folder} is not whole")
    given = dict(word.split("=", 1) for word in words)
    if unknown := given.keys() - known.keys() - {"mode"}:
        raise Refusal(f"unknown parameter {', '.join(sorted(unknown))}")
    result = {}
    for name, (kind, mode, default, legal) in known.items():
        if mode == "a" and name not in given:
            prompt(f"{name} of {tool} [{default}]")
        text = given.get(name, default)
        result[name] = typed(name, text if text != "$( )" else "", kind, legal)
    return result


def prompt(question: str) -> NoReturn:
    """Ask; HEADASPROMPT, the terminal and standard input all lead nowhere in the runner's child."""
    sys.stdout.write(f"{question} ")
    sys.stdout.flush()
    places = (os.environ.get("HEADASPROMPT", "/dev/tty"), "/dev/tty", "/dev/stdin")
    for place in places:
        try:
            answer = Path(place).read_text()
        except OSError:
            answer = ""
        if answer:
            raise Refusal(f"somebody answered {answer!r} at {place}")
    raise Refusal("a parameter is asked for, and there is nobody to prompt")


def typed(name: str, text: str, kind: str, legal: str) -> Any:
    if text == "INDEF" or (kind in "ir" and text.startswith("TL")):
        return text
    try:
        value = {"i": int, "r": float, "b": {"yes": True, "no": False}.__getitem__, "s": str}[kind](text)
    except (ValueError, KeyError) as exc:
        raise Refusal(f"{text!r} is no value of parameter {name}") from exc
    if ":" in legal:
        low, _, high = legal.partition(":")
        if (low and value < float(low)) or (high and value > float(high)):
            raise Refusal(f"{name}={text} is out of range {legal}")
    elif legal and value not in legal.split("|"):
        raise Refusal(f"{name}={text} is none of {legal}")
    return value


def check_files(tool: str, given: Given) -> None:
    read = [given[name] for name in READ.get(tool, ())]
    written = [given[name] for name in CLOBBERED.get(tool, ())]
    named = [text for text in (*read, *written) if text.upper() not in ("NONE", "CALDB", "ALL")]
    for text in named:
        check_name(text)
    for name in READ.get(tool, ()):
        # extractor takes the whole field without a word of complaint where its region is missing.
        if given[name] in named and not Path(given[name]).exists() and name != "regionfile":
            raise Refusal(f"{name}={given[name]} is not there")
    for text in written:
        if text in named and Path(text).exists() and not given["clobber"]:
            raise Refusal(f"{text} is there already, and clobber is no")
    if "CALDB" in given.values() and not os.environ.get("CALDB"):
        raise Refusal("CALDB is not set")


def check_name(name: str) -> None:
    if MISREAD & set(name) or name.startswith("-") or len(name) > 120:
        raise Refusal(f"the file name {name!r} is taken for something else")


def work(tool: str, given: Given) -> None:
    from . import making

    function: Callable[[Given], None] = getattr(making, tool)
    function(given)


def output_of(tool: str, given: Given) -> Path:
    """The first file that the tool makes."""
    names = [*CLOBBERED.get(tool, ()), "outfile", "infile"]
    return Path(next(given[name] for name in names if given.get(name, "NONE").upper() != "NONE"))


def hang(tool: str, given: Given) -> int:
    """Start a helper, say so and wait for ever."""
    helper = subprocess.Popen(["/bin/sleep", "1000"])
    say(f"::progress {os.getpid()} {helper.pid}")
    while True:
        time.sleep(1000)


def asks(tool: str, given: Given) -> int:
    prompt("Really? [yes]")


def half(tool: str, given: Given) -> int:
    """Leave half a file and fail."""
    whole_then_half(tool, given)
    say("HDUs are missing")
    say(f"Task {tool} terminating with status 104")
    return 104


def truncated(tool: str, given: Given) -> int:
    """Leave half a file and tell nobody."""
    whole_then_half(tool, given)
    return 0


def whole_then_half(tool: str, given: Given) -> None:
    work(tool, given)
    path = output_of(tool, given)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def nothing(tool: str, given: Given) -> int:
    """End well without an output."""
    say("all is well")
    return 0


def empty(tool: str, given: Given) -> int:
    """Leave an empty file."""
    output_of(tool, given).touch()
    return 0


def whole_field(tool: str, given: Given) -> int:
    """Do not understand the region; extractor ends well then."""
    say(f"WARNING: cannot read region file {given['regionfile']}")
    work(tool, given | {"regionfile": "NONE"})
    return 0


def crash(tool: str, given: Given) -> int:
    say("about to fail")
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def killed(tool: str, given: Given) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def flood(tool: str, given: Given) -> int:
    """Print very much, do the work, and fail at last."""
    for number in range(2_000):
        say(f"line {number} " + "x" * 1000)
    work(tool, given)
    say("that was much")
    return 3


def strange(tool: str, given: Given) -> int:
    """Print bytes that are no text, and work."""
    os.write(1, b"caf\xe9 \xb1\x00 \xff\n")
    work(tool, given)
    return 0


def disk_full(tool: str, given: Given) -> int:
    """Find the disk full halfway."""
    whole_then_half(tool, given)
    with Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    return 0


WAYS: dict[str, Callable[[str, Given], int]] = {
    "hang": hang, "prompt": asks, "half": half, "truncated": truncated, "nothing": nothing, "empty": empty,
    "whole-field": whole_field, "crash": crash, "killed": killed, "flood": flood, "strange": strange,
    "disk-full": disk_full,
}  # fmt: skip
