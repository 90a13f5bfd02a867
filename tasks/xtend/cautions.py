"""Known traps: what can be wrong with a product although every step succeeded."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Severity(StrEnum):
    """How much a caution matters."""

    NOTICE = "notice"
    CAUTION = "caution"
    SEVERE = "severe"


class Caution(BaseModel):
    """A known trap that applies to a dataset or a product.

    Parameters
    ----------
    id : str
        Its name, stable across versions (`unknown-class`).
    severity : Severity
        How much it matters.
    sentence : str
        What it means here and what to do, for people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    severity: Severity
    sentence: str


def notice(identifier: str, sentence: str) -> Caution:
    """A caution worth knowing."""
    return Caution(id=identifier, severity=Severity.NOTICE, sentence=sentence)


def caution(identifier: str, sentence: str) -> Caution:
    """A caution worth acting on."""
    return Caution(id=identifier, severity=Severity.CAUTION, sentence=sentence)


def severe(identifier: str, sentence: str) -> Caution:
    """A caution that forbids a use."""
    return Caution(id=identifier, severity=Severity.SEVERE, sentence=sentence)
