"""What the archive has for an observation now, in one hash: whether to look closer costs one listing."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tasks.archive.layout import ArchiveFile, datasets, needed
from tasks.archive.objects import Archive, open_archive
from tasks.core.errors import Skipped, Transient
from tasks.core.identifiers import ObsID
from tasks.library.fingerprint import fingerprint

logger = logging.getLogger("xtendflow.archive")

_PARALLEL = 16


def listing_hash(obsid: ObsID, files: Iterable[ArchiveFile], *, pipeline: bool, rmf: bool = False) -> str:
    """Hash over name, size and ETag (or time of change) of the files that the engines need.

    Parameters
    ----------
    obsid : ObsID
        The observation.
    files : iterable of ArchiveFile
        Its listing.
    pipeline : bool
        Whether it is reprocessed, so that xtdpipeline's inputs count as well.
    rmf : bool
        Whether the archive's own response counts as well.
    """
    try:
        found = needed(datasets(obsid, files, pipeline=pipeline, rmf=rmf))
    except Skipped as exc:
        return fingerprint(exc.kind)
    return fingerprint(sorted((file.name, file.size, file.etag or file.modified) for file in found))


def look(address: str, obsids: Iterable[ObsID], *, pipeline: bool, rmf: bool = False) -> dict[ObsID, str]:
    """The hash of each observation's listing; one that does not come this time is left out.

    Raises
    ------
    EnvironmentFault
        When the archive cannot be used at all.
    """
    with open_archive(address) as archive, ThreadPoolExecutor(_PARALLEL) as pool:
        found = pool.map(lambda obsid: (obsid, _hash(archive, obsid, pipeline, rmf)), obsids)
        return {obsid: listing for obsid, listing in found if listing is not None}


def _hash(archive: Archive, obsid: ObsID, pipeline: bool, rmf: bool) -> str | None:
    try:
        return listing_hash(obsid, archive.list(obsid), pipeline=pipeline, rmf=rmf)
    except Transient as exc:
        logger.warning("%s: the archive could not be looked at: %s", obsid, exc)
        return None
