"""Rows of a catalogue's table as observations, whatever format the table came in."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from tasks.archive.catalogue.interface import Observation
from tasks.core.errors import BadInput
from tasks.core.identifiers import DataClass, ObsID

COLUMNS: Final = (
    "obsid",
    "name",
    "ra",
    "dec",
    "time",
    "xtd_expo",
    "status",
    "public_date",
    "xtd_dataclas1",
    "xtd_dataclas2",
)
"""Columns of `xrismmastr` that a catalogue must have."""
OPTIONAL: Final = ("subject_category",)
"""Columns of `xrismmastr` that a table of one's own may lack."""


class Rows(NamedTuple):
    """What a table holds: observations, and one sentence for each row that cannot be used."""

    observations: list[Observation]
    unusable: list[str]


def missing_columns(table: Any) -> list[str]:
    """Names of the columns that a table lacks; upper and lower case are alike."""
    present = {name.lower() for name in table.colnames}
    return [name for name in COLUMNS if name not in present]


def read_rows(table: Any) -> Rows:
    """The observations of a table.

    Rows without an ObsID (observations that are not scheduled yet) name nothing and are passed over.

    Parameters
    ----------
    table : astropy.table.Table
        Has at least `COLUMNS`.
    """
    wanted = (*COLUMNS, *OPTIONAL)
    columns = dict.fromkeys(OPTIONAL, [None] * len(table)) | {
        name.lower(): table[name].tolist() for name in table.colnames if name.lower() in wanted
    }
    rows = Rows([], [])
    for number, cells in enumerate(zip(*(columns[name] for name in wanted), strict=True), start=1):
        row = dict(zip(wanted, cells, strict=True))
        if not _text(row["obsid"]):
            continue
        try:
            rows.observations.append(_observation(row))
        except BadInput as exc:
            rows.unusable.append(f"row {number}: {exc}")
    return rows


def unique(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """Sorted by ObsID, each once; of two rows for one ObsID the longer exposed (the later state) stays."""
    ordered = sorted(observations, key=lambda found: (found.obsid, found.exposure))
    return tuple({found.obsid: found for found in ordered}.values())


def _observation(row: Mapping[str, Any]) -> Observation:
    claims = [text for text in (_text(row["xtd_dataclas1"]), _text(row["xtd_dataclas2"])) if text]
    start = _number(row, "time")
    return Observation(
        obsid=ObsID(_text(row["obsid"])),
        name=_text(row["name"]),
        ra=_number(row, "ra"),
        dec=_number(row, "dec"),
        start_mjd=start if start else None,
        exposure=_number(row, "xtd_expo") or 0.0,
        category=_text(row["subject_category"]),
        status=_text(row["status"]),
        public_date=_number(row, "public_date"),
        dataclasses=tuple(DataClass(claim) for claim in claims if _is_dataclass(claim)),
        odd_dataclasses=tuple(claim for claim in claims if not _is_dataclass(claim)),
    )


def _is_dataclass(text: str) -> bool:
    return DataClass.pattern.fullmatch(text) is not None


def _text(cell: Any) -> str:
    """A cell as clean text: no blanks at its ends, no control characters, nothing for a masked one."""
    if cell is None:
        return ""
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    return "".join(character for character in text if character.isprintable()).strip()


def _number(row: Mapping[str, Any], column: str) -> float | None:
    """A cell as a finite number; None for a masked or blank one."""
    text = _text(row[column])
    if not text:
        return None
    try:
        number = float(text)
    except ValueError as exc:
        raise BadInput(f"{column} is {text!r}, which is no number") from exc
    return number if math.isfinite(number) else None
