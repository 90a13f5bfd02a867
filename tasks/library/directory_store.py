"""A store in a directory, on this machine or shared between several."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from tasks.core.errors import EnvironmentFault, SoftwareFault, Transient
from tasks.library.durable import sync, write_durably
from tasks.library.keys import check_key

_PARTIAL = ".partial"
_STALE_SECONDS = 86400
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


class DirectoryStore:
    """Files below a directory.

    What is being written lies in `.partial/` until it is complete and synced; a rename or a hard link then
    shows it. So a kill or a power cut leaves the old file or the new one.

    Parameters
    ----------
    root : Path
        The directory; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def read(self, key: str) -> bytes | None:
        """What stands under a key, or None."""
        path = self._path(key)
        with self._faults("read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def replace(self, key: str, content: bytes) -> None:
        """Put this in place of whatever stands under the key: whole or not at all."""
        path = self._path(key)
        with self._faults("written"), self._partial() as partial:
            write_durably(partial, content)
            self._rename(partial, path)

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """As `replace`, but only while `old` (None: nothing) stands there."""
        path = self._path(key)
        with self._faults("written"), self._partial() as partial:
            write_durably(partial, new)
            if old is None:
                return self._add(partial, path)
            # Looked at last, so that next to nothing lies between the look and the rename.
            if self.read(key) != old:
                return False
            self._rename(partial, path)
            return True

    def put(self, key: str, local: Path) -> None:
        """Add a local file: linked where that is safe and possible, else copied."""
        path = self._path(key)
        with self._faults("written"):
            if not self._put(local.resolve(), path):
                raise SoftwareFault(f"{path} is published already; a published file is never overwritten")

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Size in bytes of every key below a folder, in one scan."""
        top = self._path(prefix) if prefix else self.root
        with self._faults("read"):
            return dict(_scan(str(top), f"{prefix}/" if prefix else ""))

    def sizes_of(self, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of these keys that is there; no folder is read."""
        top, found = str(self.root), {}
        with self._faults("read"):
            for key in keys:
                with suppress(FileNotFoundError, NotADirectoryError):
                    # A Path for each of a million keys would cost more than the looks.
                    found[key] = os.stat(f"{top}/{key}").st_size  # noqa: PTH116
        return found

    def delete(self, keys: Iterable[str]) -> None:
        """Take keys away, and the folders that are empty then."""
        paths = [self._path(key) for key in keys]
        with self._faults("written"):
            for path in paths:
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in paths} - {self.root}:
                with suppress(OSError):  # another file is in it
                    folder.rmdir()

    def local(self, key: str, directory: Path, sha256: str) -> Path:
        """The file itself; `directory` and `sha256` matter for stores that are far away."""
        path = self._path(key)
        if not path.is_file():
            raise Transient(f"{path} is gone from the store")
        return path

    def url(self, key: str) -> str:
        """A `file:` URL."""
        return self._path(key).as_uri()

    def check(self) -> None:
        """Make sure that the store can be written, and clear away what killed writers left a day ago."""
        with self._faults("written"):
            # Folders are made when something is kept: to make and remove them here would trip others up.
            place = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
            with tempfile.NamedTemporaryFile(dir=place, prefix=".check-") as probe:
                probe.write(b"is there room?")
                probe.flush()
                os.fsync(probe.fileno())
            for left in self.root.glob(f"{_PARTIAL}/*"):
                with suppress(FileNotFoundError):
                    if left.stat().st_mtime < time.time() - _STALE_SECONDS:
                        left.unlink()

    def close(self) -> None:
        """Nothing is open between calls."""

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextmanager
    def _faults(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            where = f" ({exc.filename})" if exc.filename else ""
            raise EnvironmentFault(
                f"the store {self.root} cannot be {verb}: {exc.strerror or exc}{where}"
            ) from exc

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        """A name in `.partial/` for a file to be; what still bears it afterwards is taken away."""
        folder = self.root / _PARTIAL
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _put(self, local: Path, path: Path) -> bool:
        if local.stat().st_nlink == 1:  # a file with more names could be changed through one of them
            sync(local)
            try:
                return self._link(local, path)
            except OSError as exc:
                if exc.errno not in _NO_LINKS:
                    raise
        with self._partial() as partial:
            shutil.copyfile(local, partial)
            sync(partial)
            return self._add(partial, path)

    def _add(self, partial: Path, path: Path) -> bool:
        """Show a complete file under a new name; False when that name is taken."""
        try:
            return self._link(partial, path)
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
        if path.exists():
            return False
        self._rename(partial, path)
        return True

    def _link(self, source: Path, path: Path) -> bool:
        """Show a complete file under another name; False when that name is taken."""
        self._make_folder(path.parent)
        try:
            path.hardlink_to(source)
        except FileExistsError:
            return False
        sync(path.parent)
        return True

    def _rename(self, source: Path, path: Path) -> None:
        self._make_folder(path.parent)
        source.replace(path)
        sync(path.parent)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            for parent in folder.parents:
                sync(parent)
                if parent == self.root:
                    break


def _scan(top: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Key and size of every visible file below a folder; what vanishes meanwhile is left out."""
    folders = [(top, prefix)]
    while folders:
        folder, start = folders.pop()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, f"{start}{entry.name}/"))
                else:
                    with suppress(FileNotFoundError):
                        yield start + entry.name, entry.stat().st_size
