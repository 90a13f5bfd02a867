"""Drawing a dataset's pictures: a call like any other, whose files go to the report's folder in the store."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.core.identifiers import DataClass, ObsID
from tasks.engines.runner import run_call
from tasks.engines.workplace import workplace
from tasks.library.call import Call
from tasks.library.keys import MANIFEST
from tasks.library.manifest import Manifest, Product
from tasks.library.publication import manifest_bytes
from tasks.library.site import Site

_SECONDS = 900.0


async def draw(
    site: Site,
    obsid: ObsID,
    dataclass: DataClass,
    manifest: Manifest,
    shown: Sequence[Product],
    files: Sequence[str],
    confirm: Callable[[], None],
) -> dict[str, Any]:
    """Draw and publish the pictures of a dataset.

    Parameters
    ----------
    site, obsid, dataclass
        Which dataset, and where it is kept.
    manifest : Manifest
        What is published of it.
    shown : sequence of Product
        The products that the pictures need.
    files : sequence of str
        The names of the pictures.
    confirm : callable
        Raises when this process does not hold the observation any more.

    Returns
    -------
    dict
        What is told of the pictures.

    Raises
    ------
    LeaseLost
        When another process has taken over; the pictures stay as they are.
    """
    with workplace(site, f"{obsid}-{dataclass}-pictures") as directory:
        inputs = await asyncio.to_thread(_inputs, site, f"{obsid}/{dataclass}", manifest, shown, directory)
        call = Call(
            function="tasks.report.previews.drawing:draw_pictures",
            inputs=inputs,
            outputs=tuple(files),
            timeout=_SECONDS,
        )
        made = directory / "0"
        result = await run_call(call, made, site.log(obsid, dataclass), cores=site.cores)
        drawn = {name: made / name for name in files if name not in result.report.not_made}
        await asyncio.to_thread(_put, site, f"report/{obsid}/{dataclass}", files, drawn, confirm)
    return result.report.facts


def _put(
    site: Site, page: str, files: Sequence[str], drawn: Mapping[str, Path], confirm: Callable[[], None]
) -> None:
    """Replace the pictures; one that could not be drawn this time goes."""
    for name, path in drawn.items():
        # Drawing has taken its time, and each of the writes may.
        confirm()
        site.store.replace(f"{page}/{name}", path.read_bytes())
    confirm()
    site.store.delete(f"{page}/{name}" for name in files if name not in drawn)


def _inputs(
    site: Site, key: str, manifest: Manifest, shown: Sequence[Product], directory: Path
) -> dict[str, str]:
    """Local paths of the manifest and of the products shown, under their own names."""
    copy = directory / MANIFEST
    copy.write_bytes(manifest_bytes(manifest))
    fetched = directory / "inputs"
    local = {item.name: str(site.store.local(f"{key}/{item.path}", fetched, item.sha256)) for item in shown}
    return {MANIFEST: str(copy), **local}
