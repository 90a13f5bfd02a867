"""Reading responses: redistribution matrices (RMF) and effective areas (ARF)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.fitting.files import Table, read_table
from tasks.xtend.grouping import width_at_half_maximum

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LOWEST_KEV: Final = 1e-4
"""Bounds of 0 keV become this: models are not finite there."""
_SHARE_OF_BIN: Final = 0.05
"""How far energies of an ARF may lie from those of the RMF, in widths of the bin."""


@dataclass(frozen=True, eq=False)
class Response:
    """Where photons land, and with which effective area; zero elements are left out.

    Parameters
    ----------
    name : str
        The RMF's file.
    low, high : ndarray, shape (m,)
        Bounds of the energy bins in keV.
    channel : ndarray of int, shape (n,)
        Channel numbers.
    e_min, e_max : ndarray, shape (n,)
        Nominal energies of the channels in keV, the lower one first.
    row, column : ndarray of int, shape (k,)
        Energy bin and index of the channel of each element.
    value : ndarray, shape (k,)
        Probability; in cm² in a matrix that holds the effective area as well.
    area : ndarray, shape (m,)
        Effective area of the ARF in cm²; 1 without one.
    has_area : bool
        Whether there is an effective area, in the matrix or beside it.
    """

    name: str
    low: Floats
    high: Floats
    channel: Integers
    e_min: Floats
    e_max: Floats
    row: Integers
    column: Integers
    value: Floats
    area: Floats
    has_area: bool

    @cached_property
    def fwhm(self) -> Integers:
        """Resolution at each channel in channels, shape (n,): that of the row that holds its energy."""
        bounds = np.searchsorted(self.row, np.arange(self.low.size + 1))
        widths = np.ones(self.low.size, np.int64)
        for number, (start, stop) in enumerate(pairwise(bounds)):
            if stop > start:
                spread = np.zeros(self.channel.size)
                spread[self.column[start:stop]] = self.value[start:stop]
                widths[number] = width_at_half_maximum(spread)
        centre = (self.e_min + self.e_max) / 2
        holding = np.searchsorted(self.low, centre, side="right") - 1
        return np.asarray(widths[np.clip(holding, 0, self.low.size - 1)])


def read_response(rmf: Path, arf: Path | None = None) -> Response:
    """A response from its files.

    Parameters
    ----------
    rmf : Path
        Redistribution matrix, or a matrix that holds the effective area as well.
    arf : Path, optional
        Effective area on the same energies.

    Raises
    ------
    BadInput
        When a file is not there, is no such file, or the two do not belong together.
    """
    table = read_table(rmf, _is_matrix, "response matrix")
    ebounds = read_table(rmf, lambda hdu: _is(hdu, "EBOUNDS"), "extension EBOUNDS")
    channel = ebounds.column("CHANNEL").astype(np.int64)
    bounds = np.array([ebounds.column(name).astype(float) for name in ("E_MIN", "E_MAX")])
    if not channel.size or not table.rows:
        raise BadInput(f"{rmf.name} has no channel or no energy")
    row, column, value = _elements(table, channel)
    response = Response(
        name=rmf.name,
        low=np.maximum(table.column("ENERG_LO").astype(float), _LOWEST_KEV),
        high=np.maximum(table.column("ENERG_HI").astype(float), 2 * _LOWEST_KEV),
        channel=channel,
        e_min=bounds.min(axis=0),
        e_max=bounds.max(axis=0),
        row=row,
        column=column,
        value=value,
        area=np.ones(table.rows),
        has_area=table.hdu.name == "SPECRESP MATRIX" or table.text("HDUCLAS3").upper() == "FULL",
    )
    return response if arf is None else _with_area(response, arf)


def _is(hdu: Any, kind: str) -> bool:
    """Whether an extension is of a kind, by its name or its class; missions do not agree on names."""
    return bool(hdu.name == kind or str(hdu.header.get("HDUCLAS2", "")).strip().upper() == kind)


def _is_matrix(hdu: Any) -> bool:
    return _is(hdu, "MATRIX") or _is(hdu, "SPECRESP MATRIX") or _is(hdu, "RSP_MATRIX")


def _with_area(response: Response, arf: Path) -> Response:
    table = read_table(arf, lambda hdu: _is(hdu, "SPECRESP"), "effective area (no extension SPECRESP)")
    area = table.column("SPECRESP").astype(float)
    low, high = (table.column(name).astype(float) for name in ("ENERG_LO", "ENERG_HI"))
    if area.shape != response.low.shape:
        raise BadInput(
            f"{arf.name} has {area.size} energies and {response.name} {response.low.size}: "
            "they do not belong together"
        )
    allowed = _SHARE_OF_BIN * (response.high - response.low) + 1e-6 * response.high
    off = np.abs(high - response.high)
    # The very first bound is often moved away from 0, in one of the two files only.
    off[1:] = np.maximum(off[1:], np.abs(low - response.low)[1:])
    if np.any(off > allowed):
        worst = int(np.argmax(off - allowed))
        raise BadInput(
            f"{arf.name} and {response.name} do not belong together: their energies differ, "
            f"{high[worst]:g} and {response.high[worst]:g} keV in row {worst + 1}"
        )
    if not np.all(np.isfinite(area)):
        raise BadInput(f"{arf.name} has energies whose area is no number")
    return replace(response, area=area, has_area=True)


def _elements(table: Table, channel: Integers) -> tuple[Integers, Integers, Floats]:
    """Energy bin, index of channel and value of each element that is not zero."""
    rows, columns, values = [], [], []
    for number, (starts, lengths, matrix) in enumerate(_rows(table, int(channel[0]))):
        # The channels of all groups: each group's start, repeated, and a count that begins anew with each.
        ends = np.cumsum(lengths)
        place = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if ends.size else 0)
        if place.size > matrix.size or (place.size and not 0 <= place.min() <= place.max() < channel.size):
            raise BadInput(f"{table.path.name} has a group outside of its channels in row {number + 1}")
        taken = np.flatnonzero(matrix[: place.size])
        rows.append(np.full(taken.size, number, np.int64))
        columns.append(place[taken].astype(np.int64))
        values.append(matrix[taken].astype(float))
    if not any(row.size for row in rows):
        raise BadInput(f"{table.path.name} holds a matrix of zeros")
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _rows(table: Table, first: int) -> Iterator[tuple[Integers, Integers, NDArray[Any]]]:
    """Of each energy: where its groups of channels begin, how long they are, and its elements."""
    names = [str(name).upper() for name in table.hdu.columns.names]
    base = int(table.number(f"TLMIN{names.index('F_CHAN') + 1}", first)) if "F_CHAN" in names else first
    columns = [table.column(name) for name in ("N_GRP", "F_CHAN", "N_CHAN", "MATRIX")]
    for count, starts, lengths, matrix in zip(*columns, strict=True):
        groups = int(count)
        yield (
            np.atleast_1d(starts)[:groups].astype(np.int64) - base,
            np.atleast_1d(lengths)[:groups].astype(np.int64),
            np.atleast_1d(matrix),
        )
