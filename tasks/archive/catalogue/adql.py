"""A query in ADQL, built from checked numbers and identifiers only: no text of a user gets in."""

from typing import Final

from tasks.archive.catalogue.interface import Query
from tasks.archive.catalogue.rows import COLUMNS, OPTIONAL

PAGE_ROWS: Final = 1000
ROW: Final = "__row"
_OBSIDS_PER_QUERY: Final = 200
_MARGIN_DEG: Final = 1 / 3600


def conditions(query: Query) -> list[str]:
    """What rows must fulfil, as one condition for each query to be sent; empty text means every row.

    The cone is an arcsecond wider than asked, because servers round; the exact cut is `matching.matching`.
    """
    common = [*_cone(query), *_days(query)]
    batches = [
        query.obsids[first : first + _OBSIDS_PER_QUERY]
        for first in range(0, len(query.obsids), _OBSIDS_PER_QUERY)
    ]
    if not batches:
        return [" AND ".join(common)]
    return [
        " AND ".join(["obsid IN ({})".format(",".join(f"'{obsid}'" for obsid in batch)), *common])
        for batch in batches
    ]


def count(catalogue: str, condition: str) -> str:
    """How many rows fulfil a condition."""
    return f"SELECT COUNT(*) AS total FROM {catalogue}{_where(condition)}"  # noqa: S608 - see the module


def page(catalogue: str, condition: str, after: str | None) -> str:
    """The next rows in the order of the row number.

    Parameters
    ----------
    catalogue : str
        Name of the table.
    condition : str
        One of `conditions`.
    after : str or None
        Literal of the last row number seen; None for the first page.
    """
    both = [condition] if condition else []
    if after is not None:
        both.append(f"{ROW} > {after}")
    where = _where(" AND ".join(both))
    columns = ",".join((ROW, *COLUMNS, *OPTIONAL))
    return f"SELECT TOP {PAGE_ROWS} {columns} FROM {catalogue}{where} ORDER BY {ROW}"  # noqa: S608


def _where(condition: str) -> str:
    return f" WHERE {condition}" if condition else ""


def _cone(query: Query) -> list[str]:
    radius = query.radius_arcmin / 60 + _MARGIN_DEG
    if query.position is None or radius >= 180:
        return []
    ra, dec = query.position
    return [f"CONTAINS(POINT('ICRS',ra,dec),CIRCLE('ICRS',{ra:.8f},{dec:.8f},{radius:.8f}))=1"]


def _days(query: Query) -> list[str]:
    bounds = zip((">=", "<"), query.start_bounds, strict=True)
    return [f"time {sign} {mjd:.1f}" for sign, mjd in bounds if mjd is not None]
