"""Reading tables of FITS files: the one boundary where a damaged or absent one becomes an error of ours."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from tasks.core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Table:
    """A table extension with its data in memory.

    Parameters
    ----------
    path : Path
        The file.
    hdu : astropy.io.fits.BinTableHDU
        The extension.
    """

    path: Path
    hdu: Any

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.hdu.data)

    def has(self, name: str) -> bool:
        """Whether there is such a column, in any case."""
        return name.upper() in (str(known).upper() for known in self.hdu.columns.names)

    def column(self, name: str) -> NDArray[Any]:
        """A column in native byte order, under any case of its name.

        Raises
        ------
        BadInput
            When there is none.
        """
        for known in self.hdu.columns.names:
            if str(known).upper() == name.upper():
                values = np.asarray(self.hdu.data[known])
                return values.astype(values.dtype.newbyteorder("="))
        raise BadInput(f"{self.path.name} has no column {name} in its extension {self.hdu.name}")

    def number(self, name: str, default: float | None = None) -> float:
        """A keyword as a number.

        Raises
        ------
        BadInput
            When it is no number, or missing without a default.
        """
        value = self.hdu.header.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInput(f"{self.path.name} has no number {name} in its extension {self.hdu.name}")
        return float(value)

    def text(self, name: str) -> str:
        """A keyword as text; empty where it is missing."""
        return str(self.hdu.header.get(name, "")).strip()


def read_table(path: Path, wanted: Callable[[Any], bool], what: str) -> Table:
    """The first table extension of a kind.

    Parameters
    ----------
    path : Path
        FITS file, gzipped or not.
    wanted : callable
        Tells the extension.
    what : str
        Its name for people.

    Raises
    ------
    BadInput
        When the file is not there, cannot be read or has no such extension.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
        try:
            with fits.open(path, memmap=False) as hdus:
                for hdu in hdus:
                    if isinstance(hdu, fits.BinTableHDU) and wanted(hdu):
                        # Touching the data reads them, so that damage shows here and nowhere else.
                        return Table(path, hdu if len(hdu.data) >= 0 else None)
        except (OSError, ValueError, TypeError, AstropyUserWarning) as exc:
            raise BadInput(f"{path.name} cannot be read as FITS: {exc}") from exc
    raise BadInput(f"{path.name} holds no {what}")
