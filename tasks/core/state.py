"""States of a dataset or an observation, as stored in the ledger and shown to people."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

from tasks.core.errors import Failed, Outcome, Skipped


class State(StrEnum):
    """Where a dataset or an observation stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Standing(BaseModel):
    """A state with its kind and its reason: `failed(transient)`, "the server answered 503".

    Parameters
    ----------
    state : State
        Where it stands.
    kind : str, optional
        The word in parentheses, for skipped and failed ones.
    reason : str, optional
        One sentence for people.
    step : str, optional
        The step that failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    kind: str | None = None
    reason: str | None = None
    step: str | None = None

    @classmethod
    def of(cls, error: Outcome) -> Self:
        """The standing that an error stands for.

        Raises
        ------
        TypeError
            When it is neither `Skipped` nor `Failed`.
        """
        if not isinstance(error, Skipped | Failed):
            raise TypeError(f"{type(error).__name__} is no state of a dataset")
        state = State.SKIPPED if isinstance(error, Skipped) else State.FAILED
        return cls(state=state, kind=error.kind, reason=str(error), step=error.step)

    def __str__(self) -> str:
        return f"{self.state}({self.kind})" if self.kind else str(self.state)
