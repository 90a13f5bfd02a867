"""The `xrismmastr` table of HEASARC as a catalogue."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tasks.archive.catalogue import adql
from tasks.archive.catalogue.interface import Observation, Query
from tasks.archive.catalogue.matching import located, matching
from tasks.archive.catalogue.positions import resolve
from tasks.archive.catalogue.rows import missing_columns, read_rows, unique
from tasks.archive.catalogue.service import Service
from tasks.core.errors import EnvironmentFault

log = logging.getLogger("xtendflow.catalogue")


@dataclass(frozen=True)
class HeasarcCatalogue:
    """XRISM's master catalogue, asked over the network through astroquery.

    Parameters
    ----------
    url : str, optional
        Address of the VO services (`…/xamin/vo`) of a mirror; by default astroquery's own setting.
    read_seconds : float
        How long the server may stay silent before a request is repeated (twice).
    backoff : float
        Seconds before a repetition, doubled at each.
    """

    url: str | None = None
    read_seconds: float = 60.0
    backoff: float = 1.0

    def find(self, query: Query) -> tuple[Observation, ...]:
        """Every observation that the query wants, sorted by ObsID, each once.

        Rows whose ObsID or numbers cannot be read are left out with a warning in the log.

        Raises
        ------
        BadInput
            When nobody knows the target's name.
        EnvironmentFault
            When the server cannot be asked, or its answer is not complete.
        """
        query = located(query, partial(resolve, online=True))
        found: list[Observation] = []
        with Service(self.url, self.read_seconds, self.backoff) as service:
            name = service.catalogue()
            for condition in adql.conditions(query):
                for table in _pages(service, name, condition):
                    found += _observations(table, name)
        return unique(matching(query, found))


def _pages(service: Service, name: str, condition: str) -> Iterator[Any]:
    """Tables that together hold every row that fulfils a condition.

    Servers cut results at limits of their own, some without a word: so the rows are counted first, and
    asked for in the order of their number until all are here.
    """
    total = int(service.query(adql.count(name, condition)).columns[0][0])
    seen: set[str] = set()
    last = None
    while len(seen) < total:
        table = service.query(adql.page(name, condition, last))
        rows = _row_literals(table, name)
        if not set(rows) - seen:
            raise EnvironmentFault(f"the catalogue {name} counts {total} rows and hands out {len(seen)}")
        seen.update(rows)
        last = rows[-1]
        yield table


def _row_literals(table: Any, name: str) -> list[str]:
    """Row numbers as ADQL writes them, quoted where the column holds text."""
    if adql.ROW not in table.colnames:
        raise EnvironmentFault(f"the catalogue {name} lacks {adql.ROW}")
    numbers = [str(number) for number in table[adql.ROW].tolist()]
    if not all(number.isdecimal() for number in numbers):
        raise EnvironmentFault(f"the catalogue {name} has rows without a number")
    return [f"'{number}'" if table[adql.ROW].dtype.kind in "OSU" else number for number in numbers]


def _observations(table: Any, name: str) -> list[Observation]:
    if missing := missing_columns(table):
        raise EnvironmentFault(f"the catalogue {name} lacks {', '.join(missing)}")
    rows = read_rows(table)
    for reason in rows.unusable:
        log.warning("left out of the catalogue %s: %s", name, reason)
    return rows.observations
