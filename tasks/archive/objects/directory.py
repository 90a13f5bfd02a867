"""An archive in a mounted or local directory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tasks.archive.layout import ArchiveFile, listed, logger, observation_path
from tasks.archive.objects.interface import Archive, local_faults
from tasks.core.errors import EnvironmentFault, Permanent, Transient
from tasks.core.identifiers import ObsID

_CHUNK = 1 << 20


class DirectoryArchive(Archive):
    """Reads a directory tree in the archive's layout; follows no link out of it.

    Parameters
    ----------
    root : Path
        Holds `0/`, `2/`, `3/`, ….

    Raises
    ------
    EnvironmentFault
        When it is no directory or cannot be read.
    """

    def __init__(self, root: Path) -> None:
        try:
            self.root = root.resolve(strict=True)
            next(self.root.iterdir(), None)
        except OSError as exc:
            raise EnvironmentFault(f"the archive directory {root} cannot be read: {exc.strerror}") from exc

    def list(self, obsid: ObsID) -> tuple[ArchiveFile, ...]:
        """All files of an observation (see `Archive.list`)."""
        folder = self.root / observation_path(obsid)
        with _translated(str(folder)):
            if not folder.exists():
                return ()
            if not self._holds(folder):
                raise EnvironmentFault(f"{folder} leads out of the archive directory {self.root}")
            return tuple(sorted(self._files(folder), key=lambda file: file.name))

    def _files(self, folder: Path) -> Iterator[ArchiveFile]:
        for path in _walk(folder):
            if not self._holds(path):
                logger.warning("%s is left out: it leads out of the archive directory", path)
                continue
            status = path.stat()
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            file = listed(path.relative_to(folder).as_posix(), status.st_size, None, modified)
            if file is not None:
                yield file

    def _holds(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root)

    def fetch(self, obsid: ObsID, file: ArchiveFile, to: Path, on_bytes: Callable[[int], None]) -> None:
        """Copy a file (see `Archive.fetch`)."""
        path = self.root / observation_path(obsid) / file.name
        with _translated(str(path)), local_faults(to):
            if not self._holds(path):
                raise Permanent(f"{path} leads out of the archive directory {self.root}")
            with path.open("rb") as source, to.open("wb") as sink:
                while piece := source.read(_CHUNK):
                    sink.write(piece)
                    on_bytes(len(piece))

    def close(self) -> None:
        """Nothing is held open."""


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder; linked folders are not entered, so there are no cycles."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.is_file():
            yield path


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise Transient(f"{what} was replaced or withdrawn while it was read") from exc
    except PermissionError as exc:
        raise Permanent(f"{what} cannot be read: {exc.strerror}") from exc
    except OSError as exc:
        raise Transient(f"{what} could not be read: {exc.strerror or exc}") from exc
