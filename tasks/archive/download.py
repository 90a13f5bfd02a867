"""Download of an observation's files: verified, resumable, and never half done under a final name."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from tasks.archive.layout import ArchiveFile, DatasetFiles, datasets, needed
from tasks.archive.listings import listing_hash
from tasks.archive.local import clear_leftovers, keep, known_sha256, part_file, require_space
from tasks.archive.objects import Archive, open_archive
from tasks.archive.verification import bytes_of, verify
from tasks.core.errors import EnvironmentFault, Permanent, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.library.call import OnProgress, Report, tell_progress
from tasks.library.dataset import LISTING, DatasetInputs
from tasks.library.manifest import InputFile

DELAYS: Final = (1.0, 4.0, 15.0)
"""Seconds between the tries of one listing or file."""

Result = TypeVar("Result")


def download(
    archive: Archive,
    obsid: ObsID,
    files: Iterable[ArchiveFile],
    directory: Path,
    *,
    on_progress: OnProgress,
    parallel: int = 16,
    delays: Sequence[float] = DELAYS,
) -> tuple[InputFile, ...]:
    """Have verified copies of `files` below `directory`, fetching only what is missing or has changed.

    A transfer that fails is tried again after each of `delays`; a copy that fails its verification is
    fetched once more, and only the same bytes again are the archive's own fault. What was complete before
    an error stays and is not fetched again.

    Parameters
    ----------
    archive : Archive
    obsid : ObsID
    files : iterable of ArchiveFile
        From a listing of this observation.
    directory : Path
        The observation's local folder; made if need be.
    on_progress : callable
        Hears (bytes here, bytes in all) about once a percent, from any thread.
    parallel : int
        How many files are fetched at once.
    delays : sequence of float
        Seconds before each further try.

    Returns
    -------
    tuple of InputFile
        A record of each copy, in the order of `files`; the copies lie at `directory / name`.

    Raises
    ------
    Transient
        When a transfer kept failing or spoiling a file, or the archive changed a file meanwhile.
    Permanent
        When a file is damaged in the archive, or the archive refuses it.
    EnvironmentFault
        When there is no room, or no permission, to write.
    """
    files = tuple(files)
    known = _prepare(directory, files)
    missing = [file for file in files if file.name not in known]
    progress = _Progress(files, known, on_progress)

    def obtain(file: ArchiveFile) -> tuple[str, str]:
        return file.name, _obtain(archive, obsid, file, directory, progress, delays)

    known |= _in_parallel(obtain, missing, parallel)
    return tuple(InputFile(name=file.name, size=file.size, sha256=known[file.name]) for file in files)


def fetch_observation(
    archive: str, obsid: str, directory: str, pipeline: bool = False, rmf: bool = False
) -> Report:
    """List an observation, choose what the engines need, and download it: one call of the runner.

    The listing's hash is left in the file `LISTING` of the working directory.

    Parameters
    ----------
    archive : str
        As `open_archive` takes it.
    obsid : str
    directory : str
        The observation's local folder.
    pipeline : bool
        Whether the observation will be reprocessed, so that xtdpipeline's inputs are needed as well.
    rmf : bool
        Whether the archive's own response is needed, since none is made.

    Returns
    -------
    Report
        Facts: `datasets` (data class → `DatasetInputs`) and `bytes` (size of all files).

    Raises
    ------
    NoData, Proprietary
        When there is nothing to download.
    Transient, Permanent, EnvironmentFault
        As `download`.
    """
    observation = ObsID(obsid)
    with open_archive(archive) as opened:
        listing = _retried(lambda: opened.list(observation), DELAYS)
        # Before anything can go wrong: a failure, too, belongs to what the archive had.
        Path(LISTING).write_text(
            listing_hash(observation, listing, pipeline=pipeline, rmf=rmf), encoding="ascii"
        )
        found = datasets(observation, listing, pipeline=pipeline, rmf=rmf)
        copies = download(opened, observation, needed(found), Path(directory), on_progress=tell_progress)
    return Report(facts={"datasets": _inputs(found, copies), "bytes": sum(copy.size for copy in copies)})


def _inputs(found: Mapping[DataClass, DatasetFiles], copies: Iterable[InputFile]) -> dict[str, Any]:
    by_name = {copy.name: copy for copy in copies}
    return {
        dataclass: DatasetInputs(
            events=tuple(file.name for file in dataset.events),
            bad_pixels=dataset.bad_pixels and dataset.bad_pixels.name,
            ehk=dataset.ehk and dataset.ehk.name,
            rmf=dataset.rmf and dataset.rmf.name,
            inputs=tuple(by_name[file.name] for file in dataset.files),
        ).model_dump(mode="json")
        for dataclass, dataset in found.items()
    }


def _prepare(directory: Path, files: tuple[ArchiveFile, ...]) -> dict[str, str]:
    """Make the folder ready; name → SHA-256 of the copies that are already there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        clear_leftovers(directory)
        known = {file.name: sha256 for file in files if (sha256 := known_sha256(directory, file))}
        require_space(directory, (file for file in files if file.name not in known))
    except OSError as exc:
        raise EnvironmentFault(f"{directory} cannot be used for downloads: {exc.strerror}") from exc
    return known


def _in_parallel(
    obtain: Callable[[ArchiveFile], tuple[str, str]], files: Sequence[ArchiveFile], parallel: int
) -> dict[str, str]:
    """Run `obtain` on all files; after a failure nothing new is begun, and the first in order is raised."""
    with ThreadPoolExecutor(parallel) as pool:
        futures = [pool.submit(obtain, file) for file in files]
        wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    for future in futures:
        if not future.cancelled() and (error := future.exception()):
            raise error
    return dict(future.result() for future in futures)


def _obtain(
    archive: Archive,
    obsid: ObsID,
    file: ArchiveFile,
    directory: Path,
    progress: "_Progress",
    delays: Sequence[float],
) -> str:
    """Fetch, verify and keep one file; its SHA-256."""
    path = directory / file.name

    def fetch() -> str:
        progress.restart(file)
        archive.fetch(obsid, file, part, lambda count: progress.add(file, count))
        return verify(part, file)

    try:
        with part_file(path) as part:
            sha256 = _twice(fetch, archive, obsid, file, delays)
            keep(part, path, file, sha256)
    except OSError as exc:
        raise EnvironmentFault(f"{path} cannot be written: {exc.strerror}") from exc
    progress.finish(file)
    return sha256


def _twice(
    fetch: Callable[[], str], archive: Archive, obsid: ObsID, file: ArchiveFile, delays: Sequence[float]
) -> str:
    """Fetch once more when the first copy is bad: the bytes may have been spoilt on their way."""
    try:
        return _retried(fetch, delays)
    except Permanent as first:
        if file not in _retried(lambda: archive.list(obsid), delays):
            raise Transient(f"{file.name} was replaced or withdrawn between listing and download") from first
        try:
            return _retried(fetch, delays)
        except Permanent as second:
            # What is bad in the archive is bad in the same way each time.
            if bytes_of(second) != bytes_of(first):
                raise Transient(f"{second}; two copies differ: they were spoilt on their way") from second
            raise


def _retried(action: Callable[[], Result], delays: Sequence[float]) -> Result:
    for delay in delays:
        try:
            return action()
        except Transient:
            time.sleep(delay)
    return action()


class _Progress:
    """Counts the bytes of all files; a file that is fetched again starts from nothing."""

    def __init__(
        self, files: Iterable[ArchiveFile], known: Mapping[str, str], on_progress: OnProgress
    ) -> None:
        self._here = {file.name: file.size if file.name in known else 0 for file in files}
        self._total = sum(file.size for file in files)
        self._told = -self._total
        self._on_progress = on_progress
        self._lock = Lock()
        self._tell()

    def restart(self, file: ArchiveFile) -> None:
        self._set(file, 0)

    def finish(self, file: ArchiveFile) -> None:
        self._set(file, file.size)

    def add(self, file: ArchiveFile, count: int) -> None:
        with self._lock:
            self._here[file.name] = min(self._here[file.name] + count, file.size)
            self._tell()

    def _set(self, file: ArchiveFile, count: int) -> None:
        with self._lock:
            self._here[file.name] = count
            self._tell()

    def _tell(self) -> None:
        done = sum(self._here.values())
        if abs(done - self._told) >= max(self._total // 100, 1) or done == self._total != self._told:
            self._told = done
            self._on_progress(done, self._total)
