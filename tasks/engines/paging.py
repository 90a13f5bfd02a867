"""Making a dataset's page: a call like any other, whose files go to the report's folder in the store."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.engines.runner import run_call
from tasks.engines.workplace import workplace
from tasks.library.call import Call
from tasks.library.keys import LOG_TAIL, MANIFEST, RECIPE
from tasks.library.manifest import Manifest, Product, Step
from tasks.library.publication import manifest_bytes
from tasks.library.site import Site

_LOG_LINES = 40
_LOG_BYTES = 1 << 18
_OWN_CALL = '# {"function":"tasks.report.'
_STAMP = "page.json"
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
    stamp: bytes,
    confirm: Callable[[], None],
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
    stamp : bytes
        What it is made from, kept beside the page.
    confirm : callable
        Raises when this process does not hold the observation any more.

    Raises
    ------
    LeaseLost
        When another process has taken over; the page stays as it is.
    """
    key = f"{obsid}/{dataclass}"
    page = f"report/{key}"
    links = {RECIPE: f"../../../{RECIPE}", MANIFEST: f"../../../{key}/{MANIFEST}"} if manifest else {}
    # S3 takes a plus sign in an address for a blank.
    products = manifest.products if manifest else ()
    links |= {item.name: f"../../../{key}/{quote(item.path)}" for item in products}
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
                "log_tail": _log_of(site, obsid, dataclass, standing),
            },
            inputs=inputs,
            outputs=tuple(files),
            timeout=_SECONDS,
        )
        made = directory / "0"
        result = await run_call(call, made, site.log(obsid, dataclass), cores=site.cores)
        drawn = {name: made / name for name in files if name not in result.report.not_made}
        await asyncio.to_thread(_put, site, page, files, drawn, confirm)
        await asyncio.to_thread(site.store.replace, f"{page}/{_STAMP}", stamp)


def is_current(site: Site, obsid: ObsID, dataclass: DataClass, stamp: bytes) -> bool:
    """Whether a dataset's page was made from what `stamp` stands for."""
    return site.store.read(f"report/{obsid}/{dataclass}/{_STAMP}") == stamp


def keep_log(site: Site, obsid: ObsID, words: Callable[[str], str]) -> None:
    """Put the last lines of an observation's log beside its page, for hosts that do not have the log.

    `words` makes of them what everybody may see.
    """
    site.store.replace(f"report/{obsid}/{LOG_TAIL}", words(_tail(site.log(obsid))).encode())


def _put(
    site: Site, page: str, files: Sequence[str], drawn: Mapping[str, Path], confirm: Callable[[], None]
) -> None:
    """Replace the page's files; a picture that could not be drawn this time goes."""
    # Drawing has taken its time.
    confirm()
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


def _log_of(site: Site, obsid: ObsID, dataclass: DataClass, standing: Standing) -> str:
    """The last lines of a failed dataset's log; of the observation's where no step of its own has failed."""
    if standing.state != State.FAILED:
        return ""
    own = "" if standing.step == Step.DOWNLOAD else _tail(site.log(obsid, dataclass))
    return own or _tail(site.log(obsid))


def _tail(log: Path) -> str:
    """The last lines of a log, without the pages' own calls; empty when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if not line.startswith(_OWN_CALL)][-_LOG_LINES:])
