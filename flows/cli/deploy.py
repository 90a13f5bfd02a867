"""`xtendflow deploy`: work pool, deployments and automations for a Prefect server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import read_settings
from flows.cli.progress import shown
from tasks.core.errors import BadInput, EnvironmentFault

if TYPE_CHECKING:
    from flows.deploying import Change

_RESERVED = frozenset("/%&<>")

Pool = Annotated[
    str, typer.Option(help="Work pool whose workers run it; made with the type process when it is not there.")
]
Notify = Annotated[
    str | None,
    typer.Option(
        metavar="TYPE/NAME",
        help="Notification block that is told of failed and late runs, such as slack-webhook/ops.",
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe",
        help="TOML file that says what the deployments make; left out, each keeps the recipe that it has.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


def deploy(pool: Pool, notify: Notify = None, recipe: RecipeFile = None, dry_run: DryRun = False) -> None:
    """Put work pool, deployments and automations on the Prefect server of PREFECT_API_URL.

    What is there already is changed only where it differs. Whether something is paused stays as it is, and
    so do a deployment's recipe and a work pool's template that somebody has changed.
    """
    settings = read_settings()
    _check(pool)
    if not os.environ.get("PREFECT_API_URL"):
        raise EnvironmentFault("PREFECT_API_URL is not set: it is the address of a Prefect server's API")
    from flows.deploying import deploy as put
    from flows.server import prefect_server
    from tasks.library.recipe import read_recipe

    given = read_recipe(recipe) if recipe else None
    with shown("Asking the server …"), prefect_server(settings):
        changes = put(pool, notify, given, dry_run=dry_run)
    _show(changes, dry_run, notify)


def _check(pool: str) -> None:
    """Refuse what a server would refuse as the name of a work pool."""
    if not pool.strip() or _RESERVED & set(pool):
        raise BadInput(f"--pool {pool!r} is no name: it is empty or has one of / % & < >")
    if pool.lower().startswith("prefect"):
        raise BadInput(f"--pool {pool}: names that begin with prefect are Prefect's own")


def _show(changes: "tuple[Change, ...]", dry_run: bool, notify: str | None) -> None:
    from flows.deploying import Outcome

    for change in changes:
        # Texts of the server's are among them, so no markup.
        detail = f" ({change.detail})" if change.detail else ""
        typer.echo(f"{change.outcome:<8} {change.what}{detail}")
    if notify is None:
        typer.echo("Without --notify nobody is told of failures by a new automation.")
    touched = sum(change.outcome != Outcome.LEFT for change in changes)
    if not touched:
        typer.echo("Everything is there already; nothing was changed.")
    elif dry_run:
        typer.echo(f"A dry run: {touched} of {len(changes)} would be made or changed; nothing was.")
