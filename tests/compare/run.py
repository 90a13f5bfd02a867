"""Print how the native engine's products differ from those of the FTOOLS: `run.py [FOLDER ...]`."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from calls import Folder
from comparison import FolderComparison
from differences import Row
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
DEFAULT = ("heasoft-reference/alpha", "heasoft-reference/alpha-extras", "real/chandra-acis-m82")


def main(arguments: Sequence[str]) -> int:
    """Compare folders.

    Parameters
    ----------
    arguments : sequence of str
        Folders of reference data; those beside the repository when empty.

    Returns
    -------
    int
        0, 1 when a limit is missed, 2 when there is no reference data.
    """
    folders = [Path(name) for name in arguments] or [DATA / name for name in DEFAULT]
    absent = [str(path) for path in folders if not path.is_dir()]
    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else 160)
    if absent:
        console.print(f"No reference data to compare with: {', '.join(absent)} is not there.", soft_wrap=True)
        return 2
    tables = [_shown(console, Folder(path)) for path in folders]
    rows = [row for table in tables for row in table]
    products = sum(len({row.product for row in table}) for table in tables)
    missed, left = sum(row.missed for row in rows), sum(row.difference is None for row in rows)
    console.print(
        f"{products} products, {len(rows) - left} quantities: {missed} limits missed; {left} not compared."
    )
    return 1 if missed else 0


def _shown(console: Console, folder: Folder) -> list[Row]:
    """Compare one folder and print its table."""
    with tempfile.TemporaryDirectory(prefix="compare-") as work:
        rows = list(FolderComparison(folder, Path(work)).rows())
    table = Table(title=str(folder.path.name), title_justify="left")
    for name in ("product", "quantity", "largest difference", "limit", ""):
        table.add_column(name, justify="right" if name in ("largest difference", "limit") else "left")
    table.add_column("note", overflow="fold")
    before = ""
    for row in rows:
        table.add_row(
            "" if row.product == before else row.product,
            row.quantity,
            "" if row.difference is None else f"{row.difference:.3g}",
            "" if row.difference is None else f"{row.limit:g}",
            "" if row.difference is None else "[bold red]MISSED[/]" if row.missed else "ok",
            row.note,
        )
        before = row.product
    console.print(table)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
