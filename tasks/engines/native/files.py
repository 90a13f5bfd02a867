"""Reading small FITS files as a whole: the one boundary where a damaged one becomes an error of ours."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from tasks.core.errors import Permanent
from tasks.engines.native.fits_stream import headers, opened, padded_size, take


def read_hdus(path: Path, names: Sequence[str] | None = None) -> list[Any]:
    """HDUs of a FITS file with their data in memory, plain or gzipped.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str, optional
        Which HDUs, by EXTNAME; all of them when left out.

    Raises
    ------
    BadInput
        When the file is not there.
    Permanent
        When the file is no whole FITS file or lacks one of the HDUs.
    """
    with opened(path) as stream:
        content = io.BytesIO(stream.read())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
        try:
            with fits.open(content, memmap=False) as hdus:
                found = list(hdus) if names is None else [hdus[name] for name in names]
                # Touching the data reads them, so that damage shows here and nowhere else.
                return [hdu for hdu in found if hdu.data is None or len(hdu.data) >= 0]
        except KeyError as exc:
            raise Permanent(f"{path.name} has no extension {', '.join(names or ())}") from exc
        except (OSError, ValueError, TypeError, AstropyUserWarning) as exc:
            raise Permanent(f"{path.name} is no whole FITS file: {exc}") from exc


def read_image(path: Path) -> tuple[NDArray[Any], fits.Header]:
    """The image in the primary HDU, shape (NAXIS2, NAXIS1), and its header; what follows is not read.

    Raises
    ------
    BadInput
        When the file is not there.
    Permanent
        When the file is no whole FITS file or its primary HDU holds no image.
    """
    with opened(path) as stream:
        header = next(headers(stream, path), None)
        if header is None or header.get("NAXIS") != 2:
            raise Permanent(f"{path.name} has no image in its primary HDU")
        data = take(stream, padded_size(header), path)
    hdu = fits.PrimaryHDU.fromstring(header.tostring().encode() + data)
    return hdu.data, hdu.header


def column(hdu: Any, name: str, path: Path) -> NDArray[Any]:
    """A table's column in native byte order, under any case of its name.

    Raises
    ------
    Permanent
        When the table has no such column.
    """
    names = {str(known).upper(): known for known in hdu.columns.names} if hasattr(hdu, "columns") else {}
    if name.upper() not in names:
        raise Permanent(f"{path.name} has no column {name} in its extension {hdu.name}")
    values = np.asarray(hdu.data[names[name.upper()]])
    return values.astype(values.dtype.newbyteorder("="))
