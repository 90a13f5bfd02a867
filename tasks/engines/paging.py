"""Making a dataset's page: a call like any other, whose files go to the report's folder in the store."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.engines.runner import run_call
from tasks.engines.workplace import workplace
from tasks.library.call import Call
from tasks.library.keys import MANIFEST
from tasks.library.manifest import Manifest, Product
from tasks.library.publication import manifest_bytes
from tasks.library.site import Site

_LOG_LINES = 40
_SECONDS = 900.0


async def make_page(
    site: Site,
    obsid: ObsID,
    dataclass: DataClass,
    target: str,
    standing: Standing,
    manifest: Manifest | None,
    shown: Sequence[Product],
    files: Sequence[str],
) -> None:
    """Draw and publish the page of a dataset.

    Parameters
    ----------
    site, obsid, dataclass
        Which dataset, and where it is kept.
    target : str
        What was observed.
    standing : Standing
        How the dataset stands.
    manifest : Manifest or None
        What is published of it.
    shown : sequence of Product
        The products that the pictures need.
    files : sequence of str
        The names of what is made.
    """
    key = f"{obsid}/{dataclass}"
    page = f"report/{key}"
    links = {MANIFEST: f"../../../{key}/{MANIFEST}"} if manifest else {}
    links |= {item.name: f"../../../{key}/{item.path}" for item in (manifest.products if manifest else ())}
    with workplace(site, f"{obsid}-{dataclass}-page") as directory:
        inputs = await asyncio.to_thread(_inputs, site, key, manifest, shown, directory)
        call = Call(
            function="tasks.report.dataset:make_page",
            parameters={
                "obsid": obsid,
                "dataclass": dataclass,
                "target": target,
                "standing": standing.model_dump(mode="json"),
                "links": links,
                "log_tail": _tail(site.log(obsid, dataclass)) if standing.state == State.FAILED else "",
            },
            inputs=inputs,
            outputs=tuple(files),
            timeout=_SECONDS,
        )
        made = directory / "0"
        result = await run_call(call, made, site.log(obsid, dataclass), cores=site.cores)
        drawn = {name: made / name for name in files if name not in result.report.not_made}
        await asyncio.to_thread(_put, site, page, files, drawn)


def _put(site: Site, page: str, files: Sequence[str], drawn: Mapping[str, Path]) -> None:
    """Replace the page's files; a picture that could not be drawn this time goes."""
    for name, path in drawn.items():
        site.store.replace(f"{page}/{name}", path.read_bytes())
    site.store.delete(f"{page}/{name}" for name in files if name not in drawn)


def _inputs(
    site: Site, key: str, manifest: Manifest | None, shown: Sequence[Product], directory: Path
) -> dict[str, str]:
    """Local paths of the manifest and of the products shown, under the names the page looks for."""
    if manifest is None:
        return {}
    copy = directory / MANIFEST
    copy.write_bytes(manifest_bytes(manifest))
    fetched = directory / "inputs"
    local = {item.name: str(site.store.local(f"{key}/{item.path}", fetched, item.sha256)) for item in shown}
    return {MANIFEST: str(copy), **local}


def _tail(log: Path) -> str:
    """The last lines of a log; empty when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
