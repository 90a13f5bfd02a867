"""Simulated FITS files: marked in every header, checksummed, gzipped, the same bytes every time."""

import gzip
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

MADE: Final = "2026-01-01T00:00:00"
"""DATE of every file: a clock would make two runs differ."""
_BLOCK: Final = 2880
_SLICE: Final = _BLOCK * 1024
_EXCLUDED: Final = frozenset(b":;<=>?@[\\]^_`")
_COMPRESSION: Final = 4

Keywords = Mapping[str, Any]


@contextmanager
def gzipped(path: Path) -> Iterator[gzip.GzipFile]:
    """A gzip file without name and time in its header; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=raw, mtime=0) as stream,
    ):
        yield stream


def write(path: Path, hdus: Sequence[Any], keywords: Keywords, history: Iterable[str] = ()) -> None:
    """Write a gzipped FITS file.

    Parameters
    ----------
    path : Path
        Where to.
    hdus : sequence of astropy HDUs
        The primary HDU first.
    keywords : mapping
        What every header says; keywords that an HDU has already stay as they are.
    history : iterable of str
        Lines for the primary header.
    """
    for hdu in hdus:
        mark(hdu.header, keywords)
    for line in history:
        hdus[0].header.add_history(line)
    content = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(content)
    with gzipped(path) as stream:
        for header, data in _parts(content):
            stream.write(with_checksum(header, datasum(io.BytesIO(data))))
            stream.write(data)


def _parts(content: io.BytesIO) -> Iterator[tuple[fits.Header, bytes]]:
    """Header and data of each HDU as they lie in a file.

    Checksums are made of these, because astropy's own come out wrong for columns of variable length.
    """
    octets = content.getvalue()
    content.seek(0)
    with fits.open(content) as hdus:
        for hdu in hdus:
            place = hdu.fileinfo()
            yield hdu.header, octets[place["datLoc"] : place["datLoc"] + place["datSpan"]]


def table(name: str, columns: Mapping[str, tuple[str, str, Any]]) -> Any:
    """A binary table: column name → (TFORM, unit or empty, values)."""
    return fits.BinTableHDU.from_columns(
        [
            fits.Column(column, tform, unit=unit or None, array=values)
            for column, (tform, unit, values) in columns.items()
        ],
        name=name,
    )


def intervals_table(name: str, start: NDArray[np.float64], stop: NDArray[np.float64]) -> Any:
    """A table of good-time intervals."""
    hdu = table(name, {"START": ("1D", "s", start), "STOP": ("1D", "s", stop)})
    hdu.header.update({"HDUCLASS": "OGIP", "HDUCLAS1": "GTI", "HDUCLAS2": "STANDARD"})
    return hdu


def mark(header: fits.Header, keywords: Keywords) -> None:
    """Say in a header that it is a simulation, and what `keywords` say."""
    header["SIMULATD"] = (True, "simulated: no real data")
    for key, value in keywords.items():
        if key not in header:
            header[key] = value
    header["ORIGIN"] = ("SIMULATION", "no observatory")
    header["CREATOR"] = ("xtendflow demo-archive", "what made this file")
    header["DATE"] = (MADE, "fixed, so that reruns agree")


def datasum(stream: IO[bytes]) -> int:
    """FITS DATASUM of a stream from its position to its end (zero-padded): a 32-bit ones' complement sum."""
    total = 0
    while block := stream.read(_SLICE):
        words = np.frombuffer(block + bytes(-len(block) % 4), ">u4")
        total += int(words.sum(dtype=np.uint64))
    return _folded(total)


def with_checksum(header: fits.Header, data_sum: int) -> bytes:
    """The bytes of a header whose data have a DATASUM, CHECKSUM included."""
    header["CHECKSUM"] = ("0" * 16, MADE)
    header["DATASUM"] = (str(data_sum), MADE)
    total = _folded(datasum(io.BytesIO(header.tostring().encode("ascii"))) + data_sum)
    header["CHECKSUM"] = _encoded(0xFFFFFFFF - total)
    return bytes(header.tostring(), "ascii")


def copy_padded(source: IO[bytes], target: IO[bytes] | gzip.GzipFile) -> None:
    """Copy a stream and fill its last FITS block with zeros."""
    size = 0
    while block := source.read(_SLICE):
        size += len(block)
        target.write(block)
    target.write(bytes(-size % _BLOCK))


def _folded(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _encoded(value: int) -> str:
    """The ASCII form of a checksum, as the FITS standard's appendix J has it."""
    text = bytearray(16)
    for position, byte in enumerate(value.to_bytes(4, "big")):
        letters = [byte // 4 + byte % 4 + 48] + [byte // 4 + 48] * 3
        while any(letter in _EXCLUDED for letter in letters):
            for pair in (0, 2):
                if letters[pair] in _EXCLUDED or letters[pair + 1] in _EXCLUDED:
                    letters[pair] += 1
                    letters[pair + 1] -= 1
        for turn, letter in enumerate(letters):
            text[4 * turn + position] = letter
    return (text[-1:] + text[:-1]).decode("ascii")
