"""Bringing the report up to date: at a sweep's end, and whenever somebody asks for it."""

import asyncio
import json
import logging
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tasks.archive.selection import Selection
from tasks.core.errors import LeaseLost, Outcome
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.progress import Unit, tell
from tasks.core.state import Standing, State
from tasks.engines.combining import combine
from tasks.engines.drawing import draw
from tasks.library.claim import Claim, claim
from tasks.library.fingerprint import fingerprint
from tasks.library.log_tail import keep_log, log_tail
from tasks.library.manifest import Manifest
from tasks.library.publication import read_manifest
from tasks.library.rows import DatasetRow
from tasks.library.site import Site
from tasks.library.summary import Summary
from tasks.report import site as pages
from tasks.report.advice import log_words
from tasks.report.choice import PICTURES, preview_products
from tasks.report.dataset import dataset_page
from tasks.report.look import look
from tasks.report.pictures import (
    PICTURES_VERSION,
    Pictures,
    are_there,
    forget_pictures,
    keep_pictures,
    read_pictures,
)
from tasks.report.publishing import publish_sweep
from tasks.report.site_catalogue import Facts
from tasks.report.site_known import Known

logger = logging.getLogger("xtendflow.report")

_SEVERAL = 2


async def make_dataset_page(held: Claim, dataclass: DataClass, target: str, standing: Standing) -> None:
    """Publish the page of a dataset, whose observation this process holds.

    Its pictures are drawn where those in the store are of something else than what is published.
    """
    store, obsid = held.site.store, held.obsid
    manifest = await asyncio.to_thread(read_manifest, store, obsid, dataclass)
    # As the ledger keeps it.
    of = fingerprint(manifest.model_dump(mode="json", by_alias=True)) if manifest else None
    # Before anything else is written to it.
    log = await asyncio.to_thread(log_tail, held.site, obsid, dataclass, standing)
    pictures = await _pictures(held, dataclass, manifest, fingerprint(PICTURES_VERSION, of))

    def publish_page() -> None:
        page = dataset_page(obsid, dataclass, target, standing, manifest, pictures, log)
        held.confirm()
        store.replace(pages.page_key(obsid, dataclass), page.encode())
        # Without a stamp the report makes it again: what could not be read may be readable then.
        store.replace(_stamp_key(obsid, dataclass), _stamp(of, standing) if pictures.settled else b"{}")

    await asyncio.to_thread(publish_page)


async def _pictures(held: Claim, dataclass: DataClass, manifest: Manifest | None, of: str) -> Pictures:
    """What is told of a dataset's pictures, drawn again where they were not drawn from `of`."""
    site, obsid = held.site, held.obsid
    before = await asyncio.to_thread(read_pictures, site.store, obsid, dataclass)
    if manifest is None:
        if before:
            await asyncio.to_thread(held.confirm)
            await asyncio.to_thread(forget_pictures, site.store, obsid, dataclass)
        return Pictures()
    if (
        before
        and before.of == of
        and await asyncio.to_thread(are_there, site.store, obsid, dataclass, before)
    ):
        return before
    shown = preview_products(manifest)
    told = await draw(site, obsid, dataclass, manifest, shown, PICTURES, held.confirm)
    pictures = Pictures.model_validate(told)
    pictures = pictures.model_copy(update={"of": of if pictures.settled else ""})
    await asyncio.to_thread(held.confirm)
    await asyncio.to_thread(keep_pictures, site.store, obsid, dataclass, pictures)
    return pictures


def _stamp(manifest: str | None, standing: Standing) -> bytes:
    """What a dataset's page is made from: its manifest's fingerprint, its standing, and how pages look."""
    return json.dumps({"of": fingerprint(look(), manifest, standing)}).encode()


def _stamp_key(obsid: ObsID, dataclass: DataClass) -> str:
    return f"report/{obsid}/{dataclass}/page.json"


async def complete_observation(held: Claim, standing: Standing, dataclasses: Collection[DataClass]) -> None:
    """Make what the page of an observation shows besides its datasets: their sum, the log's last lines.

    Parameters
    ----------
    held : Claim
        The observation, which this process holds.
    standing : Standing
        How it ended.
    dataclasses : collection of DataClass
        Its datasets.
    """
    if standing.state == State.FAILED:
        # Before anything else is written to it.
        await asyncio.to_thread(keep_log, held.site, held.obsid, log_words)
    if len(dataclasses) >= _SEVERAL:
        await combine(held.site, held.obsid, dataclasses, held.confirm)


def publish(site: Site, summary: Summary, selection: Selection) -> None:
    """Publish a sweep's summary and page, and bring the site up to date."""
    seen = (choice.observation for choice in (*selection.chosen, *selection.left))
    facts = {row.obsid: Facts.model_validate(row) for row in seen}
    publish_sweep(site.store, site.ledger, summary, facts)


async def rebuild(site: Site) -> pages.Updated:
    """Make every page of the report that is missing or no longer says what store and ledger know.

    Observations that another process works on are left to it.
    """
    planned = await asyncio.to_thread(pages.plan, site.store, site.ledger, verify=True)
    todo = await asyncio.to_thread(_to_draw, site, planned)
    total, done = sum(len(rows) for _, rows in todo), 0
    slots = asyncio.Semaphore(site.cores)

    async def draw(item: Known, rows: list[DatasetRow]) -> int:
        nonlocal done
        async with slots:
            drawn = await _draw(site, item, rows)
            done += len(rows)
            tell("datasets' pages", Unit.PAGES, done, total)
            return drawn

    drawn = sum(await asyncio.gather(*(draw(item, rows) for item, rows in todo)))
    datasets = sum(len(item.datasets) for item in planned.observations)
    made = await asyncio.to_thread(pages.write, site.store, site.ledger, planned)
    return pages.Updated(made.made + drawn, made.kept + datasets - drawn)


def _to_draw(site: Site, planned: pages.Plan) -> list[tuple[Known, list[DatasetRow]]]:
    """Observations with datasets whose page is missing or stale, or whose sum may be; and those datasets.

    Each page's own stamp is asked: a sweep brings the pages of observations up to date without those of
    their datasets.
    """
    rows = [row for item in planned.observations for row in item.datasets]
    with ThreadPoolExecutor(pages.AT_ONCE) as pool:
        current = {
            (row.obsid, row.dataclass)
            for row, is_current in zip(rows, pool.map(partial(_is_current, site, planned), rows), strict=True)
            if is_current
        }
    several = {item.obsid for item in planned.stale if len(item.datasets) >= _SEVERAL}
    found = (
        (item, [row for row in item.datasets if (row.obsid, row.dataclass) not in current])
        for item in planned.observations
    )
    return [(item, stale) for item, stale in found if stale or item.obsid in several]


def _is_current(site: Site, planned: pages.Plan, row: DatasetRow) -> bool:
    """Whether a dataset's page is there, made from what the ledger knows of it, and looks as pages do now."""
    if pages.page_key(row.obsid, row.dataclass) not in (planned.there or {}):
        return False
    return site.store.read(_stamp_key(row.obsid, row.dataclass)) == _stamp(row.manifest, row.standing)


async def _draw(site: Site, item: Known, rows: list[DatasetRow]) -> int:
    """Make pages of an observation's datasets and its combined image, unless somebody else works on it."""
    made = 0
    try:
        async with claim(site, item.obsid) as held:
            for row in rows:
                with _told(f"the page of {row.obsid}/{row.dataclass}"):
                    await make_dataset_page(held, row.dataclass, item.target, row.standing)
                    made += 1
            if len(item.datasets) >= _SEVERAL:
                names = [row.dataclass for row in item.datasets if row.manifest]
                with _told(f"the combined image of {item.obsid}"):
                    await combine(site, item.obsid, names, held.confirm)
    except LeaseLost:
        logger.info("%s is left to another process", item.obsid)
    return made


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say that something could not be made, and go on with the rest."""
    try:
        yield
    except Outcome as exc:
        logger.warning("%s could not be made: %s", what, exc)
