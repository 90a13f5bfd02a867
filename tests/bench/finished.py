"""An archive that is swept to the end: a catalogue, a ledger and a store of many observations.

One observation is noted as a sweep notes it; the others are copies of its rows and files with their own
numbers.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from tasks.archive.catalogue.interface import Observation, Query
from tasks.archive.catalogue.table import TableCatalogue
from tasks.archive.selection import basis
from tasks.archive.simulated.catalogue import write_catalogue
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.engines.choice import Chosen
from tasks.library import schema
from tasks.library.attempts import Attempt, write_attempt
from tasks.library.fingerprint import fingerprint
from tasks.library.keys import MANIFEST
from tasks.library.ledger import Ledger
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord
from tasks.library.publication import manifest_bytes
from tasks.library.rows import Sighting
from tasks.library.store import open_store
from tasks.xtend.cautions import notice

_CONTENT = b"a product\n" * 30
_DONE = Standing(state=State.DONE)
_MADE = (
    (Step.PROCESSING, Kind.EVENTS, "cl.evt"),
    (Step.EXPOSURE, Kind.EXPOSURE_MAP, "expmap.fits"),
    (Step.EXTRACTION, Kind.IMAGE, "image.fits"),
    (Step.EXTRACTION, Kind.LIGHT_CURVE, "lc.fits"),
    (Step.DERIVED, Kind.RATE_IMAGE, "rate.fits"),
)
_IMAGE = {"band": "0.6-10.0", "channels": [100, 1667], "binning": 4}
_ENTRIES = {Kind.IMAGE: _IMAGE, Kind.RATE_IMAGE: _IMAGE, Kind.EXPOSURE_MAP: {"binning": 4}}
_EARLIER = timedelta(hours=12)


def write_many(path: Path, number: int) -> tuple[Observation, ...]:
    """A catalogue of so many public observations of two data classes each; its rows as they are read."""
    one = next(item for item in PROGRAMME if len(item.classes) == 2)
    write_catalogue(path, tuple(replace(one, obsid=ObsID(f"{800_000_000 + n}")) for n in range(number)))
    return TableCatalogue(path).find(Query())


def fill_store(folder: Path, observations: tuple[Observation, ...], chosen: Chosen) -> int:
    """Publish every observation; how many files that are."""
    first = observations[0]
    store = open_store(str(folder))
    attempt = _attempt(first, chosen)
    write_attempt(store, attempt)
    files = {attempt.key: store.read(attempt.key) or b""}
    for manifest in _manifests(first):
        top = f"{manifest.obsid}/{manifest.dataclass}"
        files[f"{top}/{MANIFEST}"] = manifest_bytes(manifest)
        files |= {f"{top}/{item.path}": _CONTENT for item in manifest.products}
    for row in observations:
        mine = {_of(row, key): _of(row, content.decode()).encode() for key, content in files.items()}
        for parent in {(folder / key).parent for key in mine}:
            parent.mkdir(parents=True, exist_ok=True)
        for key, content in mine.items():
            (folder / key).write_bytes(content)
    return len(files) * len(observations)


def fill_ledger(url: str, observations: tuple[Observation, ...], chosen: Chosen) -> None:
    """Note every observation as done."""
    ledger = Ledger.open(url)
    first = observations[0]
    ledger.note([Sighting(first.obsid, first.name, first.fingerprint, _DONE, "new")])
    for manifest in _manifests(first):
        ledger.record_manifest(manifest, _DONE)
    ledger.record_attempt(_attempt(first, chosen))
    with ledger.writing() as connection:
        for table in (schema.observations, schema.datasets, schema.products, schema.attempts):
            rows = [*_copies(connection, table, observations, chosen)]
            connection.execute(insert(table), rows)
    ledger.close()


def _copies(
    connection: Connection, table: Any, observations: tuple[Observation, ...], chosen: Chosen
) -> Iterator[dict[str, Any]]:
    """The first observation's rows as those of all others."""
    templates = [dict(row._mapping) for row in connection.execute(select(table))]
    for row in observations[1:]:
        reasons = basis(row, chosen.recipe, chosen.versions)
        own = {
            "catalogue": row.fingerprint,
            "basis": reasons,
            "selection": fingerprint(reasons),
        }
        for template in templates:
            changed = {name: _of(row, text) for name, text in template.items() if isinstance(text, str)}
            yield template | changed | {name: own[name] for name in own.keys() & template.keys()}


def _of(row: Observation, text: str) -> str:
    """A text of the first observation as that of another."""
    return text.replace("800000000", row.obsid)


def _attempt(row: Observation, chosen: Chosen) -> Attempt:
    ended = datetime.now(UTC) - _EARLIER
    return Attempt(
        id=f"run-{row.obsid}",
        obsid=row.obsid,
        started=ended - timedelta(minutes=5),
        ended=ended,
        host="bench",
        engine=chosen.name,
        versions=chosen.versions,
        basis=basis(row, chosen.recipe, chosen.versions),
        standing=_DONE,
        datasets={manifest.dataclass: _DONE for manifest in _manifests(row)},
    )


def _manifests(row: Observation) -> Iterator[Manifest]:
    """Of each data class, with a handful of products."""
    steps = dict.fromkeys(step for step, *_ in _MADE)
    for dataclass in row.dataclasses:
        yield Manifest(
            obsid=row.obsid,
            dataclass=dataclass,
            recipe="standard",
            steps={
                step: StepRecord(fingerprint=fingerprint(step), engine="native", versions={}, calls=())
                for step in steps
            },
            products=tuple(_product(row.obsid, dataclass, *made) for made in _MADE),
            cautions=(notice("adopted-events", "The events are the archive's own cleaned ones."),),
        )


def _product(obsid: ObsID, dataclass: DataClass, step: Step, kind: Kind, ending: str) -> Product:
    name = f"xa{obsid}xtd_p0{dataclass}_{ending}"
    return Product(
        step=step,
        kind=kind,
        role=Role.FIELD,
        name=name,
        path=f"{step}-{fingerprint(step)[:12]}/{name}",
        size=len(_CONTENT),
        sha256=fingerprint(name),
        fingerprint=fingerprint(step, kind),
        entry=_ENTRIES.get(kind, {}),
    )
