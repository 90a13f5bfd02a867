"""What every object store can do: list an observation and fetch a file."""

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks.archive.layout import ArchiveFile
from tasks.core.errors import EnvironmentFault
from tasks.core.identifiers import ObsID

_LOCAL_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE})


class Archive(ABC):
    """A place that holds observations; safe to use from several threads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def list(self, obsid: ObsID) -> tuple[ArchiveFile, ...]:
        """All files of an observation, by name; empty when the archive has none.

        Raises
        ------
        Transient
            When the archive did not answer, or not completely.
        EnvironmentFault
            When it refuses, or is not there.
        """

    @abstractmethod
    def fetch(self, obsid: ObsID, file: ArchiveFile, to: Path, on_bytes: Callable[[int], None]) -> None:
        """Write a file's content to `to`, unverified; `on_bytes` hears of every piece, from any thread.

        Raises
        ------
        Transient
            When the transfer broke off, or the file is no longer there.
        Permanent
            When the archive refuses to hand it out.
        EnvironmentFault
            When it cannot be written here.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


@contextmanager
def local_faults(to: Path) -> Iterator[None]:
    """Tell a full or read-only disk here from trouble at the other end.

    Raises
    ------
    EnvironmentFault
        When `to` cannot be written; other errors go on as they are.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno not in _LOCAL_FAULTS:
            raise
        raise EnvironmentFault(f"{to} cannot be written: {exc.strerror}") from exc
