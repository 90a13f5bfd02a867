"""FITS checksums, read as a stream: whole HDUs are summed without being held in memory.

The sums are those of the FITS checksum convention (FITS standard 4.0, 4.4.2.7 and appendix J): 32-bit
big-endian words added in ones' complement. `DATASUM` is the sum over the data, and with a right
`CHECKSUM` the sum over the whole HDU is -0.
"""

from math import prod
from typing import Final, Protocol

import numpy as np

from tasks.core.errors import Permanent

BLOCK: Final = 2880
_CHUNK: Final = 364 * BLOCK
_MAX_HEADER_BLOCKS: Final = 2000
_CARD: Final = 80
_END: Final = b"END".ljust(_CARD)
_ONES: Final = 0xFFFFFFFF


class Stream(Protocol):
    """Anything that is read from front to back."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; fewer only at the end."""
        ...


def check_fits(stream: Stream) -> int:
    """Read all HDUs of a FITS file and compare their sums where they state them.

    What follows the last HDU is not looked at.

    Returns
    -------
    int
        How many HDUs there are.

    Raises
    ------
    Permanent
        When this is no FITS file, ends too early or a sum differs.
    """
    count = 0
    while header := _read_header(stream, first=count == 0, hdu=count):
        _check_hdu(stream, header, count)
        count += 1
    return count


def _read_header(stream: Stream, *, first: bool, hdu: int) -> bytes:
    """The blocks of the next header; empty where no further HDU begins."""
    block = stream.read(BLOCK)
    if not block.startswith(b"SIMPLE  =" if first else b"XTENSION="):
        if first:
            raise Permanent("it is no FITS file")
        return b""
    blocks = [block]
    while not _has_end(blocks[-1]):
        if len(blocks[-1]) < BLOCK or len(blocks) > _MAX_HEADER_BLOCKS:
            raise Permanent(f"the header of HDU {hdu} has no end")
        blocks.append(stream.read(BLOCK))
    return b"".join(blocks)


def _has_end(block: bytes) -> bool:
    return any(block[start : start + _CARD] == _END for start in range(0, len(block), _CARD))


def _check_hdu(stream: Stream, raw: bytes, hdu: int) -> None:
    header = _values(raw)
    try:
        size = _data_size(header)
        stated = int(header["DATASUM"]) if header.get("DATASUM") else None
    except (KeyError, ValueError) as exc:
        raise Permanent(f"the header of HDU {hdu} cannot be read: {exc}") from exc
    data_sum = _sum_data(stream, size, hdu)
    if stated is not None and (stated - data_sum) % _ONES:
        raise Permanent(f"the data of HDU {hdu} do not have their DATASUM")
    if header.get("CHECKSUM") and (_sum(raw) + data_sum) % _ONES:
        raise Permanent(f"HDU {hdu} does not have its CHECKSUM")


def _values(raw: bytes) -> dict[str, str]:
    """Keyword → its first value as written, without quotes; sizes and sums hold no `/` themselves."""
    text = raw.decode("latin-1")
    cards = (text[start : start + _CARD] for start in reversed(range(0, len(text), _CARD)))
    return {
        card[:8].rstrip(): card[10:].partition("/")[0].strip(" '") for card in cards if card[8:10] == "= "
    }


def _data_size(header: dict[str, str]) -> int:
    """Bytes of data after a header, without padding."""
    axes = [int(header[f"NAXIS{axis + 1}"]) for axis in range(int(header["NAXIS"]))]
    if not axes:
        return 0
    elements = int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + prod(axes))
    if elements < 0:
        raise ValueError("its data have a negative size")
    return abs(int(header["BITPIX"])) // 8 * elements


def _sum_data(stream: Stream, size: int, hdu: int) -> int:
    left = -(-size // BLOCK) * BLOCK
    total = 0
    while left:
        piece = stream.read(min(left, _CHUNK))
        if len(piece) < min(left, _CHUNK):
            raise Permanent(f"the file ends within the data of HDU {hdu}")
        total += _sum(piece)
        left -= len(piece)
    return total


def _sum(piece: bytes) -> int:
    """The words added up; modulo 2³² - 1 this is the ones' complement sum."""
    return int(np.frombuffer(piece, ">u4").sum(dtype=np.uint64))
