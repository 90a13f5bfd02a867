"""The command line as a whole: help, quick start, and complaints in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flows.cli.main import app

COMMANDS = sorted(typer.main.get_command(app).commands)
HEAVY = ("prefect", "astropy", "matplotlib", "numpy", "sqlalchemy", "httpx", "s3fs", "astroquery")


def test_these_are_the_commands():
    assert COMMANDS == [
        "demo-archive",
        "deploy",
        "doctor",
        "export",
        "extract",
        "fit",
        "ledger",
        "report",
        "show",
        "status",
        "sweep",
    ]


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_says_what_a_command_does_and_writes_nothing(xtendflow, command):
    ended = xtendflow(*filter(None, (command, "--help")))
    assert (ended.status, ended.err, ended.written) == (0, "", ())
    assert f"Usage: xtendflow {command or '[OPTIONS] COMMAND'}" in ended.out
    assert command is not None or all(name in ended.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    for parameter in typer.main.get_command(app).commands[command].params:
        assert parameter.help, parameter.name


def test_help_needs_nothing_heavy(tmp_path):
    """The time a newcomer waits for --help is the time of the imports."""
    script = (
        "import json, sys\nfrom flows.cli.main import main\nsys.argv[1:] = ['sweep', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "Usage" in done.stdout
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr)}
    assert not loaded & set(HEAVY)


def test_without_anything_it_shows_its_help(xtendflow):
    ended = xtendflow()
    assert ended.status == 0
    assert "Usage" in ended.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nonsense",), "nonsense"),
        (("sweep", "--nonsense"), "--nonsense"),
        (("status", "more"), "more"),
        (("show",), "obsid"),
        (("extract", "events.fits"), "--out"),
        (("sweep", "--position", "1"), "--position"),
        (("sweep", "--position", "1", "north"), "--position"),
        (("sweep", "--cores", "many"), "--cores"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_refused_in_one_line(refused, words, told):
    assert told in refused(*words)


def test_the_installed_command_is_this_one(tmp_path):
    """Also where the working directory holds modules that are called like ours."""
    for name in ("flows", "tasks", "typer"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    command = Path(sys.executable).with_name("xtendflow")
    done = subprocess.run(
        [command, "show", "../../etc"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "xtendflow: '../../etc' is not an ObsID (nine digits, such as 000128000)\n"
