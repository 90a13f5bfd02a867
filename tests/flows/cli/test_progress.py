"""Bars on a terminal, and nothing where there is none."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import logging
import time
from flows.cli.logs import log_to_stderr
from flows.cli.progress import shown
from tasks.core.progress import Unit, tell
from tasks.core.settings import Settings

with shown("Sweeping [all] …") as console:
    log_to_stderr(Settings(log_level="info"), console)
    tell("observations", Unit.OBSERVATIONS, 3, 10)
    tell("download 000128000", Unit.BYTES, 1_500_000, 3_000_000)
    logging.getLogger("xtendflow.sweep").info("000128000 [b]N132D[/b]: begins")
    logging.getLogger("xtendflow.sweep").debug("not this")
    logging.getLogger("somebody").info("nor this")
    time.sleep(0.5)
    tell("download 000128000", Unit.BYTES, 3_000_000, 3_000_000)
print("done")
"""


@pytest.fixture
def terminal(tmp_path):
    """Runs a script whose standard error is a terminal; what is shown there, and its output."""

    def run(script: str) -> tuple[str, str]:
        ours, theirs = pty.openpty()
        variables = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLUMNS": "120",
            "XTENDFLOW_DATA": str(tmp_path),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[3],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # Linux says so when nobody holds the other end any more
            pass
        os.close(ours)
        out, _ = process.communicate()
        assert process.returncode == 0
        return shown.decode(), out

    return run


def test_a_terminal_shows_bars_and_lines_above_them(terminal):
    shown, out = terminal(SCRIPT)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    for text in ("Sweeping [all] …", "observations", "3 of 10 observations", "1.5 MB of 3.0 MB"):
        assert text in plain
    assert "000128000 [b]N132D[/b]: begins" in [line.strip() for line in plain.splitlines()]
    assert "not this" not in plain
    assert "nor this" not in plain
    assert "\x1b[?25h" in shown, "the cursor is back"
    assert out == "done\n"


def test_elsewhere_there_are_only_the_lines():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stderr == "000128000 [b]N132D[/b]: begins\n"
    assert done.stdout == "done\n"
