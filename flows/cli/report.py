"""`xtendflow report`: the pages of the store, made again where they do not say what is known."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, StoreUrl, has_ledger, read_settings
from flows.cli.progress import shown
from tasks.core.errors import BadInput
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.report.site import Updated

_INDEX = "report/index.html"


def report(
    open_it: Annotated[bool, typer.Option("--open", help="Show the index in the browser.")] = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring the report up to date with store and ledger, and say where it is.

    Only pages that are missing, or that show something else than what is known now, are made. Every sweep
    does so at its end; this is for looking in between, and for a store that came from elsewhere.
    """
    settings = read_settings(store=store)
    found, address = _rebuild(settings)
    if as_json:
        typer.echo(json.dumps({**asdict(found), "index": address}, indent=2))
    else:
        typer.echo(f"{found.made} pages made, {found.kept} kept")
        typer.echo(address)
    if open_it:
        _show(address)


def _rebuild(settings: Settings) -> "tuple[Updated, str]":
    from tasks.library.ownership import require_owned
    from tasks.library.site import open_site
    from tasks.library.store import open_store
    from tasks.reporting import rebuild

    store = open_store(settings.store_url)
    require_owned(store)
    if not has_ledger(settings):
        raise BadInput(
            f"no ledger is in {settings.root}: `xtendflow ledger rebuild` makes one from the store"
        )
    with shown("Making pages …"):
        return asyncio.run(rebuild(open_site(settings))), store.url(_INDEX)


def _show(address: str) -> None:
    """Open a page that lies on this machine; one in a bucket is opened by its own address there."""
    import webbrowser

    if not address.startswith("file:"):
        typer.echo("not opened: serve the bucket as a web site, or copy the folder report/ from it", err=True)
    elif not webbrowser.open(address):
        typer.echo("not opened: no browser was found", err=True)
