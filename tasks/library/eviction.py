"""Size limits of scratch and downloads: what was used longest ago goes first, and never what is in use."""

import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from uuid import uuid4

from tasks.core.errors import EnvironmentFault
from tasks.core.identifiers import ObsID
from tasks.library import leases
from tasks.library.site import Site, is_gone

logger = logging.getLogger("xtendflow.eviction")

_ASIDE = ".evicted-"
_GB = 1e9

# Observations of a process that end together would remove more than is needed.
_TURN = Lock()

Remove = Callable[[Path], bool]


@dataclass(frozen=True)
class Evicted:
    """What was removed, and what is left.

    Parameters
    ----------
    folders : tuple of Path
        Those that were removed, in that order.
    bytes : int
        Size of their files.
    left : int
        Size in bytes of the files that stay.
    """

    folders: tuple[Path, ...]
    bytes: int
    left: int


@dataclass(frozen=True)
class _Folder:
    """A folder with the size of its files and the time of the latest change to any of them."""

    path: Path
    size: int
    used: int


def evict(site: Site) -> Evicted:
    """Bring scratch and downloads under their limits, as far as nobody uses them.

    An observation's download is in use while anybody holds the observation; scratch is while its process
    lives on this host, or holds any observation from another one. What is gone is downloaded again when
    a run needs it. Whatever goes wrong here is a warning: no work depends on it.
    """
    with _TURN:
        scratch, downloads = _trim_scratch(site), _trim_downloads(site)
    gone = Evicted(
        scratch.folders + downloads.folders, scratch.bytes + downloads.bytes, scratch.left + downloads.left
    )
    if gone.folders:
        logger.info(
            "removed the %d folders of downloads and scratch that were used longest ago, "
            "%.2f GB; %.2f GB stay",
            len(gone.folders),
            gone.bytes / _GB,
            gone.left / _GB,
        )
    return gone


def size_of(folder: Path) -> int:
    """Size in bytes of the files in a folder, as far as it can be read; 0 where there is none."""
    return _measured(folder).size


def _trim_scratch(site: Site) -> Evicted:
    folders = _named(site.settings.scratch, _is_scratch)
    return _trim(site.settings.scratch, folders, site.settings.scratch_gb, partial(_remove_scratch, site))


def _trim_downloads(site: Site) -> Evicted:
    _clear(site.downloads)
    folders = _named(site.downloads, _is_obsid)
    return _trim(site.downloads, folders, site.settings.downloads_gb, partial(_remove_download, site))


def _trim(place: Path, folders: Iterable[Path], limit_gb: float, remove: Remove) -> Evicted:
    """Remove folders, the one used longest ago first, until the rest is within the limit."""
    found = sorted(map(_measured, folders), key=lambda folder: folder.used)
    left, gone = sum(folder.size for folder in found), []
    for folder in found:
        if left <= limit_gb * _GB:
            break
        if _done(remove, folder.path):
            gone.append(folder)
            left -= folder.size
    if left > limit_gb * _GB:
        _warn_once(place, limit_gb)
    return Evicted(tuple(folder.path for folder in gone), sum(folder.size for folder in gone), left)


def _done(remove: Remove, folder: Path) -> bool:
    """Whether a folder could be removed; nothing that stands in the way may end a sweep."""
    try:
        return remove(folder)
    except FileNotFoundError:  # another eviction was faster
        return True
    except (OSError, EnvironmentFault) as exc:
        logger.warning("%s stays, as it cannot be removed: %s", folder, exc)
        return False


@cache  # a sweep comes by here after every observation
def _warn_once(place: Path, limit_gb: float) -> None:
    logger.warning(
        "%s takes more than its limit of %g GB (XTENDFLOW_%s_GB), and all that is left there is in use",
        place,
        limit_gb,
        place.name.upper(),
    )


def _remove_download(site: Site, folder: Path) -> bool:
    """Remove an observation's download, unless somebody holds the observation."""
    lease = leases.acquire(site.ledger, folder.name, site.holder, site.settings.lease_seconds)
    if lease is None:
        return False
    aside = folder.with_name(f"{_ASIDE}{uuid4().hex}")
    try:
        # At once and whole: whoever begins now finds no half of it, and need not wait for the disk.
        folder.rename(aside)
    finally:
        leases.release(site.ledger, lease)
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _remove_scratch(site: Site, folder: Path) -> bool:
    """Remove a process's scratch, unless it lives on this host or holds an observation."""
    host, _, pid = folder.name.rpartition("-")
    lives_here = host == site.host and not is_gone(host, pid)
    if lives_here or f"{host}:{pid}" in leases.holders(site.ledger):
        return False
    shutil.rmtree(folder)
    return True


def _clear(downloads: Path) -> None:
    """Remove what an eviction that was killed had put aside."""
    for folder in _named(downloads, lambda name: name.startswith(_ASIDE)):
        shutil.rmtree(folder, ignore_errors=True)


def _named(place: Path, wanted: Callable[[str], object]) -> list[Path]:
    """The folders of a place with the names wanted; whatever else people put there is not ours."""
    return [Path(entry.path) for entry in _entries(place) if wanted(entry.name) and _is_folder(entry)]


def _is_obsid(name: str) -> bool:
    return ObsID.pattern.fullmatch(name) is not None


def _is_scratch(name: str) -> bool:
    host, _, pid = name.rpartition("-")
    return bool(host) and pid.isdecimal()


def _measured(folder: Path) -> _Folder:
    """A folder as far as it can be read: others may write and delete in it meanwhile."""
    size = used = 0
    for found in _statuses(folder):
        used = max(used, found.st_mtime_ns)
        size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return _Folder(folder, size, used)


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    """Of a folder and everything below it."""
    with suppress(OSError):
        yield folder.lstat()
    todo = [folder]
    while todo:
        for entry in _entries(todo.pop()):
            with suppress(OSError):
                yield entry.stat(follow_symlinks=False)
            if _is_folder(entry):
                todo.append(Path(entry.path))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing when it is gone."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
