"""What the ledger's tables hold, as the rest of the project sees it."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

from sqlalchemy import Row

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.manifest import Kind, Role, Step
from tasks.xtend.cautions import Caution


def standing(row: Row[Any]) -> Standing:
    """The standing in a row's four columns."""
    return _standing(row.state, row.kind, row.reason, row.step)


@lru_cache(1024)
def _standing(state: str, kind: str | None, reason: str | None, step: str | None) -> Standing:
    """A standing; most of the ten thousand that every sweep reads are alike."""
    return Standing(state=State(state), kind=kind, reason=reason, step=step)


@lru_cache(1024)
def _caution(**fields: str) -> Caution:
    """A caution; thousands of datasets share a few."""
    return Caution.model_validate(fields)


@dataclass(frozen=True)
class Sighting:
    """An observation as a sweep's discovery sees it.

    Parameters
    ----------
    obsid, name : ObsID, str
        Which one, and its name in the catalogue.
    catalogue : str
        Fingerprint of its row in the catalogue.
    standing : Standing
        Where it stands now.
    why : str
        Why the sweep selects it or leaves it out.
    """

    obsid: ObsID
    name: str
    catalogue: str
    standing: Standing
    why: str


@dataclass(frozen=True)
class ObservationRow:
    """An observation in the ledger.

    Parameters
    ----------
    obsid, name : ObsID, str
        Which one; the name is empty when no discovery has seen it yet.
    catalogue : str or None
        Fingerprint of its row in the catalogue when it was last seen.
    selection : str or None
        Hash over the basis of the last attempt; None when there was none.
    basis : dict
        What decided the last attempt's products, as named hashes.
    standing : Standing
        Where it stands.
    attempts : int
        Attempts at this selection that have not ended well.
    why : str
        Why the last sweep selected it or left it out.
    listing : str or None
        Hash over the files that the archive had for it when it was last downloaded or looked at.
    looked : datetime or None
        When that was.
    updated : datetime
        When this row was written.
    since : datetime or None
        When it came to stand there.
    """

    obsid: ObsID
    name: str
    catalogue: str | None
    selection: str | None
    basis: dict[str, str]
    standing: Standing
    attempts: int
    why: str
    listing: str | None
    looked: datetime | None
    updated: datetime
    since: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From the table's row."""
        return cls(
            obsid=ObsID(row.obsid),
            name=row.name,
            catalogue=row.catalogue,
            selection=row.selection,
            basis=row.basis,
            standing=standing(row),
            attempts=row.attempts,
            why=row.why,
            listing=row.listing,
            looked=row.looked,
            updated=row.updated,
            since=row.since,
        )


@dataclass(frozen=True)
class DatasetRow:
    """A dataset in the ledger.

    Parameters
    ----------
    obsid, dataclass : ObsID, DataClass
        Which one.
    standing : Standing
        Where it stands.
    manifest, recipe, engine : str or None
        Fingerprint of its manifest, the recipe's name and the engines; None while nothing is published.
    cautions : tuple of Caution
        Those on it and on its products, each once.
    updated : datetime
        When this row was written.
    """

    obsid: ObsID
    dataclass: DataClass
    standing: Standing
    manifest: str | None
    recipe: str | None
    engine: str | None
    cautions: tuple[Caution, ...]
    updated: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From the table's row."""
        return cls(
            obsid=ObsID(row.obsid),
            dataclass=DataClass(row.dataclass),
            standing=standing(row),
            manifest=row.manifest,
            recipe=row.recipe,
            engine=row.engine,
            cautions=tuple(_caution(**item) for item in row.cautions),
            updated=row.updated,
        )


@dataclass(frozen=True)
class ProductRow:
    """A published file in the ledger; `path` is relative to the dataset's folder in the store."""

    obsid: ObsID
    dataclass: DataClass
    step: Step
    kind: Kind
    role: Role
    path: str
    size: int
    sha256: str
    fingerprint: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From the table's row."""
        return cls(
            obsid=ObsID(row.obsid),
            dataclass=DataClass(row.dataclass),
            step=Step(row.step),
            kind=Kind(row.kind),
            role=Role(row.role),
            path=row.path,
            size=row.size,
            sha256=row.sha256,
            fingerprint=row.fingerprint,
        )


@dataclass(frozen=True)
class Count:
    """How many stand like this, for this reason."""

    standing: Standing
    number: int


@dataclass(frozen=True)
class SweepRow:
    """A sweep in the ledger.

    Parameters
    ----------
    id : str
        Its name, as in its summary.
    started, ended : datetime
        The end is None while it runs, or when it was killed.
    recipe : str
        The recipe's name.
    counts : dict
        How many datasets it left in each state.
    holder, flow_run_id : str or None
        The process that ran it (`host:pid`), and Prefect's flow run.
    """

    id: str
    started: datetime
    ended: datetime | None
    recipe: str
    counts: dict[str, int]
    holder: str | None = None
    flow_run_id: str | None = None
