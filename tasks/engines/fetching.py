"""The download step: done the same way whatever the engine."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.core import progress
from tasks.core.errors import SoftwareFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.progress import Unit
from tasks.engines.runner import run_call
from tasks.engines.workplace import workplace
from tasks.library.call import Call, OnProgress
from tasks.library.dataset import LISTING, DatasetInputs
from tasks.library.site import Site

logger = logging.getLogger("xtendflow.download")

Fetched = dict[DataClass, DatasetInputs]

_FETCHED = TypeAdapter(Fetched)
_RECORD = "datasets.json"
_SECONDS_BETWEEN_LINES = 5.0
_SECONDS = 12 * 3600.0


async def fetch(
    site: Site,
    obsid: ObsID,
    *,
    pipeline: bool = False,
    rmf: bool = False,
    on_listing: Callable[[str], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Fetched:
    """Have verified copies of the files that an observation's datasets need, and remember which they are.

    Parameters
    ----------
    site : Site
        Where to.
    obsid : ObsID
        The observation.
    pipeline : bool
        Whether it will be reprocessed, so that xtdpipeline's inputs are needed as well.
    rmf : bool
        Whether the archive's own response is needed, since none is made.
    on_listing : callable, optional
        Hears the hash of the archive's listing, also when the download fails afterwards.
    on_progress : callable, optional
        Hears how many bytes of how many are there.

    Raises
    ------
    Outcome
        Why there is nothing to work on, or why it could not be had.
    """
    folder = site.downloads / obsid
    call = Call(
        function="tasks.archive.download:fetch_observation",
        parameters={
            "archive": site.settings.archive_url,
            "obsid": obsid,
            "directory": str(folder),
            "pipeline": pipeline,
            "rmf": rmf,
        },
        timeout=_SECONDS,
    )
    with workplace(site, f"{obsid}-download") as directory:
        try:
            result = await run_call(
                call,
                directory / "0",
                site.log(obsid),
                cores=site.cores,
                on_progress=_telling(obsid, on_progress),
            )
        finally:
            _tell_listing(directory / "0" / LISTING, on_listing)
    fetched = _FETCHED.validate_python(result.report.facts["datasets"])
    record = folder / _RECORD
    aside = record.with_suffix(".part")
    aside.write_bytes(_FETCHED.dump_json(fetched, indent=1))
    aside.replace(record)
    return fetched


def _tell_listing(file: Path, on_listing: Callable[[str], None] | None) -> None:
    if on_listing and file.exists():
        on_listing(file.read_text(encoding="ascii"))


def _telling(obsid: ObsID, on_progress: OnProgress | None) -> OnProgress:
    """Something that says every few seconds how far a download is, and passes it on every time."""
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        progress.tell(f"download {obsid}", Unit.BYTES, done, total)
        if on_progress:
            on_progress(done, total)
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            logger.info("%s: %.0f of %.0f MB downloaded", obsid, done / 1e6, total / 1e6)

    return tell


def fetched(site: Site, obsid: ObsID) -> Fetched:
    """What the last download of an observation brought.

    Raises
    ------
    SoftwareFault
        When it has not been downloaded.
    """
    try:
        return _FETCHED.validate_json((site.downloads / obsid / _RECORD).read_bytes())
    except (OSError, ValidationError) as exc:
        raise SoftwareFault(f"{obsid} has not been downloaded here: run the download first") from exc
