"""Which observations a sweep runs, and why: one pass over catalogue and ledger before anything starts."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.archive.catalogue.interface import Observation
from tasks.archive.catalogue.public import why_not_public
from tasks.core.errors import NotPublic
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.dataset import recipe_hash
from tasks.library.fingerprint import fingerprint
from tasks.library.orders import STEP_VERSIONS
from tasks.library.recipe import Recipe
from tasks.library.rows import ObservationRow, Sighting

LOOK_AGAIN = timedelta(days=7)
"""After this time the archive is asked again about an observation that had no usable files."""


@dataclass(frozen=True)
class Choice:
    """An observation, where it stands, and why it is run or left out."""

    observation: Observation
    standing: Standing
    why: str

    @property
    def sighting(self) -> Sighting:
        """What the ledger keeps of it."""
        row = self.observation
        return Sighting(row.obsid, row.name, row.fingerprint, self.standing, self.why)


@dataclass(frozen=True)
class Selection:
    """What a sweep runs, and what it leaves out."""

    chosen: tuple[Choice, ...]
    left: tuple[Choice, ...]


def basis(observation: Observation, recipe: Recipe, versions: Mapping[str, str]) -> dict[str, str]:
    """Everything outside the files that decides an observation's products, as named hashes."""
    return {
        "catalogue row": observation.fingerprint,
        "recipe": recipe_hash(recipe),
        "steps": fingerprint(STEP_VERSIONS),
        **{f"version of {name}": version for name, version in versions.items()},
    }


def select(
    observations: Iterable[Observation],
    known: Mapping[ObsID, ObservationRow],
    recipe: Recipe,
    versions: Mapping[str, str],
    damaged: Collection[ObsID],
    now: datetime,
) -> Selection:
    """Divide what discovery found.

    Parameters
    ----------
    observations : iterable of Observation
        From the catalogue.
    known : mapping
        The ledger's rows.
    recipe, versions
        The recipe with its engine resolved, and that engine's versions.
    damaged : collection of ObsID
        Observations whose published files are missing or have another size.
    now : datetime
        With time zone.
    """
    chosen, left = [], []
    for observation in observations:
        row = known.get(observation.obsid)
        if hidden := why_not_public(observation, now):
            left.append(Choice(observation, Standing.of(NotPublic(hidden)), hidden))
        elif why := _why(row, basis(observation, recipe, versions), observation.obsid in damaged, now):
            chosen.append(Choice(observation, Standing(state=State.WAITING), why))
        elif row:
            left.append(Choice(observation, row.standing, "nothing has changed"))
    return Selection(tuple(chosen), tuple(left))


def _why(row: ObservationRow | None, wanted: Mapping[str, str], damaged: bool, now: datetime) -> str | None:
    """Why an observation is run; None when there is nothing to do."""
    if row is None or row.selection is None:
        return "new"
    if row.standing.state in (State.RUNNING, State.WAITING):
        return "interrupted before"
    if row.standing.state == State.FAILED:
        return f"failed before ({row.standing.kind})"
    if row.standing.kind == NotPublic.kind:
        return "released"
    changed = [name for name in (*wanted, *row.basis) if wanted.get(name) != row.basis.get(name)]
    if changed:
        return f"changed: {', '.join(dict.fromkeys(changed))}"
    if damaged:
        return "published files are missing"
    if row.standing.state == State.SKIPPED and now - row.updated > LOOK_AGAIN:
        return f"nothing to use a week ago ({row.standing.kind})"
    return None
