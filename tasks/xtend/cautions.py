"""Known traps: what can be wrong with a product although every step succeeded."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from tasks.xtend.known_cautions import link_of


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
    link : str
        Where public documentation speaks of it; that of its id unless given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    severity: Severity
    sentence: str
    link: str = Field(default_factory=lambda given: link_of(given.get("id", "")))


def notice(identifier: str, sentence: str) -> Caution:
    """A caution worth knowing."""
    return Caution(id=identifier, severity=Severity.NOTICE, sentence=sentence)


def caution(identifier: str, sentence: str) -> Caution:
    """A caution worth acting on."""
    return Caution(id=identifier, severity=Severity.CAUTION, sentence=sentence)


def severe(identifier: str, sentence: str) -> Caution:
    """A caution that forbids a use."""
    return Caution(id=identifier, severity=Severity.SEVERE, sentence=sentence)
