"""A FITS file as a stream: HDU by HDU in one pass, decompressed on the way, faults told in one sentence."""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from astropy.io import fits
from isal import igzip

from tasks.core.errors import BadInput, Permanent

CHUNK: Final = 4 << 20
"""Bytes that are read at a time."""
_BLOCK: Final = 2880
_GZIP: Final = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed where they are gzipped; reading errors become ours."""
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
    """Each HDU's header; the caller reads or skips the data before it asks for the next."""
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
        yield fits.Header.fromstring(block)


def _has_end(block: bytes) -> bool:
    last = block[-_BLOCK:]
    return any(last[at : at + 80].rstrip() == b"END" for at in range(0, len(last), 80))


def padded_size(header: fits.Header) -> int:
    """Bytes of the data after a header, with their padding."""
    try:
        axes = [int(header[f"NAXIS{number}"]) for number in range(1, int(header["NAXIS"]) + 1)]
        bits = abs(int(header["BITPIX"]))
        items = int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + math.prod(axes))
    except (KeyError, ValueError) as exc:
        raise fits.VerifyError(f"a header without the size of its data ({exc})") from exc
    return -(-bits // 8 * items // _BLOCK) * _BLOCK if axes else 0


def take(stream: BinaryIO, size: int, path: Path) -> bytes:
    """Exactly so many bytes."""
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise Permanent(f"{path.name} is truncated")
        data += more
    return data


def skip(stream: BinaryIO, size: int, path: Path) -> None:
    """Pass over so many bytes."""
    while size > 0:
        size -= len(take(stream, min(size, CHUNK), path))


def _skip_rest(stream: BinaryIO) -> None:
    """To the end, so that a compressed file's checksum is verified."""
    while stream.read(CHUNK):
        pass
