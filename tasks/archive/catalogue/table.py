"""A local table as a catalogue: the embedded archive's, or a saved copy of `xrismmastr`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

import yaml
from astropy.io.fits import VerifyError
from astropy.table import Table

from tasks.archive.catalogue.interface import Observation, Position, Query
from tasks.archive.catalogue.matching import located, matching
from tasks.archive.catalogue.opening import FORMATS
from tasks.archive.catalogue.positions import name_key, resolve
from tasks.archive.catalogue.rows import missing_columns, read_rows, unique
from tasks.core.errors import BadInput

_UNREADABLE: Final = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    SyntaxError,
    yaml.YAMLError,
    ExpatError,
    VerifyError,
)
"""What astropy's readers raise for a file that is not what its name says."""


@dataclass(frozen=True)
class TableCatalogue:
    """A table with the columns of `rows.COLUMNS`, read anew for every search.

    Parameters
    ----------
    path : Path
        An `.ecsv`, `.csv`, `.fits` or `.vot` file.
    """

    path: Path

    def find(self, query: Query) -> tuple[Observation, ...]:
        """Every observation that the query wants, sorted by ObsID, each once.

        Raises
        ------
        BadInput
            When the table cannot be read, lacks a column or holds a row that is no observation, or when
            the target's name is not known.
        """
        observations = self._read()
        return unique(matching(located(query, lambda name: self._resolve(name, observations)), observations))

    def _resolve(self, name: str, observations: list[Observation]) -> Position:
        """The table's own names go first: simulated targets have no other."""
        for found in observations:
            if found.position is not None and name_key(found.name) == name_key(name):
                return found.position
        return resolve(name, online=False)

    def _read(self) -> list[Observation]:
        table = _read_table(self.path)
        if missing := missing_columns(table):
            raise BadInput(f"the catalogue {self.path} lacks {', '.join(missing)}")
        rows = read_rows(table)
        if rows.unusable:
            raise BadInput(f"the catalogue {self.path} cannot be used: {rows.unusable[0]}")
        return rows.observations


def _read_table(path: Path) -> Any:
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise BadInput(f"the catalogue {path} is no table: it must end in {', '.join(FORMATS)}")
    # As numbers, CSV cells lose leading zeros (000128000), and 31e00010 becomes infinite.
    options: dict[str, Any] = {"guess": False, "converters": {"*": str}} if form == "ascii.csv" else {}
    try:
        return Table.read(path, format=form, **options)
    except OSError as exc:
        raise BadInput(f"the catalogue {path} cannot be read: {exc.strerror or exc}") from exc
    except _UNREADABLE as exc:
        raise BadInput(f"the catalogue {path} is no {path.suffix[1:]} table: {_line(exc)}") from exc


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
