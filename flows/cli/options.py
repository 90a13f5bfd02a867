"""Options that several commands share, and how they become settings."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from tasks.core.errors import BadInput
from tasks.core.settings import Settings
from tasks.core.words import in_words

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.library.recipe import Recipe

_WITHOUT_TERMINAL = 160

Archive = Annotated[
    str | None, typer.Option(help="Where observations are: s3://…, https://… or a directory.")
]
CatalogueName = Annotated[
    str | None, typer.Option("--catalogue", help="`heasarc`, or the path of a local xrismmastr-like table.")
]
StoreUrl = Annotated[str | None, typer.Option("--store", help="Where products go: a directory or s3://….")]
EngineChoice = Annotated[
    str | None, typer.Option("--engine", help="How steps are done: auto, heasoft or native.")
]
StepEngines = Annotated[
    list[str] | None,
    typer.Option(
        "--step-engine",
        metavar="STEP=ENGINE",
        help="Engine of one step, such as extraction=native (repeatable).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def read_settings(**given: Any) -> Settings:
    """Settings of this installation with what the command line gives on top.

    Raises
    ------
    BadInput
        When a variable, the file or an option does not hold.
    """
    if empty := [name for name, value in given.items() if value == ""]:
        raise BadInput(f"--{empty[0]} is given and empty")
    known = {f"XTENDFLOW_{name}".upper() for name in Settings.model_fields}
    unknown = {name for name in os.environ if name.startswith("XTENDFLOW_")} - known
    if unknown:
        raise BadInput(f"there is no setting {', '.join(sorted(unknown))}: xtendflow doctor lists them")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        raise BadInput(f"the settings do not hold: {in_words(exc)}") from exc
    except ValueError as exc:
        raise BadInput(f"xtendflow.toml cannot be read: {exc}") from exc


def with_engines(recipe: "Recipe", engine: str | None, steps: list[str] | None) -> "Recipe":
    """The recipe with the engines that the command line gives, which go before its own.

    Raises
    ------
    BadInput
        When there is no such engine or step.
    """
    single: dict[str, str] = {}
    for text in steps or ():
        step, sign, name = text.partition("=")
        if not sign or single.setdefault(step, name) != name:
            raise BadInput(f"--step-engine {text}: give STEP=ENGINE once a step, such as extraction=native")
    given = recipe.model_dump(mode="json")
    given["engine"] = engine or given["engine"]
    given["engines"] |= single
    try:
        return type(recipe).model_validate(given)
    except ValidationError as exc:
        raise BadInput(f"--engine or --step-engine does not hold: {in_words(exc)}") from exc


def has_ledger(settings: Settings) -> bool:
    """Whether there is a ledger to read; to open an SQLite file that is not there would make it."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.ledger_url)
    except ArgumentError:  # opening it says what is wrong
        return True
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def console() -> "Console":
    """Where tables go: as wide as the terminal, and wider where they are read from a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _WITHOUT_TERMINAL)
