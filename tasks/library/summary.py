"""What a sweep found and did, for its page, its table and its exit status."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.xtend.cautions import Caution


class Result(BaseModel):
    """What became of one dataset, or of an observation that has none (`dataclass` is then None).

    Parameters
    ----------
    obsid, dataclass : ObsID, DataClass or None
        Which one.
    target : str
        The observation's name in the catalogue.
    standing : Standing
        Its state, kind and reason.
    why : str
        Why the sweep selected it, or left it out.
    seconds : float
        How long the observation ran in this sweep (0 when it did not).
    cautions : tuple of Caution
        Those of the dataset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    obsid: ObsID
    dataclass: DataClass | None = None
    target: str
    standing: Standing
    why: str
    seconds: float = 0.0
    cautions: tuple[Caution, ...] = ()


class Summary(BaseModel):
    """One sweep.

    Parameters
    ----------
    sweep : str
        Identifier of the sweep, safe in a file name (`2026-11-21T05-30-12-1a2b3c`).
    recipe, archive, catalogue, store : str
        What was made, from where, and where to.
    started, ended : datetime
        With time zone.
    found : int
        Rows of the catalogue that were looked at.
    results : tuple of Result
        A row per dataset, in the order of ObsID and data class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep: str
    recipe: str
    archive: str
    catalogue: str
    store: str
    started: datetime
    ended: datetime
    found: int
    results: tuple[Result, ...]

    def of(self, state: State) -> tuple[Result, ...]:
        """The results of one state."""
        return tuple(result for result in self.results if result.standing.state == state)
