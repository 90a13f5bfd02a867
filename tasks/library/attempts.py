"""Attempts: one record for each run of an observation, kept in the store beside what it made."""

import re
from datetime import UTC
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.core.errors import Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.library.fingerprint import fingerprint
from tasks.library.keys import ATTEMPTS
from tasks.library.store import Store

ATTEMPT_KEY = re.compile(rf"[0-9]{{9}}/{ATTEMPTS}/[^/]+\.json")


class Attempt(BaseModel):
    """One run of an observation.

    Write it when the run starts and again when it ends: a run that kills its process has then left a trace.

    Parameters
    ----------
    id : str
        Its own name, such as the run's uuid.
    obsid : ObsID
        Which observation.
    sweep : str or None
        The sweep that started it.
    started, ended : datetime
        With time zone; no end yet while it runs.
    host : str
        Where.
    engine : str
        How.
    versions : dict
        Of the engine.
    basis : dict
        Everything that decides the products as named hashes (`catalogue`, `recipe`, `versions`, …): a later
        sweep compares them and can say what has changed.
    standing : Standing
        Of the observation.
    datasets : dict
        Standing of each dataset.
    tries : int
        How often its tasks were started, Prefect's retries included.
    flow_run_id : str or None
        Prefect's flow run.
    listing : str or None
        Hash over the files that the archive listed for it, as far as it came to that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    obsid: ObsID
    sweep: str | None = None
    started: AwareDatetime
    ended: AwareDatetime | None = None
    host: str
    engine: str
    versions: dict[str, str] = {}
    basis: dict[str, str] = {}
    standing: Standing
    datasets: dict[DataClass, Standing] = {}
    tries: Annotated[int, Field(ge=0)] = 1
    flow_run_id: str | None = None
    listing: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ended is not None and self.ended < self.started:
            raise ValueError("an attempt cannot end before it starts")
        return self

    @property
    def key(self) -> str:
        """Where its record lies in the store."""
        return f"{self.obsid}/{ATTEMPTS}/{self.started.astimezone(UTC):%Y-%m-%dT%H-%M-%S}-{self.id}.json"

    @property
    def selection(self) -> str:
        """One hash over its basis: tries at the same thing share it."""
        return fingerprint(self.basis)


def write_attempt(store: Store, attempt: Attempt) -> None:
    """Keep the record in the store, in place of an earlier one of the same attempt."""
    store.replace(attempt.key, attempt.model_dump_json(indent=1).encode() + b"\n")


def read_attempt(store: Store, key: str) -> Attempt:
    """The record under a key.

    Raises
    ------
    Permanent
        When it is not one, or not this one.
    """
    try:
        attempt = Attempt.model_validate_json(store.read(key) or b"")
    except ValidationError as exc:
        raise Permanent(f"{store.url(key)} is no record of an attempt") from exc
    if attempt.key != key:
        raise Permanent(f"{store.url(key)} holds the record of another attempt")
    return attempt
