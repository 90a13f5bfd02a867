"""Is this file what the archive holds, whole and undamaged?"""

import hashlib
import re
from gzip import BadGzipFile
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from isal import igzip, isal_zlib

from tasks.archive.fits_sums import Stream, check_fits
from tasks.archive.layout import ArchiveFile
from tasks.core.errors import Permanent, Transient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK: Final = 1 << 20
# isal declares its error as an instance.
_DAMAGE: Final = (EOFError, BadGzipFile, cast(type[Exception], isal_zlib.error))
_FITS = re.compile(r".*\.(?:evt|bimg|ehk|fits|gti|att|orb|mkf|hk|fpix|hpix|rmf\d*|arf|pi|img|lc)(?:\.gz)?")
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|\?xml)", re.IGNORECASE)
_MD5 = re.compile(r"[0-9a-f]{32}(?P<one_part>-1)?")


def verify(path: Path, file: ArchiveFile) -> str:
    """Check a downloaded file against its listing and against itself, in one pass.

    In this order: the size; the ETag where it is an MD5; gzip, all members to their CRC; FITS structure,
    DATASUM and CHECKSUM where they are stated. An ETag of several parts (`…-N`) is not used: the size
    of its parts is not known.

    Returns
    -------
    str
        SHA-256 of the bytes, 64 hex digits.

    Raises
    ------
    Transient
        When the size is another or a web page came instead of the file: the transfer's fault.
    Permanent
        When the content is not what the archive states, or damaged; `bytes_of` tells which bytes these were.
    """
    _check_arrival(path, file)
    with path.open("rb", buffering=0) as raw:
        hashed = _Hashed(cast(RawIOBase, raw))
        with BufferedReader(hashed, _CHUNK) as stream:
            fault = _fault(stream, file.name)
            while stream.read(_CHUNK):
                pass
    sha256 = hashed.sha256.hexdigest()
    if not hashed.agrees_with(file.etag):
        raise _damaged(f"{file.name}: the content does not have the MD5 that the archive states", sha256)
    if fault is not None:
        raise _damaged(f"{file.name}: {fault}", sha256) from fault
    return sha256


def bytes_of(error: Permanent) -> str | None:
    """SHA-256 of the bytes that `verify` found bad; None where an error tells of no bytes."""
    return vars(error).get("sha256")


def _damaged(message: str, sha256: str) -> Permanent:
    error = Permanent(message)
    vars(error)["sha256"] = sha256
    return error


def _check_arrival(path: Path, file: ArchiveFile) -> None:
    with path.open("rb") as raw:
        start = raw.read(256)
    if _PAGE.match(start) and not file.name.endswith((".html", ".htm", ".xml")):
        raise Transient(f"{file.name}: a web page came instead of the file")
    if (size := path.stat().st_size) != file.size:
        raise Transient(f"{file.name}: {size} bytes came, the archive lists {file.size}")


def _fault(stream: BinaryIO, name: str) -> Permanent | None:
    """What is wrong with the content, read as far as that takes."""
    try:
        if name.endswith(".gz"):
            with igzip.open(stream, "rb") as plain:  # type: ignore[no-untyped-call]
                _read_through(plain, name)
        else:
            _read_through(stream, name)
    except Permanent as exc:
        return exc
    except _DAMAGE as exc:
        return Permanent(f"its gzip compression is damaged: {exc}")
    return None


def _read_through(stream: Stream, name: str) -> None:
    try:
        if _FITS.fullmatch(name):
            check_fits(stream)
    finally:
        # To the end in any case: damaged compression explains a wrong sum, not the other way round.
        while stream.read(_CHUNK):
            pass


class _Hashed(RawIOBase):
    """Passes a file's bytes on and keeps their hashes."""

    def __init__(self, raw: RawIOBase) -> None:
        super().__init__()
        self._raw = raw
        self.sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = self._raw.readinto(buffer) or 0
        piece = memoryview(buffer)[:count]
        self.sha256.update(piece)
        self._md5.update(piece)
        return count

    def agrees_with(self, etag: str | None) -> bool:
        """Whether the ETag is no MD5, or this content's."""
        match = _MD5.fullmatch(etag or "")
        if match is None:
            return True
        md5 = self._md5
        if match["one_part"]:
            md5 = hashlib.md5(md5.digest(), usedforsecurity=False)
        return match[0].removesuffix("-1") == md5.hexdigest()
