"""`xtendflow ledger`: care of the ledger; `rebuild` makes it again from the store."""

import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from flows.cli.options import AsJson, StoreUrl, console, read_settings
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.library.ledger import Rebuilt

app = typer.Typer(help="Care of the ledger, which indexes what the store holds.")

_NAMED = 5
"""At most this many who work are named."""


@app.callback()
def _group() -> None:
    """Have `rebuild` stay a word of its own, although it is the only one."""


@app.command()
def rebuild(store: StoreUrl = None, as_json: AsJson = False) -> None:
    """Make the ledger's datasets, products and attempts again from manifests and attempts in the store.

    What the store cannot tell stays as it is: names, sweeps and versions of hosts. Refused while anybody
    works on an observation. Ends with status 1 when files of the store are damaged; they are listed.
    """
    found = _rebuild(read_settings(store=store))
    typer.echo(json.dumps(asdict(found), indent=2)) if as_json else _show(found)
    raise typer.Exit(1 if found.damaged else 0)


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
