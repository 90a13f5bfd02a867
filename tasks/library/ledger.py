"""The ledger: an index of manifests and attempts, and what sweeps know about observations.

The store is the truth about datasets, products and attempts; `rebuild` makes their tables again from it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, Table, delete, exists, func, select, update

from tasks.core.errors import Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.progress import Unit, tell
from tasks.core.state import Standing, State
from tasks.library import schema
from tasks.library.attempts import ATTEMPT_KEY, Attempt, read_attempt
from tasks.library.database import Database, upsert
from tasks.library.entries import columns, new_observation, now, record_attempt, record_manifest
from tasks.library.keys import MANIFEST
from tasks.library.leases import live
from tasks.library.manifest import Manifest
from tasks.library.publication import read_manifest
from tasks.library.rows import Count, DatasetRow, ObservationRow, ProductRow, Sighting, SweepRow, standing
from tasks.library.store import Store

_MANIFEST_KEY = re.compile(rf"([0-9]{{9}})/([0-9a-f]{{8}})/{re.escape(MANIFEST)}")
REGISTERED_FOR = timedelta(days=30)
"""How long a host counts as one that has an engine after it last said so."""
_UNKNOWN = Standing(state=State.WAITING, reason="no attempt says how it ended")


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found; `damaged` are keys that should hold a manifest or an attempt and do not."""

    datasets: int
    attempts: int
    damaged: tuple[str, ...]


class Ledger(Database):
    """The tables of a database as sweeps, pages and commands use them."""

    def observations(self) -> dict[ObsID, ObservationRow]:
        """Every observation that was ever discovered."""
        rows = (ObservationRow.of(row) for row in self._all(schema.observations))
        return {row.obsid: row for row in rows}

    def failed(self) -> tuple[ObservationRow, ...]:
        """The observations whose last attempt failed."""
        rows = self._all(schema.observations, schema.observations.c.state == State.FAILED)
        return tuple(map(ObservationRow.of, rows))

    def datasets(self, obsid: ObsID | None = None) -> tuple[DatasetRow, ...]:
        """The datasets of an observation, or all."""
        chosen = [schema.datasets.c.obsid == obsid] if obsid else []
        return tuple(map(DatasetRow.of, self._all(schema.datasets, *chosen)))

    def products(self, obsid: ObsID) -> tuple[ProductRow, ...]:
        """The published files of an observation."""
        return tuple(map(ProductRow.of, self._all(schema.products, schema.products.c.obsid == obsid)))

    def attempts(self, obsid: ObsID) -> tuple[Attempt, ...]:
        """The attempts at an observation, oldest first."""
        rows = self._all(schema.attempts, schema.attempts.c.obsid == obsid)
        return tuple(sorted(map(_attempt, rows), key=lambda attempt: attempt.started))

    def abandoned_attempts(self) -> tuple[Attempt, ...]:
        """The attempts without an end whose process does not hold the observation any more."""
        table, lease = schema.attempts, schema.leases.c
        own = exists().where(lease.name == table.c.obsid, lease.holder == table.c.host)
        with self.reading() as connection:
            # One statement, as an attempt that ends now gives its lease back right afterwards.
            gone = select(table).where(table.c.ended.is_(None), ~own.where(live(connection)))
            return tuple(map(_attempt, connection.execute(gone)))

    def attempts_of(self, flow_runs: Sequence[str]) -> dict[str, Attempt]:
        """The latest attempt that each of some flow runs made."""
        rows = self._all(schema.attempts, schema.attempts.c.flow_run_id.in_(flow_runs)) if flow_runs else []
        found = sorted(map(_attempt, rows), key=lambda attempt: attempt.started)
        return {attempt.flow_run_id: attempt for attempt in found if attempt.flow_run_id}

    def sweeps(self) -> tuple[SweepRow, ...]:
        """The sweeps, oldest first."""
        rows = (SweepRow(**row._mapping) for row in self._all(schema.sweeps))
        return tuple(sorted(rows, key=lambda sweep: sweep.started))

    def counts(self, of: Literal["observations", "datasets"]) -> tuple[Count, ...]:
        """How many observations or datasets there are of each standing, most first."""
        table = schema.METADATA.tables[of]
        how = (table.c.state, table.c.kind, table.c.reason, table.c.step)
        number = func.count().label("number")
        with self.reading() as connection:
            rows = connection.execute(select(*how, number).group_by(*how).order_by(number.desc(), *how))
            return tuple(Count(standing(row), row.number) for row in rows)

    def note(self, sightings: Iterable[Sighting]) -> None:
        """Keep what discovery and selection found, in one go; attempts stay as they are."""
        if not (sightings := tuple(sightings)):
            return
        moment, table = now(), schema.observations
        with self.writing() as connection:
            known = connection.execute(select(table.c.obsid, table.c.state, table.c.since))
            since = {(row.obsid, row.state): row.since for row in known}
            rows = [
                {
                    **new_observation(sighting.obsid, moment),
                    "name": sighting.name,
                    "catalogue": sighting.catalogue,
                    **columns(sighting.standing),
                    "why": sighting.why,
                    "since": since.get((sighting.obsid, sighting.standing.state), moment),
                }
                for sighting in sightings
            ]
            upsert(connection, table, rows, "selection", "basis", "attempts", "listing", "looked")

    def note_listings(self, listings: Mapping[ObsID, str], looked: datetime) -> None:
        """Keep what the archive's listings were when they were looked at."""
        table = schema.observations
        with self.writing() as connection:
            for obsid, listing in listings.items():
                values = {"listing": listing, "looked": looked}
                connection.execute(update(table).where(table.c.obsid == str(obsid)).values(**values))

    def record_attempt(self, attempt: Attempt) -> None:
        """Keep an attempt, when it starts and again when it ends.

        The latest attempt at an observation also says where it and its datasets stand.
        """
        with self.writing() as connection:
            record_attempt(connection, attempt)

    def record_manifest(self, manifest: Manifest, standing: Standing) -> None:
        """Index a published manifest and its products in place of the dataset's former ones."""
        with self.writing() as connection:
            record_manifest(connection, manifest, standing)

    def record_sweep(self, sweep: SweepRow) -> None:
        """Keep a sweep, when it starts and again when it ends."""
        with self.writing() as connection:
            upsert(connection, schema.sweeps, [vars(sweep)])

    def register_versions(self, host: str, engine: str, versions: Mapping[str, str]) -> None:
        """Say which versions of an engine a host has."""
        row = {"host": host, "engine": engine, "versions": dict(versions), "seen": now()}
        with self.writing() as connection:
            upsert(connection, schema.versions, [row])

    def registered_versions(self, engine: str) -> tuple[dict[str, str], ...]:
        """The versions of an engine that hosts have, unless they have not been heard of for long."""
        table = schema.versions
        rows = self._all(table, table.c.engine == engine, table.c.seen > now() - REGISTERED_FOR)
        return tuple(dict(row.versions) for row in rows)

    def rebuild(self, store: Store) -> Rebuilt:
        """Make datasets, products and attempts again from the store; what else is known stays."""
        manifests, attempts, damaged = _scan(store)
        with self.writing() as connection:
            for table in (schema.products, schema.datasets, schema.attempts):
                connection.execute(delete(table))
            for manifest in manifests:
                record_manifest(connection, manifest, _UNKNOWN)
            # As they were recorded: one that came back late did not speak for a newer one then either.
            for attempt in sorted(attempts, key=lambda attempt: attempt.ended or attempt.started):
                record_attempt(connection, attempt)
        return Rebuilt(len(manifests), len(attempts), damaged)

    def _all(self, table: Table, *conditions: Any) -> list[Row[Any]]:
        keys = list(table.primary_key)
        with self.reading() as connection:
            return list(connection.execute(select(table).where(*conditions).order_by(*keys)))


def _scan(store: Store) -> tuple[list[Manifest], list[Attempt], tuple[str, ...]]:
    manifests, attempts, damaged = [], [], []
    keys = tuple(store.sizes())
    for number, key in enumerate(keys, 1):
        tell("files of the store", Unit.FILES, number, len(keys))
        if found := _MANIFEST_KEY.fullmatch(key):
            manifest = read_manifest(store, ObsID(found[1]), DataClass(found[2]))
            if manifest:
                manifests.append(manifest)
            else:
                damaged.append(key)
        elif ATTEMPT_KEY.fullmatch(key):
            try:
                attempts.append(read_attempt(store, key))
            except Permanent:
                damaged.append(key)
    return manifests, attempts, tuple(sorted(damaged))


def _attempt(row: Row[Any]) -> Attempt:
    values = {name: value for name, value in row._mapping.items() if name in Attempt.model_fields}
    return Attempt(**values, standing=standing(row))
