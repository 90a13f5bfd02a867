"""The local copies of archive files: verified ones with their records, half ones that hold a lock.

Beside each file lies `{name}.verified.json`. A copy counts as complete only while its record agrees with
both the listing and the file. A file being fetched is called `{name}.{random}.part` and stays locked by
its process: one without a lock was left behind by a process that is gone.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from tasks.archive.layout import ArchiveFile
from tasks.core.errors import EnvironmentFault
from tasks.library.durable import sync

_RECORD = ".verified.json"
_PART = ".part"


class Record(BaseModel):
    """What was verified, against which listing, and how the copy looked then.

    Parameters
    ----------
    size : int
        Bytes.
    etag, modified
        As listed then.
    sha256 : str
        Of the verified content.
    mtime_ns : int
        Of the local copy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    etag: str | None
    modified: AwareDatetime | None
    sha256: str
    mtime_ns: int

    @classmethod
    def of(cls, path: Path, file: ArchiveFile, sha256: str) -> Self:
        """The record of a copy that was just verified."""
        return cls(
            size=file.size,
            etag=file.etag,
            modified=file.modified,
            sha256=sha256,
            mtime_ns=path.stat().st_mtime_ns,
        )


def known_sha256(directory: Path, file: ArchiveFile) -> str | None:
    """The SHA-256 of a complete copy; None when it is not there, not verified, or one side changed."""
    path = directory / file.name
    try:
        record = Record.model_validate_json(_record_path(path).read_bytes())
        unchanged = record == Record.of(path, file, record.sha256) and path.stat().st_size == file.size
    except (OSError, ValidationError):
        return None
    return record.sha256 if unchanged else None


def keep(part: Path, path: Path, file: ArchiveFile, sha256: str) -> None:
    """Make a verified `.part` file the copy at `path`, with its record; durably, the record last."""
    with part_file(_record_path(path)) as aside:
        aside.write_text(Record.of(part, file, sha256).model_dump_json())
        sync(part)
        sync(aside)
        part.replace(path)
        aside.replace(_record_path(path))
    sync(path.parent)


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """A new, empty, locked `.part` file beside `path`; removed at the end if still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, lock = _create_locked(path)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        os.close(lock)


def clear_leftovers(directory: Path) -> None:
    """Remove the `.part` files of processes that are gone."""
    for part in directory.rglob(f"*{_PART}"):
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(part, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(lock)


def require_space(directory: Path, files: Iterable[ArchiveFile]) -> None:
    """Refuse to begin what cannot fit.

    Raises
    ------
    EnvironmentFault
        When the disk of `directory` has less room than the files take.
    """
    wanted, free = sum(file.size for file in files), shutil.disk_usage(directory).free
    if wanted > free:
        raise EnvironmentFault(f"the download needs {wanted:,} bytes in {directory}, which has {free:,} left")


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + _RECORD)


def _create_locked(path: Path) -> tuple[Path, int]:
    while True:
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_PART}")
        lock = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another process may have cleared it away before it was locked.
        if os.fstat(lock).st_nlink:
            return part, lock
        os.close(lock)
