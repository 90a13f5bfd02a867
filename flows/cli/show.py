"""`xtendflow show`: everything known of one observation."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import Archive, AsJson, StoreUrl, console, has_ledger, read_settings
from tasks.core.identifiers import ObsID
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.archive.layout import ArchiveFile
    from tasks.library.ledger import Ledger
    from tasks.library.store import Store


def show(
    obsid: Annotated[str, typer.Argument(help="Nine digits, such as 000128000.", show_default=False)],
    files: Annotated[
        bool, typer.Option("--files", help="List what the archive holds, what is needed, what is here.")
    ] = False,
    archive: Archive = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show where an observation stands: datasets, cautions, products and attempts.

    With --files it asks the archive instead, and marks the files that are needed and those that are here.
    """
    checked = ObsID(obsid)
    settings = read_settings(archive=archive, store=store)
    if files:
        rows = list_files(settings, checked)
        typer.echo(json.dumps(rows, indent=2)) if as_json else _show_files(rows)
        return
    known = describe(settings, checked)
    typer.echo(json.dumps(known, indent=2)) if as_json else _show(known)


def list_files(settings: Settings, obsid: ObsID) -> list[dict[str, Any]]:
    """The archive's files of an observation: name, size, whether needed, whether here and verified."""
    from tasks.archive.local import known_sha256
    from tasks.archive.objects import open_archive
    from tasks.core.errors import BadInput

    with open_archive(settings.archive_url) as source:
        listed = source.list(obsid)
    if not listed:
        raise BadInput(f"{settings.archive} holds no files of {obsid}")
    wanted = _needed(settings, obsid, listed)
    folder = settings.downloads / obsid
    return [
        {
            "name": file.name,
            "size": file.size,
            "needed": file.name in wanted,
            "here": known_sha256(folder, file) is not None,
        }
        for file in listed
    ]


def _needed(settings: Settings, obsid: ObsID, listed: Sequence["ArchiveFile"]) -> set[str]:
    """The names of the files that a sweep into this store would download."""
    from flows.planning import settle
    from tasks.archive.layout import datasets, needed
    from tasks.core.errors import Skipped
    from tasks.engines.choice import choose
    from tasks.library.ownership import recipe_of
    from tasks.library.recipe import Recipe
    from tasks.library.site import open_site
    from tasks.library.store import open_store

    recipe = recipe_of(open_store(settings.store_url)) or Recipe()
    chosen = settle(open_site(settings), recipe) if has_ledger(settings) else choose(recipe)
    try:
        found = datasets(obsid, listed, pipeline=chosen.reprocesses, rmf=chosen.takes_rmf)
    except Skipped:
        return set()
    return {file.name for file in needed(found)}


def describe(settings: Settings, obsid: ObsID) -> dict[str, Any]:
    """What ledger and store know of an observation, as plain values."""
    from tasks.core.errors import BadInput
    from tasks.library.ledger import Ledger
    from tasks.library.store import open_store

    if not has_ledger(settings):
        raise BadInput(f"{obsid} is not known here: no sweep has been run in {settings.root}")
    ledger, store = Ledger.open(settings.ledger_url), open_store(settings.store_url)
    row = ledger.observations().get(obsid)
    if row is None:
        raise BadInput(f"{obsid} is not known here: no sweep has found it")
    return {
        "obsid": obsid,
        "name": row.name,
        "standing": row.standing.model_dump(mode="json"),
        "why": row.why,
        "datasets": [_dataset(store, item) for item in ledger.datasets(obsid)],
        "attempts": _attempts(ledger, obsid),
    }


def _dataset(store: "Store", row: Any) -> dict[str, Any]:
    from tasks.library.publication import read_manifest

    manifest = read_manifest(store, row.obsid, row.dataclass)
    content = manifest.model_dump(mode="json", by_alias=True) if manifest else {}
    return {
        "dataclass": row.dataclass,
        "standing": row.standing.model_dump(mode="json"),
        "page": store.url(f"report/{row.obsid}/{row.dataclass}/index.html"),
        "target": content.get("target"),
        **{name: content.get(name, []) for name in ("cautions", "products", "not_made")},
    }


def _attempts(ledger: "Ledger", obsid: ObsID) -> list[dict[str, Any]]:
    return [
        attempt.model_dump(
            mode="json", include={"id", "started", "ended", "host", "engine", "standing", "tries"}
        )
        for attempt in ledger.attempts(obsid)
    ]


def _show_files(rows: list[dict[str, Any]]) -> None:
    from rich.filesize import decimal
    from rich.table import Table

    table = Table("file", "size", "needed", "here", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for row in rows:
        table.add_row(
            row["name"], decimal(row["size"]), *("yes" if row[key] else "" for key in ("needed", "here"))
        )
    out = console()
    out.print(table)
    for key in ("needed", "here"):
        some = [row["size"] for row in rows if row[key]]
        out.print(f"{key}: {len(some)} of {len(rows)} files, {decimal(sum(some))}")


def _show(known: dict[str, Any]) -> None:
    from rich.markup import escape

    out = console()
    name = escape(known["name"])
    out.print(f"[bold]{known['obsid']} {name}[/bold]: {escape(_standing(known['standing']))}")
    for dataset in known["datasets"]:
        out.print(f"\n[bold]{dataset['dataclass']}[/bold]: {escape(_standing(dataset['standing']))}")
        for item in dataset["cautions"]:
            out.print(f"  [yellow]{item['severity']}[/yellow] {item['id']}: {escape(item['sentence'])}")
        for why, names in _refusals(dataset["not_made"]).items():
            out.print(f"  not made: {', '.join(names)}: {escape(why)}")
        kinds: dict[str, int] = {}
        for item in dataset["products"]:
            kinds[item["kind"]] = kinds.get(item["kind"], 0) + 1
        counted = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        out.print(f"  {counted or 'no products'}")
        out.print(f"  {dataset['page']}", soft_wrap=True, markup=False)
    out.print("\n[bold]Attempts[/bold]")
    for item in known["attempts"]:
        out.print(f"  {item['started'][:19]} on {item['host']}: {escape(_standing(item['standing']))}")


def _refusals(not_made: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What was not made, by reason."""
    found: dict[str, list[str]] = {}
    for item in not_made:
        name = " ".join(filter(None, (item["role"], item["kind"])))
        names = found.setdefault(item["why"], [])
        if name not in names:
            names.append(name)
    return found


def _standing(standing: dict[str, Any]) -> str:
    kind = f"({standing['kind']})" if standing["kind"] else ""
    reason = f": {standing['reason']}" if standing["reason"] else ""
    return f"{standing['state']}{kind}{reason}"
