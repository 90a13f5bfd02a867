"""What the bench finds: rows of a table and of bench.json."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One finding.

    Parameters
    ----------
    name : str
        What was measured, and against what.
    value, unit : float, str
        What was found.
    against : float, optional
        What it is compared with, found in the same run, in the same unit.
    ratio : float, optional
        How many times as large the value is; where less is promised than `against`, how many times smaller.
    limit : float, optional
        Bound on the ratio or, without one, on the value.
    holds : bool
        Whether the bound is kept; true where there is none.
    """

    name: str
    value: float
    unit: str
    against: float | None = None
    ratio: float | None = None
    limit: float | None = None
    holds: bool = True


def below(name: str, value: float, unit: str, limit: float) -> Row:
    """A value that must stay below a limit."""
    return Row(name, value, unit, limit=limit, holds=value < limit)


def at_most(name: str, value: float, unit: str, against: float, limit: float) -> Row:
    """A value that may be at most `limit` times another."""
    ratio = value / against
    return Row(name, value, unit, against, ratio, limit, ratio <= limit)


def faster(name: str, value: float, unit: str, against: float, limit: float) -> Row:
    """A value that another must be at least `limit` times as large as."""
    ratio = against / value
    return Row(name, value, unit, against, ratio, limit, ratio >= limit)


def note(text: str) -> None:
    """Say how it goes: the single measurements behind a row."""
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """The rows as a list of objects."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n", "utf-8")


def table(rows: Iterable[Row]) -> str:
    """The rows as text."""
    head = ("what", "value", "unit", "against", "ratio", "limit", "holds")
    cells = [head, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in (0, 2) else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def _cells(row: Row) -> tuple[str, ...]:
    numbers = ("" if number is None else f"{number:.3g}" for number in (row.against, row.ratio, row.limit))
    return (row.name, f"{row.value:.3g}", row.unit, *numbers, "yes" if row.holds else "NO")
