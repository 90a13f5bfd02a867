"""The report as a site of static pages: only those whose content has changed are written again."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.progress import Unit, tell
from tasks.core.state import State
from tasks.library.attempts import Attempt
from tasks.library.combination import read_combined
from tasks.library.fingerprint import fingerprint
from tasks.library.keys import LOG_TAIL
from tasks.library.ledger import Ledger
from tasks.library.publication import read_manifest
from tasks.library.store import Store
from tasks.report.look import look
from tasks.report.site_index import index_page
from tasks.report.site_known import Known, known
from tasks.report.site_observation import observation_page

PAGE: Final = "index.html"
"""Of an observation or of a dataset, in its own folder."""
INDEX: Final = f"report/{PAGE}"
_STATE: Final = "report/site.json"
AT_ONCE: Final = 8
"""Pages under way at once: a store far away answers late, and many can wait together."""
_DIGITS: Final = 16


@dataclass(frozen=True)
class Updated:
    """How many pages were made, and how many stayed as they were."""

    made: int
    kept: int


class _Made(BaseModel):
    """What the pages in the store were made from, as hashes."""

    model_config = ConfigDict(frozen=True)

    index: str = ""
    pages: dict[ObsID, str] = {}


@dataclass(frozen=True)
class Plan:
    """What is known, and what of it is not on the pages yet.

    Parameters
    ----------
    observations, stale : tuple of Known
        All of them, and those whose page is to be made.
    digests : dict
        Hash of what each page shows.
    there : mapping or None
        Size of every file of the report by key, where that was asked for.
    before : _Made
        What the pages were made from.
    """

    observations: tuple[Known, ...]
    stale: tuple[Known, ...]
    digests: dict[ObsID, str]
    there: Mapping[str, int] | None
    before: _Made


def update(store: Store, ledger: Ledger) -> Updated:
    """Bring the index and the pages of all observations up to date."""
    return write(store, ledger, plan(store, ledger))


def plan(store: Store, ledger: Ledger, *, verify: bool = False) -> Plan:
    """Compare what is known with what the pages were made from.

    Parameters
    ----------
    store, ledger
        What is shown, and where the pages are.
    verify : bool
        Look whether they still are there, in one listing of the report.
    """
    before, observations = _read(store), known(store, ledger)
    there = store.sizes("report") if verify else None
    digests = {item.obsid: item.digest(look())[:_DIGITS] for item in observations}
    stale = tuple(
        item
        for item in observations
        if before.pages.get(item.obsid) != digests[item.obsid]
        or (there is not None and page_key(item.obsid) not in there)
    )
    return Plan(observations, stale, digests, there, before)


def write(store: Store, ledger: Ledger, planned: Plan) -> Updated:
    """Write the pages that a plan finds stale, and the index where it changes."""
    _make(store, ledger, planned.stale)
    index = index_page(planned.observations, ledger.sweeps())
    digest = fingerprint(index)[:_DIGITS]
    renewed = digest != planned.before.index or (planned.there is not None and INDEX not in planned.there)
    if renewed:
        store.replace(INDEX, index.encode())
    if (after := _Made(index=digest, pages=planned.digests)) != planned.before:
        store.replace(_STATE, after.model_dump_json().encode())
    made = len(planned.stale) + renewed
    return Updated(made, len(planned.observations) + 1 - made)


def _make(store: Store, ledger: Ledger, stale: Iterable[Known]) -> None:
    """Write the pages of some observations; the ledger is asked here, the store by several threads."""
    todo = [(item, ledger.attempts(item.obsid)) for item in stale]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, _ in enumerate(pool.map(lambda one: _publish(store, *one), todo), start=1):
            tell("observations' pages", Unit.PAGES, done, len(todo))


def _publish(store: Store, item: Known, attempts: Sequence[Attempt]) -> None:
    top = f"report/{item.obsid}/"
    manifests = {
        row.dataclass: manifest
        for row in item.datasets
        if row.manifest and (manifest := read_manifest(store, item.obsid, row.dataclass))
    }
    beside = [key.removeprefix(top) for key in store.sizes(top.rstrip("/"))] if item.datasets else []
    combined = read_combined(store, item.obsid) if len(manifests) > 1 else None
    tail = (store.read(f"{top}{LOG_TAIL}") or b"") if item.row.standing.state == State.FAILED else b""
    page = observation_page(item, manifests, combined, attempts, beside, tail.decode("utf-8", "replace"))
    store.replace(page_key(item.obsid), page.encode())


def page_key(obsid: ObsID, dataclass: DataClass | None = None) -> str:
    """Where the page of an observation or of a dataset lies in the store."""
    return f"report/{obsid}/{dataclass}/{PAGE}" if dataclass else f"report/{obsid}/{PAGE}"


def _read(store: Store) -> _Made:
    """What the store's pages were made from; nothing when that cannot be read."""
    content = store.read(_STATE)
    try:
        return _Made.model_validate_json(content) if content else _Made()
    except ValidationError:
        return _Made()
