"""What child processes of the tests do; runs in their working directory."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def succeed(files: dict[str, str], **told: object) -> dict[str, object]:
    say("all is well\n")
    for name, content in files.items():
        Path(name).write_text(content)
    return {
        "facts": {"directory": str(Path.cwd()), "files": sorted(path.name for path in Path().iterdir())},
        **told,
    }


def answer(value: object) -> object:
    return value


def fail(kind: str, text: str) -> None:
    from tasks.core import errors

    raise getattr(errors, kind)(text)


def fail_with_a_helper(megabytes: int) -> None:
    """Have a process hold some memory, then fail."""
    from tasks.core.errors import Permanent

    subprocess.run([sys.executable, "-c", f"bytearray({megabytes} << 20)"], check=True)
    raise Permanent("after all that")


def fail_by_subclass(text: str) -> None:
    from tasks.core.errors import Permanent

    class Special(Permanent):
        pass

    raise Special(text)


def break_off() -> None:
    for number in range(10):
        say(f"line {number}\n")
    raise ZeroDivisionError("unforeseen")


def leave(status: int) -> None:
    os._exit(status)


def leave_late(status: int) -> None:
    say("something is wrong at the end\n")
    atexit.register(os._exit, status)


def end_by(number: int) -> None:
    say("it goes\n")
    os.kill(os.getpid(), number)
    time.sleep(600)


def start_helpers(go_on: bool, away: bool = False) -> dict[str, object]:
    """Start a process that ignores polite requests and holds standard output; tell the pids as progress."""
    helper = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"], start_new_session=away
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(f"::progress {os.getpid()} {helper.pid}\n")
    if go_on:
        time.sleep(600)
    return {"facts": {"helper": helper.pid}}


def close_output(name: str) -> None:
    os.close(1)
    os.close(2)
    time.sleep(0.3)
    Path(name).write_text("made afterwards")


def flood(lines: int, length: int) -> None:
    sys.stdout.writelines(f"line {number}\n" for number in range(lines))
    say("x" * length + "END")
    os._exit(1)


def print_raw(content: list[int]) -> None:
    sys.stdout.buffer.write(bytes(content))
    sys.stdout.flush()
    os._exit(1)


def print_lines(lines: list[str]) -> None:
    for line in lines:
        say(f"{line}\n")


def read_input() -> dict[str, object]:
    return {"facts": {"read": sys.stdin.read(), "child": subprocess.check_output(["/bin/cat"]).decode()}}


def import_things(names: list[str]) -> dict[str, object]:
    import importlib

    return {"facts": {name: importlib.import_module(name).__file__ for name in names}}


def meet(folder: str, expected: int) -> dict[str, object]:
    """Tell how many like this one are under way at most, until so many have started or a while passed."""
    here = Path(folder, f"{os.getpid()}.here")
    here.touch()
    Path(folder, f"{os.getpid()}.started").touch()
    most = 0
    for _ in range(20):
        most = max(most, len(list(Path(folder).glob("*.here"))))
        if len(list(Path(folder).glob("*.started"))) >= expected:
            break
        time.sleep(0.05)
    here.unlink()
    return {"facts": {"most": most}}
