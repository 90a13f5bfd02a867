"""A FITS file as a stream: HDU by HDU in one pass, decompressed on the way, faults told in one sentence."""

import math
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from astropy.io import fits
from isal import igzip
from numpy.typing import NDArray

from tasks.core.errors import BadInput, Permanent

Column = NDArray[Any]

_CHUNK: Final = 4 << 20
"""Bytes that are read at a time."""
_BLOCK: Final = 2880
_GZIP: Final = b"\x1f\x8b"
_UNPRINTABLE: Final = re.compile(rb"[^ -~]")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed where they are gzipped.

    Raises
    ------
    BadInput
        When the file is not there or cannot be opened.
    Permanent
        When it is broken, also where that shows inside the block.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP
            file.seek(0)
            if not zipped:
                yield file
                return
            with igzip.GzipFile(fileobj=file, mode="rb") as stream:  # type: ignore[no-untyped-call]
                yield cast(BinaryIO, stream)
    except FileNotFoundError as exc:
        raise BadInput(f"there is no file {path}") from exc
    except (IsADirectoryError, PermissionError) as exc:
        raise BadInput(f"the file {path} cannot be read: {exc.strerror}") from exc
    except (OSError, EOFError, zlib.error, fits.VerifyError) as exc:
        raise Permanent(f"{path.name} is broken: {exc}") from exc


def headers(stream: BinaryIO, path: Path) -> Iterator[fits.Header]:
    """Each HDU's header; the caller reads or skips the data before it asks for the next.

    Raises
    ------
    Permanent
        When this is no FITS file, or is truncated.
    """
    first = True
    while block := stream.read(_BLOCK):
        if not block.startswith(b"SIMPLE  =" if first else b"XTENSION="):
            if first:
                raise Permanent(f"{path.name} is no FITS file")
            _skip_rest(stream)
            return
        while not _has_end(block):
            block += take(stream, _BLOCK, path)
        first = False
        # astropy reads other bytes than those that a header may hold, and then refuses to write them.
        yield fits.Header.fromstring(_UNPRINTABLE.sub(b"?", block))


def _has_end(block: bytes) -> bool:
    last = block[-_BLOCK:]
    return any(last[at : at + 80].rstrip() == b"END" for at in range(0, len(last), 80))


def padded_size(header: fits.Header) -> int:
    """Bytes of the data after a header, with their padding.

    Raises
    ------
    astropy.io.fits.VerifyError
        When the header does not tell; `opened` makes a `Permanent` of it.
    """
    try:
        axes = [int(header[f"NAXIS{number}"]) for number in range(1, int(header["NAXIS"]) + 1)]
        bits = abs(int(header["BITPIX"]))
        items = int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + math.prod(axes))
    except (KeyError, ValueError) as exc:
        raise fits.VerifyError(f"a header without the size of its data ({exc})") from exc
    if min((items, *axes)) < 0:
        raise fits.VerifyError("a header with a negative size of its data")
    return -(-bits // 8 * items // _BLOCK) * _BLOCK if axes else 0


def take(stream: BinaryIO, size: int, path: Path) -> bytes:
    """Exactly so many bytes.

    Raises
    ------
    Permanent
        When there are fewer.
    """
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise Permanent(f"{path.name} is truncated")
        data += more
    return data


def skip(stream: BinaryIO, size: int, path: Path) -> None:
    """Pass over so many bytes; errors as for `take`."""
    while size > 0:
        size -= len(take(stream, min(size, _CHUNK), path))


def read_columns(
    stream: BinaryIO, header: fits.Header, names: Sequence[str], path: Path
) -> dict[str, Column]:
    """The named columns of the table whose data come next in the stream, which is left at their end.

    Parameters
    ----------
    stream : file object
        As `opened` gives it, just after the header.
    header : astropy.io.fits.Header
        The table's.
    names : sequence of str
        Upper-case names; those that the table lacks are left out.
    path : Path
        The file, for messages.

    Returns
    -------
    dict of str to ndarray, shape (NAXIS2,)
        Upper-case name → values in native byte order, scaled by TSCAL and TZERO.

    Raises
    ------
    Permanent
        When the file is truncated, its columns are not described well, or one holds no single numbers.
    """
    size, (rows, width) = padded_size(header), (int(header["NAXIS2"]), int(header["NAXIS1"]))
    definitions, row = _definitions(header, path)
    if row.itemsize != width:
        raise Permanent(f"{path.name}: the columns of its event list do not fill a row of {width} bytes")
    found = {name.upper(): name for name in row.names or ()}
    raw = {}
    for name in names:
        if name in found:
            kind = row[found[name]]
            if kind.shape or kind.kind not in "iuf":
                raise Permanent(f"{path.name}: its column {name} holds no single numbers")
            raw[name] = _empty(rows, kind.newbyteorder("="), path)
    step = max(1, _CHUNK // max(width, 1))
    for begin in range(0, rows, step):
        count = min(step, rows - begin)
        chunk = np.frombuffer(take(stream, count * width, path), row)
        for name, values in raw.items():
            values[begin : begin + count] = chunk[found[name]]
    skip(stream, size - rows * width, path)
    return {name: _scaled(values, definitions[found[name]]) for name, values in raw.items()}


def _definitions(header: fits.Header, path: Path) -> tuple[fits.ColDefs, np.dtype[Any]]:
    """The columns of a table and what its rows look like in the file."""
    try:
        with warnings.catch_warnings():
            # They are of odd keywords, which matter only on columns that are read and are seen to there.
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            definitions = fits.BinTableHDU.fromstring(header.tostring().encode()).columns
            return definitions, definitions.dtype.newbyteorder(">")
    except (KeyError, ValueError, TypeError) as exc:
        raise Permanent(f"{path.name}: the columns of its event list are not described well: {exc}") from exc


def _empty(rows: int, kind: np.dtype[Any], path: Path) -> Column:
    try:
        return np.empty(rows, kind)
    except (MemoryError, ValueError) as exc:
        raise Permanent(f"{path.name} says that it holds {rows} events, more than memory does") from exc


def _scaled(values: Column, column: fits.Column) -> Column:
    """Physical values: whole numbers stay whole (unsigned columns), others become floats."""
    scale = 1 if column.bscale in (None, "") else column.bscale
    zero = 0 if column.bzero in (None, "") else column.bzero
    if scale == 1 and zero == 0:
        return values
    if values.dtype.kind in "iu" and scale == 1 and float(zero).is_integer() and values.dtype.itemsize < 8:
        return values.astype(np.int64) + int(zero)
    return values.astype(np.float64) * float(scale) + float(zero)


def _skip_rest(stream: BinaryIO) -> None:
    """To the end, so that a compressed file's checksum is verified."""
    while stream.read(_CHUNK):
        pass
