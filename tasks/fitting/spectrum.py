"""Reading OGIP spectra (PHA files of type I)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.fitting.files import Table, read_table

Floats = NDArray[np.float64]

_NO_FILE: Final = ("", "none", "%match%")


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Counts in channels, and how long and where they were gathered.

    Parameters
    ----------
    path : Path
        The file.
    channel : ndarray of int, shape (n,)
        Channel numbers.
    counts : ndarray, shape (n,)
        Counts, not divided by anything.
    errors : ndarray, shape (n,), or None
        Standard deviations in counts where the file gives its own (POISSERR is not true); None for Poisson's.
    counted : bool
        Whether they are counts, which Poisson statistics hold for, and not rates with errors of their own.
    exposure : float
        In seconds.
    backscal, areascal : ndarray, shape (n,)
        The two scalings of OGIP, each channel's.
    grouping : ndarray of int, shape (n,)
        1 where a group starts, -1 within it.
    quality : ndarray of int, shape (n,)
        0 where good.
    channels_in_all : int or None
        DETCHANS.
    linked : dict
        RESPFILE, ANCRFILE, BACKFILE, CORRFILE to the file that is named; only those that are.
    """

    path: Path
    channel: NDArray[np.int64]
    counts: Floats
    errors: Floats | None
    counted: bool
    exposure: float
    backscal: Floats
    areascal: Floats
    grouping: NDArray[np.int16]
    quality: NDArray[np.int16]
    channels_in_all: int | None
    linked: dict[str, Path]

    @property
    def name(self) -> str:
        """The file's, for messages."""
        return self.path.name

    @property
    def weight(self) -> Floats:
        """Exposure × AREASCAL × BACKSCAL, shape (n,): what a background is scaled by."""
        return np.asarray(self.exposure * self.areascal * self.backscal)


def read_spectrum(path: Path, *, wanted: Callable[[Any], bool] | None = None) -> Spectrum:
    """A spectrum from its file.

    Parameters
    ----------
    path : Path
        OGIP file.
    wanted : callable, optional
        Tells the extension; the first spectrum when left out.

    Raises
    ------
    BadInput
        When the file is not there or is no spectrum of one row a channel.
    """
    table = read_table(path, wanted or is_spectrum, "spectrum (no extension SPECTRUM)")
    if not table.rows:
        raise BadInput(f"{path.name} has no channel")
    exposure = table.number("EXPOSURE")
    if not exposure > 0:
        raise BadInput(f"{path.name} has an EXPOSURE of {exposure:g} s: it must be more than 0")
    counts, errors = _counts(table, exposure)
    return Spectrum(
        path=path,
        channel=_channels(table),
        counts=counts,
        errors=errors,
        counted=errors is None or table.has("COUNTS"),
        exposure=exposure,
        backscal=_scaling(table, "BACKSCAL"),
        areascal=_scaling(table, "AREASCAL"),
        grouping=_flags(table, "GROUPING"),
        quality=_flags(table, "QUALITY"),
        channels_in_all=int(table.number("DETCHANS")) if table.text("DETCHANS") else None,
        linked=_linked(table),
    )


def is_background(hdu: Any) -> bool:
    """Whether an extension is a spectrum of background, as files that hold both spectra mark it."""
    return is_spectrum(hdu) and str(hdu.header.get("HDUCLAS2", "")).strip().upper() == "BKG"


def is_spectrum(hdu: Any) -> bool:
    """Whether an extension is a spectrum, by its name or its class."""
    return bool(hdu.name == "SPECTRUM" or str(hdu.header.get("HDUCLAS1", "")).strip().upper() == "SPECTRUM")


def _channels(table: Table) -> NDArray[np.int64]:
    channel = table.column("CHANNEL")
    if channel.ndim != 1 or np.any(np.diff(channel.astype(np.int64)) != 1):
        raise BadInput(
            f"{table.path.name} is not a spectrum of type I: its channels are not one a row, in order"
        )
    return channel.astype(np.int64)


def _counts(table: Table, exposure: float) -> tuple[Floats, Floats | None]:
    """Counts and, where the file's errors are not those of Poisson, their standard deviations."""
    unit = 1.0 if table.has("COUNTS") else exposure
    counts = unit * table.column("COUNTS" if table.has("COUNTS") else "RATE").astype(float)
    if counts.ndim != 1:
        raise BadInput(f"{table.path.name} holds several spectra (type II): give a file of one")
    if not np.all(np.isfinite(counts)):
        raise BadInput(f"{table.path.name} has channels whose counts are no number")
    poisson = table.hdu.header.get("POISSERR", not table.has("STAT_ERR"))
    if poisson is True or not table.has("STAT_ERR"):
        if np.any(counts < 0):
            raise BadInput(f"{table.path.name} has channels with fewer than 0 counts")
        return counts, None
    return counts, unit * table.column("STAT_ERR").astype(float)


def _scaling(table: Table, name: str) -> Floats:
    values = table.column(name).astype(float) if table.has(name) else np.array(table.number(name, 1.0))
    if not np.all(values > 0):
        raise BadInput(f"{table.path.name} has a {name} that is not more than 0")
    return np.broadcast_to(values, table.rows)


def _flags(table: Table, name: str) -> NDArray[np.int16]:
    """A column of flags, or the keyword of that name for all channels."""
    if table.has(name):
        return table.column(name).astype(np.int16)
    return np.full(table.rows, int(table.number(name, 0.0)), np.int16)


def _linked(table: Table) -> dict[str, Path]:
    found = {}
    for key in ("RESPFILE", "ANCRFILE", "BACKFILE", "CORRFILE"):
        # XSPEC allows `file.pha{2}` and `file.fits[EXTENSION]`.
        name = table.text(key).partition("[")[0].partition("{")[0].strip()
        if name.lower() not in _NO_FILE:
            found[key] = table.path.parent / name
    return found
