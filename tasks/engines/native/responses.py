"""Reading responses: channel energies and resolution of matrices (OGIP RMF), energies of areas (ARF)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput, Permanent
from tasks.engines.native.files import column, read_hdus
from tasks.xtend.channels import Channels
from tasks.xtend.geometry import Floats
from tasks.xtend.grouping import width_at_half_maximum

_MATRICES: Final = ("MATRIX", "SPECRESP MATRIX")


@dataclass(frozen=True, eq=False)
class EBounds:
    """Nominal energies of the channels.

    Parameters
    ----------
    channel : ndarray of int, shape (n,)
        Channel numbers.
    low, high : ndarray, shape (n,)
        E_MIN, E_MAX in keV.
    """

    channel: NDArray[np.int64]
    low: Floats
    high: Floats


def channels_of_band(ebounds: EBounds, low_kev: float, high_kev: float) -> Channels:
    """The channels that a band touches, first and last.

    Raises
    ------
    BadInput
        When it touches none.
    """
    touched = np.flatnonzero(
        (np.maximum(ebounds.low, ebounds.high) > low_kev) & (np.minimum(ebounds.low, ebounds.high) < high_kev)
    )
    if not touched.size:
        raise BadInput(f"the band {low_kev:g}-{high_kev:g} keV holds no channel of this response")
    numbers = ebounds.channel[touched]
    return Channels(int(numbers.min()), int(numbers.max()))


def read_ebounds(path: Path) -> EBounds:
    """EBOUNDS of a response.

    Raises
    ------
    Permanent
        When the file cannot be read or has no EBOUNDS.
    """
    (table,) = read_hdus(path, ["EBOUNDS"])
    channel = column(table, "CHANNEL", path).astype(np.int64)
    if not channel.size:
        raise Permanent(f"{path.name} has no channel")
    low, high = (column(table, name, path).astype(float) for name in ("E_MIN", "E_MAX"))
    return EBounds(channel, low, high)


def read_fwhm(path: Path) -> NDArray[np.int64]:
    """Full width at half maximum of the response at each channel's energy, in channels.

    Taken from the row of the matrix that holds the centre of the channel.

    Returns
    -------
    array (n,)
        At least 1, in the order of EBOUNDS.

    Raises
    ------
    Permanent
        When the file cannot be read or has no matrix.
    """
    ebounds = read_ebounds(path)
    table = _matrix(path)
    starts = column(table, "ENERG_LO", path).astype(float)
    lengths = [width_at_half_maximum(response) for response in _rows(table, path, ebounds)]
    centre = (ebounds.low + ebounds.high) / 2
    row = np.clip(np.searchsorted(starts, centre, side="right") - 1, 0, len(lengths) - 1)
    return np.asarray(np.array(lengths, np.int64)[row])


def why_not_covering(
    begin: NDArray[Any], end: NDArray[Any], area: NDArray[Any], low: float, high: float
) -> str | None:
    """Why an ARF has not an area in every energy bin of a range; None when it has.

    Parameters
    ----------
    begin, end, area : array (n,)
        ENERG_LO and ENERG_HI in keV, SPECRESP.
    low, high : float
        The range in keV.
    """
    if begin.size == 0 or begin.min() > low or end.max() < high:
        reach = f"{begin.min():g}–{end.max():g} keV" if begin.size else "nothing"
        return f"covers {reach}, not {low:g}–{high:g} keV"
    bad = (begin >= low) & (end <= high) & ~(np.isfinite(area) & (area > 0))
    return f"has no area at {begin[bad][0]:g} keV, within {low:g}–{high:g} keV" if bad.any() else None


def read_energies(path: Path) -> tuple[Floats, Floats]:
    """Bounds in keV, shape (m,) each, of the energy bins of a matrix.

    Raises
    ------
    Permanent
        When the file cannot be read or has no matrix.
    """
    table = _matrix(path)
    low, high = (column(table, name, path).astype(float) for name in ("ENERG_LO", "ENERG_HI"))
    return low, high


def _matrix(path: Path) -> Any:
    for hdu in read_hdus(path):
        if hdu.name in _MATRICES and len(hdu.data):
            return hdu
    raise Permanent(f"{path.name} holds no response matrix")


def _rows(table: Any, path: Path, ebounds: EBounds) -> Iterator[Floats]:
    """Each row of the matrix spread over all channels."""
    first_channel = int(ebounds.channel[0])
    names = [str(name).upper() for name in table.columns.names]
    base = (
        int(table.header.get(f"TLMIN{names.index('F_CHAN') + 1}", first_channel)) if "F_CHAN" in names else 0
    )
    groups, first, count, matrix = (
        column(table, name, path) for name in ("N_GRP", "F_CHAN", "N_CHAN", "MATRIX")
    )
    for number in range(len(groups)):
        response = np.zeros(ebounds.channel.size)
        values, taken = np.atleast_1d(matrix[number]), 0
        for group in range(int(groups[number])):
            start = int(np.atleast_1d(first[number])[group]) - base
            length = int(np.atleast_1d(count[number])[group])
            if start < 0 or start + length > response.size or taken + length > len(values):
                raise Permanent(f"{path.name} has a group outside of its channels in row {number + 1}")
            response[start : start + length] = values[taken : taken + length]
            taken += length
        yield response
