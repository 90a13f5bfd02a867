"""The report's pages: all of a store's, those after one change, and the index in a browser.

No picture is drawn: each is once, with what it shows, and pages that are told again keep it.
"""

import asyncio
import contextlib
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from finished import fill_ledger, fill_store, write_many
from rows import Row, below, note
from timing import seconds, shortest

from tasks import reporting
from tasks.core.errors import Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.engines import combining
from tasks.engines.choice import choose
from tasks.engines.runner import CallResult
from tasks.library.keys import MANIFEST
from tasks.library.ledger import Ledger
from tasks.library.manifest import InputFile, Manifest
from tasks.library.publication import manifest_bytes, read_manifest
from tasks.library.recipe import Recipe
from tasks.library.rows import DatasetRow
from tasks.library.site import Site, open_site
from tasks.library.store import Store, open_store
from tasks.report import site as pages
from tasks.report.choice import PICTURES
from tasks.report.site import INDEX, plan, update, write
from tasks.report.site_catalogue import Facts, remember_facts

_DATASETS, _OBSERVATIONS = 1000, 2000
_TIMES = 3
_CALL = {"function": "tasks.engines.native.extraction:extract", "parameters": {"bands": ["0.6-2.0"] * 900}}
"""Makes a manifest as long as that of a real dataset, 65 kB."""
_PREVIEWS = [
    {"title": name, "file": name, "alt": "What it shows. " * 20, "caption": "How. " * 20, "size": (900, 700)}
    for name in PICTURES
]
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


def rows(folder: Path) -> Iterator[Row]:
    """Pages of 500 observations with two datasets each, then the index of 2,000."""
    store, ledger = _finished(folder / "some", _DATASETS // 2)
    for row in ledger.datasets():
        _lengthen(store, row)
    name = f"index and observations' pages of {_DATASETS:,} datasets"
    yield below(name, seconds(lambda: update(store, ledger)), "s", 60)
    renewed = shortest("one changed", lambda: _change_and_update(store, ledger), _TIMES)
    yield below("the same after one dataset has changed", renewed, "s", 2)
    checked = seconds(lambda: write(store, ledger, plan(store, ledger, verify=True)))
    note(f"nothing changed, and every page looked for: {checked:.2f} s")
    ledger.close()
    yield from _in_another_look(folder / "some")
    store, ledger = _finished(folder / "many", _OBSERVATIONS)
    update(store, ledger)
    ledger.close()
    index = folder / "many/store" / INDEX
    yield below(f"index of {_OBSERVATIONS:,} ObsIDs", index.stat().st_size / 1e6, "MB", 3)
    yield from _in_browser(index)


def _in_another_look(folder: Path) -> Iterator[Row]:
    """Every page of the same store, as after an upgrade that words or lays them out differently."""
    site = open_site(Settings(data=folder, archive=str(folder)))
    with patch.object(reporting, "draw", _draw_nothing), patch.object(combining, "run_call", _sum_nothing):
        asyncio.run(reporting.rebuild(site))
    made: list[int] = []
    with patch.object(reporting, "look", lambda: "another"), patch.object(pages, "look", lambda: "another"):
        taken = seconds(lambda: made.append(asyncio.run(reporting.rebuild(site)).made))
    site.ledger.close()
    if made != [_DATASETS + _DATASETS // 2]:
        raise RuntimeError(f"{made} pages were made of {_DATASETS} datasets")
    yield below(f"all pages of {_DATASETS:,} datasets in another look", taken, "s", 60)


async def _draw_nothing(site: Site, obsid: ObsID, dataclass: DataClass, *_: Any) -> dict[str, Any]:
    """Files in the place of pictures: a page looks whether they are there."""
    for name in PICTURES:
        site.store.replace(f"report/{obsid}/{dataclass}/{name}", b"a picture")
    return {"previews": _PREVIEWS}


async def _sum_nothing(*_: Any, **__: Any) -> CallResult:
    raise Permanent("the products of a bench hold no image")


def _finished(folder: Path, number: int) -> tuple[Store, Ledger]:
    """A store and a ledger of so many observations, and what the catalogue said of them."""
    folder.mkdir()
    chosen = choose(Recipe(engine="native"))
    observations = write_many(folder / "xrismmastr.ecsv", number)
    fill_store(folder / "store", observations, chosen)
    url = f"sqlite:///{folder}/ledger.sqlite"
    fill_ledger(url, observations, chosen)
    store = open_store(str(folder / "store"))
    remember_facts(store, {row.obsid: Facts.model_validate(row) for row in observations})
    return store, Ledger.open(url)


def _lengthen(store: Store, row: DatasetRow) -> None:
    """Have a manifest tell as much as a real one."""
    manifest = _manifest(store, row)
    steps = {
        step: record.model_copy(update={"calls": (_CALL,) * 2}) for step, record in manifest.steps.items()
    }
    _replace(store, manifest.model_copy(update={"steps": steps}))


def _manifest(store: Store, row: DatasetRow) -> Manifest:
    manifest = read_manifest(store, row.obsid, row.dataclass)
    if manifest is None:
        raise RuntimeError(f"{row.obsid}/{row.dataclass} has no manifest")
    return manifest


def _replace(store: Store, manifest: Manifest) -> None:
    store.replace(f"{manifest.obsid}/{manifest.dataclass}/{MANIFEST}", manifest_bytes(manifest))


def _change_and_update(store: Store, ledger: Ledger) -> None:
    """Publish another manifest of one dataset, and bring the pages up to date; exactly one must be made."""
    row = ledger.datasets()[0]
    before = _manifest(store, row)
    file = InputFile(name="another", size=len(before.inputs) + 1, sha256="0" * 64)
    after = before.model_copy(update={"inputs": (*before.inputs, file)})
    _replace(store, after)
    ledger.record_manifest(after, row.standing)
    if (made := update(store, ledger).made) != 1:
        raise RuntimeError(f"{made} pages were made where one dataset has changed")


def _in_browser(index: Path) -> Iterator[Row]:
    """Milliseconds until the index answers, where there is a browser."""
    chromium = shutil.which("chromium")
    with contextlib.suppress(ImportError):
        from playwright.sync_api import sync_playwright

        if chromium:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
                times = [_opened(browser, index) for _ in range(_TIMES + 2)]
                browser.close()
            note("until the index answers: " + ", ".join(f"{one:.2f}" for one in times))
            yield below("until it can be searched and sorted in Chromium", min(times), "s", 1)
            note(f"median {statistics.median(times):.2f} s")
            return
    note("the index in a browser: Chromium or playwright is not installed")


def _opened(browser: Any, index: Path) -> float:
    """Seconds from the navigation's start to the end of the page's script."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(index.as_uri())
    if page.locator("#shown").inner_text() != f"{2 * _OBSERVATIONS} of {2 * _OBSERVATIONS} lines":
        raise RuntimeError("the index does not answer")
    told = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    page.close()
    return float(told) / 1000
