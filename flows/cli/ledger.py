"""`xtendflow ledger`: `rebuild` makes it again from the store, `register` tells it what this host has."""

import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from flows.cli.options import AsJson, StoreUrl, console, read_settings
from flows.cli.progress import shown
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.library.ledger import Rebuilt

app = typer.Typer(help="Care of the ledger, which indexes what the store holds.")

_NAMED = 5
"""At most this many who work are named."""


@app.command()
def rebuild(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Make the ledger's datasets, products and attempts again from manifests and attempts in the store.

    What the store cannot tell stays as it is: names, sweeps and versions of hosts. Refused while anybody
    works on an observation. Ends with status 1 when files of the store are damaged; they are listed.
    """
    settings = read_settings(store=store)
    with shown("Reading the store …"):
        found = _rebuild(settings)
    typer.echo(json.dumps(asdict(found), indent=2)) if as_json else _show(found)
    raise typer.Exit(1 if found.damaged else 0)


@app.command()
def register(as_json: AsJson = False) -> None:
    """Tell the ledger which engines this host has, and in which versions.

    Every run does so, too. A worker's start script calls it, so that a scheduler without HEASoft knows of
    the worker before it has run anything; it counts for 30 days.
    """
    from tasks.engines.choice import installed
    from tasks.engines.choice import register as tell
    from tasks.library.site import open_site

    site = open_site(read_settings())
    tell(site)
    versions = {each.name: each.versions() for each in installed()}
    if as_json:
        typer.echo(json.dumps(versions, indent=2))
    for name, found in {} if as_json else versions.items():
        console().print(f"{site.host} has the engine {name}: " + ", ".join(map(" ".join, found.items())))


def _rebuild(settings: Settings) -> "Rebuilt":
    from tasks.core.errors import EnvironmentFault
    from tasks.library import leases
    from tasks.library.ledger import Ledger
    from tasks.library.ownership import require_owned
    from tasks.library.site import Site
    from tasks.library.store import open_store

    with contextlib.ExitStack() as opened:
        store = opened.enter_context(contextlib.closing(open_store(settings.store_url)))
        # An address written wrongly, or a disk that is not mounted, would empty the ledger.
        require_owned(store)
        ledger = opened.enter_context(contextlib.closing(Ledger.open(settings.ledger_url)))
        # Those whose process was killed here need not run out first.
        Site(settings, store, ledger).end_leases()
        if holders := sorted(leases.holders(ledger)):
            named = ", ".join(holders[:_NAMED]) + (", …" if len(holders) > _NAMED else "")
            raise EnvironmentFault(
                f"the ledger is in use: {named} hold observations; rebuild it when no sweep runs"
            )
        return ledger.rebuild(store)


def _show(found: "Rebuilt") -> None:
    out = console()
    out.print(f"made again from the store: datasets: {found.datasets}, attempts: {found.attempts}")
    for key in found.damaged:
        out.print(f"damaged: {key}", soft_wrap=True, markup=False)
