"""`xtendflow sweep --dry-run`: what a sweep would run, and why; nothing is run, and nothing is noted."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from flows.cli.options import console
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from flows.planning import Plan
    from tasks.archive.catalogue.interface import Query
    from tasks.archive.selection import Choice, Rules
    from tasks.library.recipe import Recipe


def show_plan(settings: Settings, query: "Query", recipe: "Recipe", rules: "Rules", *, as_json: bool) -> None:
    """Print what a sweep would do.

    Raises
    ------
    EnvironmentFault
        When catalogue, ledger, store or archive cannot be used.
    """
    from flows.planning import plan, settle
    from tasks.archive.catalogue.opening import open_catalogue
    from tasks.library.site import open_site

    site = open_site(settings)
    found = open_catalogue(settings.catalogue).find(query)
    made = plan(site, settle(site, recipe), query, found, rules)
    typer.echo(json.dumps(_as_values(made), indent=2)) if as_json else _print(made)


def _as_values(made: "Plan") -> dict[str, Any]:
    return {
        "engine": made.chosen.name,
        "run": [_values(choice) for choice in made.selection.chosen],
        "leave": [_values(choice) for choice in made.selection.left],
    }


def _values(choice: "Choice") -> dict[str, Any]:
    return {
        "obsid": choice.observation.obsid,
        "name": choice.observation.name,
        "cause": choice.cause,
        "why": choice.why,
        **choice.standing.model_dump(mode="json"),
    }


def _print(made: "Plan") -> None:
    from rich.markup import escape
    from rich.table import Table

    out, chosen = console(), made.selection.chosen
    if chosen:
        table = Table("ObsID", "target", "why", box=None, pad_edge=False)
        for choice in chosen:
            row = choice.observation
            table.add_row(row.obsid, escape(row.name), escape(choice.why))
        out.print(table, "")
    out.print(f"{len(chosen)} observations would be run, by the engine {made.chosen.name}.")
    for why, number in Counter(choice.why for choice in made.selection.left).most_common():
        out.print(f"{number} would be left: {escape(why)}.", soft_wrap=True)
