"""`xtendflow demo-archive`."""

import json

import pytest
import typer
from typer.testing import CliRunner

from flows.cli.demo_archive import demo_archive
from tasks.archive.simulated import archive
from tasks.core.errors import BadInput
from tasks.library.recipe import read_recipe


def _command():
    app = typer.Typer()
    app.command()(demo_archive)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def run(monkeypatch, tmp_path):
    def pretend(root, *_):
        (root / "9").mkdir()
        return {}

    monkeypatch.setattr(archive, "_make", pretend)
    # Settings are read from here: no xtendflow.toml of whoever runs the tests.
    monkeypatch.chdir(tmp_path)
    return _command()


def test_it_says_what_it_made_where_and_how_to_sweep_it(run, tmp_path):
    result = run(tmp_path / "demo")
    assert result.exit_code == 0
    assert "900002010  31100010 32000010" in result.stdout
    assert f"xtendflow sweep --archive {tmp_path / 'demo'}" in result.stdout
    assert "900011010" not in result.stdout
    assert (tmp_path / "demo/SIMULATED.json").exists()
    assert f"--recipe {tmp_path / 'demo/demo.toml'}" in result.stdout
    recipe = read_recipe(tmp_path / "demo/demo.toml")
    assert recipe.responses.arf == str(tmp_path / "demo/responses/xa{obsid}xtd_{dataclass}_src.arf.gz")
    assert recipe.fit.model == "phabs*powerlaw"
    assert json.loads((tmp_path / "demo/truth.json").read_text()) == {}

    again = run(tmp_path / "demo", "--json")
    rows = json.loads(again.stdout)
    assert [row["obsid"] for row in rows][:2] == ["900001010", "900002010"]
    assert rows[1]["dataclasses"] == ["31100010", "32000010"]
    assert all(set(row) == {"obsid", "dataclasses", "note"} and row["note"] for row in rows)

    other = run(tmp_path / "demo", "--with-faults")
    assert isinstance(other.exception, BadInput)


def test_another_directory_is_refused_in_one_line(run, tmp_path):
    (tmp_path / "mine").touch()
    result = run(tmp_path)
    assert isinstance(result.exception, BadInput)
    assert "\n" not in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.system
def test_the_real_thing_with_faults(tmp_path):
    result = _command()(tmp_path / "demo", "--with-faults", "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 15
    assert len(list((tmp_path / "demo").glob("9/*/xtend/event_cl/*_cl.evt.gz"))) == 14


def test_help_speaks_to_a_newcomer(run):
    result = run("--help")
    assert result.exit_code == 0
    assert "simulated" in result.stdout
