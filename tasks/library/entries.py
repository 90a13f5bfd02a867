"""How manifests and attempts become rows of the ledger's tables."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, exists, func, insert, select, update

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library import schema
from tasks.library.attempts import Attempt
from tasks.library.database import upsert
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Manifest

_UNHAPPY = (State.RUNNING, State.FAILED)


def record_manifest(connection: Connection, manifest: Manifest, standing: Standing) -> None:
    """Index a manifest and its products in place of the dataset's former ones."""
    dataset = {"obsid": str(manifest.obsid), "dataclass": str(manifest.dataclass)}
    _ensure(connection, manifest.obsid, now())
    row = {
        **dataset,
        **columns(standing),
        "manifest": fingerprint(manifest.model_dump(mode="json", by_alias=True)),
        "recipe": manifest.recipe,
        "engine": "+".join(sorted({record.engine for record in manifest.steps.values()})) or None,
        "cautions": _cautions(manifest),
        "updated": now(),
        "size": sum(item.size for item in manifest.products),
    }
    upsert(connection, schema.datasets, [row])
    former = schema.products.c
    connection.execute(
        delete(schema.products).where(
            former.obsid == dataset["obsid"], former.dataclass == dataset["dataclass"]
        )
    )
    if manifest.products:
        fields = {"path", "step", "kind", "role", "size", "sha256", "fingerprint"}
        rows = [{**dataset, **item.model_dump(mode="json", include=fields)} for item in manifest.products]
        connection.execute(insert(schema.products), rows)
    _record_steps(connection, manifest, dataset)


def _record_steps(connection: Connection, manifest: Manifest, dataset: dict[str, str]) -> None:
    """Index how long the steps took whose calls the manifest keeps."""
    former = schema.steps.c
    connection.execute(
        delete(schema.steps).where(former.obsid == dataset["obsid"], former.dataclass == dataset["dataclass"])
    )
    rows = [
        {
            **dataset,
            "step": str(step),
            "engine": record.engine,
            "seconds": sum(call.get("seconds", 0.0) for call in record.calls),
        }
        for step, record in manifest.steps.items()
        if record.calls
    ]
    if rows:
        connection.execute(insert(schema.steps), rows)


def _cautions(manifest: Manifest) -> list[dict[str, Any]]:
    """Every caution once, wherever it stands."""
    steps = (record.cautions for record in manifest.steps.values())
    groups = (manifest.cautions, *steps, *(item.cautions for item in manifest.products))
    distinct = dict.fromkeys(item for group in groups for item in group)
    return [item.model_dump(mode="json") for item in distinct]


def record_attempt(connection: Connection, attempt: Attempt) -> None:
    """Index an attempt; the latest one at an observation says where it and its datasets stand."""
    table = schema.attempts
    moment = attempt.ended or attempt.started
    _ensure(connection, attempt.obsid, moment)
    row = {
        **attempt.model_dump(exclude={"standing", "datasets"}),
        **columns(attempt.standing),
        "obsid": str(attempt.obsid),
        "selection": attempt.selection,
        "datasets": {str(key): value.model_dump(mode="json") for key, value in attempt.datasets.items()},
    }
    upsert(connection, table, [row])
    same = table.c.obsid == str(attempt.obsid)
    if connection.scalar(select(exists().where(same, table.c.started > attempt.started))):
        return  # one who lost the observation comes back late: a newer attempt speaks for it
    unhappy = select(func.count()).where(
        same, table.c.selection == attempt.selection, table.c.state.in_(_UNHAPPY), _none_happy_since()
    )
    listed = {"listing": attempt.listing, "looked": attempt.started} if attempt.listing else {}
    observation, stands = schema.observations.c, columns(attempt.standing)
    connection.execute(
        update(schema.observations)
        .where(observation.obsid == str(attempt.obsid))
        .values(
            **stands,
            **listed,
            since=case((observation.state == stands["state"], observation.since), else_=moment),
            selection=attempt.selection,
            basis=attempt.basis,
            attempts=unhappy.scalar_subquery(),
            updated=moment,
        )
    )
    datasets = [
        {
            **_new_dataset(attempt.obsid, dataclass),
            **columns(standing),
            "updated": moment,
        }
        for dataclass, standing in attempt.datasets.items()
    ]
    upsert(connection, schema.datasets, datasets, "manifest", "recipe", "engine", "cautions", "size")


def _none_happy_since() -> ColumnElement[bool]:
    """Whether no attempt at the observation has ended well since: what went wrong before that is over."""
    later = schema.attempts.alias()
    own = schema.attempts.c
    happy = exists().where(
        later.c.obsid == own.obsid, later.c.started > own.started, later.c.state.not_in(_UNHAPPY)
    )
    return ~happy


def _ensure(connection: Connection, obsid: ObsID, moment: datetime) -> None:
    """Have a row for an observation that no discovery has noted, for others to refer to."""
    row = new_observation(obsid, moment)
    upsert(connection, schema.observations, [row], *row.keys())


def new_observation(obsid: ObsID, moment: datetime) -> dict[str, Any]:
    """The row of an observation that nothing is known about."""
    return {
        "obsid": str(obsid),
        "name": "",
        "catalogue": None,
        "selection": None,
        "basis": {},
        **columns(Standing(state=State.WAITING)),
        "attempts": 0,
        "why": "",
        "listing": None,
        "looked": None,
        "updated": moment,
        "since": moment,
    }


def _new_dataset(obsid: ObsID, dataclass: DataClass) -> dict[str, Any]:
    row: dict[str, Any] = {"obsid": str(obsid), "dataclass": str(dataclass), "cautions": []}
    return row | dict.fromkeys(("manifest", "recipe", "engine", "size"))


def columns(standing: Standing) -> dict[str, str | None]:
    """A standing as the tables keep it."""
    return {"state": str(standing.state), **standing.model_dump(include={"kind", "reason", "step"})}


def now() -> datetime:
    """The present, with its zone."""
    return datetime.now(UTC)
