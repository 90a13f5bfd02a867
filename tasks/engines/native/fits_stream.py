"""A FITS file as a stream: HDU by HDU in one pass, decompressed on the way, faults told in one sentence."""

import math
import re
import warnings
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
from astropy.io import fits
from isal import igzip
from numpy.typing import NDArray

from tasks.core.errors import BadInput, EnvironmentFault, Permanent

Column = NDArray[Any]

_CHUNK: Final = 4 << 20
"""Bytes that are read at a time: enough for numpy, little for the memory."""
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
    EnvironmentFault
        When the machine fails inside the block: no room on the disk, say.
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
        # Only what the operating system says has a number; a bad gzip stream is an OSError without one.
        if isinstance(exc, OSError) and exc.errno is not None:
            raise EnvironmentFault(f"{path.name} cannot be read on: {exc.strerror}") from exc
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


@dataclass(frozen=True, eq=False)
class Layout:
    """How a table's rows lie in the file.

    Parameters
    ----------
    row : numpy.dtype
        One row, big-endian.
    columns : dict of str to astropy.io.fits.Column
        Upper-case name → definition.
    """

    row: np.dtype[Any]
    columns: dict[str, fits.Column]


def layout_of(header: fits.Header, path: Path) -> Layout:
    """The layout of the table that a header describes.

    Raises
    ------
    Permanent
        When its columns are not described well.
    """
    definitions, row = _definitions(header, path)
    width = int(header["NAXIS1"])
    if row.itemsize != width:
        raise Permanent(f"{path.name}: the columns of its event list do not fill a row of {width} bytes")
    return Layout(row, {str(column.name).upper(): column for column in definitions})


def table_chunks(
    stream: BinaryIO, header: fits.Header, layout: Layout, names: Sequence[str], path: Path
) -> Iterator[dict[str, Column]]:
    """Columns of the table whose data come next in the stream, some hundred thousand rows at a time.

    The stream is left at the end of the data.

    Parameters
    ----------
    stream : file object
        As `opened` gives it, just after the header.
    header : astropy.io.fits.Header
        The table's.
    layout : Layout
        Of its rows.
    names : sequence of str
        Upper-case names of columns that it has.
    path : Path
        The file, for messages.

    Yields
    ------
    dict of str to ndarray, shape (rows,)
        Upper-case name → values in native byte order, scaled by TSCAL and TZERO.

    Raises
    ------
    Permanent
        When the file is truncated, or one of the columns holds no single numbers.
    """
    size, rows = padded_size(header), int(header["NAXIS2"])
    for name in names:
        kind = layout.row[layout.columns[name].name]
        if kind.shape or kind.kind not in "iuf":
            raise Permanent(f"{path.name}: its column {name} holds no single numbers")
    width = layout.row.itemsize
    step = max(1, _CHUNK // width)
    sizes = (min(step, rows - begin) * width for begin in range(0, rows, step))
    for data in _ahead(stream, sizes, path):
        table = np.frombuffer(data, layout.row)
        yield {name: _scaled(table, layout.columns[name]) for name in names}
    skip(stream, size - rows * width, path)


def _ahead(stream: BinaryIO, sizes: Iterable[int], path: Path) -> Iterator[bytes]:
    """Pieces of these sizes; while one is worked on the next is being decompressed."""
    with ThreadPoolExecutor(1) as reader:
        coming: deque[Future[bytes]] = deque()
        for size in sizes:
            coming.append(reader.submit(take, stream, size, path))
            if len(coming) > 1:
                yield coming.popleft().result()
        for last in coming:
            yield last.result()


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


def _scaled(table: NDArray[Any], column: fits.Column) -> Column:
    """Physical values: whole numbers stay whole (unsigned columns), others become floats."""
    stored = table[column.name]
    values: Column = stored.astype(stored.dtype.newbyteorder("="))
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
