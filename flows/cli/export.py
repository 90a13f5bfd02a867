"""`xtendflow export`: all published products as a table that other programs load."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from flows.cli.options import AsJson, StoreUrl, has_ledger, read_settings
from flows.cli.progress import shown
from tasks.core.errors import BadInput, EnvironmentFault, Permanent, Transient
from tasks.core.progress import Unit, tell
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.library.obscore import Row
    from tasks.library.rows import DatasetRow
    from tasks.library.store import Store


def export(
    file: Annotated[Path, typer.Argument(help="The VOTable to write; one that is there is replaced.")] = Path(
        "obscore.vot"
    ),
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write all published products into a VOTable with the columns of ObsCore 1.1.

    TOPCAT, Aladin, astropy and pyvo open it; every row names a file with its address, sky region, times
    and energies. The outlines of the exposed pixels are kept for the next time.
    """
    settings = read_settings(store=store)
    if not file.parent.is_dir():
        raise BadInput(f"{file} cannot be written: there is no folder {file.parent}")
    if file.is_dir():
        raise BadInput(f"{file} is a folder: name the VOTable to write")
    with shown("Exporting …"):
        found = [row for dataset in _datasets(settings) for row in dataset]
        _write(file, found)
    told = {"file": str(file.absolute()), "products": len(found)}
    typer.echo(json.dumps(told, indent=2) if as_json else f"{len(found)} products in {told['file']}")


def _datasets(settings: Settings) -> "Iterator[list[Row]]":
    """The products of each dataset."""
    from tasks.library.ledger import Ledger
    from tasks.library.store import open_store

    if not has_ledger(settings):
        raise BadInput(f"nothing is known in {settings.root}: no sweep has been run there")
    with (
        closing(Ledger.open(settings.ledger_url)) as ledger,
        closing(open_store(settings.store_url)) as opened,
    ):
        names = {obsid: row.name for obsid, row in ledger.observations().items()}
        published = [row for row in ledger.datasets() if row.manifest]
        for number, dataset in enumerate(published, 1):
            tell("datasets", Unit.DATASETS, number, len(published))
            yield _rows(settings, opened, dataset, names[dataset.obsid])


def _rows(settings: Settings, store: "Store", dataset: "DatasetRow", name: str) -> "list[Row]":
    from tasks.library.coverage import coverage
    from tasks.library.obscore import rows
    from tasks.library.publication import read_manifest

    manifest = read_manifest(store, dataset.obsid, dataset.dataclass)
    if manifest is None:
        typer.echo(f"left out: {dataset.obsid}/{dataset.dataclass} has no manifest in the store", err=True)
        return []
    folder, covered = f"{dataset.obsid}/{dataset.dataclass}", None
    try:
        covered = coverage(store, manifest, settings.root / "coverage")
    except (Permanent, Transient) as exc:
        typer.echo(f"{folder} has no outline and no times: {exc}", err=True)
    urls = {product.path: store.url(f"{folder}/{product.path}") for product in manifest.products}
    return list(rows(manifest, name, covered, urls))


def _write(file: Path, found: "list[Row]") -> None:
    """Write the table beside its place and put it there when it is whole."""
    from tasks.library.obscore_columns import write_votable

    aside = file.with_name(f".{file.name}-{uuid4().hex}")
    try:
        with aside.open("wb") as handle:
            write_votable(found, handle)
        aside.replace(file)
    except OSError as exc:
        raise EnvironmentFault(f"{file} cannot be written: {exc.strerror}") from exc
    finally:
        aside.unlink(missing_ok=True)
