"""What the README says is so: its commands, options, recipe, settings, targets and places exist."""

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from flows.cli.main import app
from tasks.core.settings import Settings
from tasks.library.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {"README.md": README, "infra/README.md": (ROOT / "infra" / "README.md").read_text(encoding="utf-8")}
COMMANDS = typer.main.get_command(app).commands


def rows(heading):
    """The cells of a Markdown table, found by its first heading."""
    table = README[README.index(f"| {heading} |") :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_exists(page):
    # In code only: in a sentence the word is the project's name.
    for words in re.findall(r"(?:`|bin/)xtendflow ([a-z-]+[^`#\n]*)", PAGES[page]):
        name, *rest = words.split()
        assert name in COMMANDS, words
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, words


def test_every_command_is_in_the_table():
    named = {re.match(r"`xtendflow ([a-z-]+)", row[0])[1] for row in rows("command")}
    assert named == set(COMMANDS)


def test_the_recipe_shown_is_the_default():
    text = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    assert Recipe.model_validate(tomllib.loads(text)) == Recipe()
    # What is commented out has no default, and is as good as the rest.
    shown = tomllib.loads(re.sub(r"^# ", "", text, flags=re.MULTILINE))
    assert Recipe.model_validate(shown) != Recipe()
    assert shown.keys() == Recipe.model_fields.keys()
    for part, values in shown.items():
        if isinstance(values, dict):
            assert values.keys() == type(getattr(Recipe(), part)).model_fields.keys()


def test_every_setting_is_in_the_table_with_its_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings, shown = Settings(), {row[0].strip("`"): row[2].strip("`") for row in rows("variable")}
    assert shown.keys() == {f"XTENDFLOW_{name.upper()}" for name in Settings.model_fields}
    for name in ("data", "archive", "catalogue", "lease_seconds"):
        assert shown[f"XTENDFLOW_{name.upper()}"] == str(getattr(settings, name))
    assert settings.store_url == str(tmp_path / shown["XTENDFLOW_STORE"])
    assert (
        settings.ledger_url == f"sqlite:///{tmp_path / shown['XTENDFLOW_LEDGER'].removeprefix('sqlite:///')}"
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", PAGES[page], re.MULTILINE)) <= targets


def test_every_place_exists():
    places = re.findall(r"`((?:flows|tasks|tests|deployments|infra)/[A-Za-z_/.*]*)`", README)
    assert places
    assert [place for place in places if not any(ROOT.glob(place.rstrip("/")))] == []
