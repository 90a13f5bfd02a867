"""Which observations a sweep runs, and why: one pass over catalogue and ledger before anything starts."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.archive.catalogue.interface import Observation
from tasks.archive.catalogue.public import why_not_public
from tasks.core.errors import GaveUp, NotPublic, Permanent
from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.dataset import recipe_hash
from tasks.library.fingerprint import fingerprint
from tasks.library.orders import STEP_VERSIONS
from tasks.library.orders.regions import given_folder
from tasks.library.recipe import Recipe
from tasks.library.rows import ObservationRow, Sighting

UNCHANGED = "nothing has changed"
_WAITING = Standing(state=State.WAITING)


class Cause(StrEnum):
    """What kind of reason there is to run an observation, in the order in which a limit fills up."""

    NEW = "new"
    STALE = "stale"
    ASKED = "asked for"
    FAILED = "failed"


class Rules(BaseModel):
    """Which of the observations found a sweep runs: everything that is due unless this says less."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    only: Annotated[
        Literal["failed", "new", "stale"] | None,
        Field(description="Only what failed or was interrupted, what is new, or what has become stale."),
    ] = None
    limit: Annotated[int | None, Field(ge=1, description="At most this many observations.")] = None
    max_attempts: Annotated[
        int,
        Field(
            ge=1, description="Failed attempts at the same thing after which an observation is left alone."
        ),
    ] = 5
    verify: Annotated[
        bool,
        Field(
            description="Compare everything with archive and store now: the archive's files with what they "
            "were, and a store on S3 with the ledger (a directory always is)."
        ),
    ] = False


@dataclass(frozen=True)
class Choice:
    """An observation, where it stands, and why it is run or left out; `cause` is None where it is left."""

    observation: Observation
    standing: Standing
    why: str
    cause: Cause | None = None

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
    return {"catalogue row": observation.fingerprint, **_common_basis(recipe, versions)}


def _common_basis(recipe: Recipe, versions: Mapping[str, str]) -> dict[str, str]:
    """What is the same for all observations."""
    given = given_folder(recipe)
    return {
        "recipe": recipe_hash(recipe),
        "steps": fingerprint(STEP_VERSIONS),
        **({"given regions": given} if given else {}),
        **{f"version of {name}": version for name, version in versions.items()},
    }


def select(
    observations: Iterable[Observation],
    known: Mapping[ObsID, ObservationRow],
    recipe: Recipe,
    versions: Mapping[str, str],
    damaged: Collection[ObsID],
    asked: Collection[ObsID],
    now: datetime,
    max_attempts: int,
) -> Selection:
    """Divide what discovery found.

    Parameters
    ----------
    observations : iterable of Observation
        From the catalogue.
    known : mapping
        The ledger's rows.
    recipe, versions
        The recipe with its engines settled, and their versions.
    damaged : collection of ObsID
        Observations whose published files are missing or have another size.
    asked : collection of ObsID
        Observations that are named by whoever starts the sweep: they are run unless they are done.
    now : datetime
        With time zone.
    max_attempts : int
        Failed attempts at the same thing after which an observation is left alone.
    """
    common, chosen, left = _common_basis(recipe, versions), [], []
    for observation in observations:
        row = known.get(observation.obsid)
        if hidden := why_not_public(observation, now):
            left.append(Choice(observation, Standing.of(NotPublic(hidden)), hidden))
            continue
        basis = {"catalogue row": observation.fingerprint, **common}
        cause, why = _reason(row, basis, observation.obsid in damaged, max_attempts)
        if cause is None and row and observation.obsid in asked and row.standing.state != State.DONE:
            cause, why = Cause.ASKED, str(Cause.ASKED)
        if cause is None and row:
            left.append(Choice(observation, _left(row, max_attempts), why))
        else:
            chosen.append(Choice(observation, _WAITING, why, cause))
    return Selection(tuple(chosen), tuple(left))


def due(
    selection: Selection,
    known: Mapping[ObsID, ObservationRow],
    asked: Collection[ObsID],
    now: datetime,
    after: timedelta,
) -> tuple[ObsID, ...]:
    """The observations left out, and public, that are asked for or whose listing is older than `after`."""
    return tuple(
        row.obsid
        for choice in selection.left
        if (row := known.get(choice.observation.obsid)) is not None
        and choice.standing.kind != NotPublic.kind
        and (row.looked is None or row.obsid in asked or now - row.looked >= after)
    )


def with_listings(
    selection: Selection, known: Mapping[ObsID, ObservationRow], listings: Mapping[ObsID, str]
) -> Selection:
    """The selection with the observations whose files have changed in the archive run as well."""
    changed = {obsid for obsid, listing in listings.items() if has_changed(known[obsid], listing)}
    more = [
        Choice(choice.observation, _WAITING, "files have changed in the archive", Cause.STALE)
        for choice in selection.left
        if choice.observation.obsid in changed
    ]
    left = (choice for choice in selection.left if choice.observation.obsid not in changed)
    return Selection((*selection.chosen, *more), tuple(left))


def has_changed(row: ObservationRow, listing: str) -> bool:
    """Whether the archive has other files; where nobody knows what it had, a try tells."""
    if row.listing is None:
        return row.standing.state == State.SKIPPED or row.standing.kind == Permanent.kind
    return listing != row.listing


def narrowed(selection: Selection, rules: Rules, known: Mapping[ObsID, ObservationRow]) -> Selection:
    """The selection without what the rules leave for another sweep."""
    wanted = [choice for choice in selection.chosen if rules.only in (None, choice.cause)]
    others = [
        replace(choice, why=f"{choice.why}, and only {rules.only} is asked for")
        for choice in selection.chosen
        if rules.only not in (None, choice.cause)
    ]
    if rules.limit is not None:
        # What failed before must not fill a limit every night.
        ranked = sorted(wanted, key=lambda choice: list(Cause).index(choice.cause or Cause.FAILED))
        wanted = ranked[: rules.limit]
        others += [
            replace(choice, why=f"{choice.why}, beyond the limit of {rules.limit}")
            for choice in ranked[rules.limit :]
        ]
    left = (replace(choice, standing=_as_known(choice, known), cause=None) for choice in others)
    return Selection(tuple(wanted), (*selection.left, *left))


def _as_known(choice: Choice, known: Mapping[ObsID, ObservationRow]) -> Standing:
    row = known.get(choice.observation.obsid)
    return row.standing if row else choice.standing


def _reason(
    row: ObservationRow | None, wanted: Mapping[str, str], damaged: bool, max_attempts: int
) -> tuple[Cause | None, str]:
    """The cause to run an observation, None when there is none, and why."""
    if row is None or row.selection is None:
        return Cause.NEW, "new"
    if row.standing.kind == NotPublic.kind:
        return Cause.NEW, "released"
    changed = [name for name in (*wanted, *row.basis) if wanted.get(name) != row.basis.get(name)]
    if changed:
        return Cause.STALE, f"changed: {', '.join(dict.fromkeys(changed))}"
    if row.standing.state not in (State.DONE, State.SKIPPED):
        return _another_go(row, max_attempts)
    if damaged:
        return Cause.STALE, "published files are missing"
    return None, UNCHANGED


def _another_go(row: ObservationRow, max_attempts: int) -> tuple[Cause | None, str]:
    """Whether to try again what has not come to an end, or not to a good one."""
    if row.standing.kind == Permanent.kind:
        return None, "failed for good: the data are at fault"
    if row.attempts >= max_attempts:
        return None, f"given up after {row.attempts} attempts"
    if row.standing.state == State.FAILED:
        return Cause.FAILED, f"failed before ({row.standing.kind}), {row.attempts} of {max_attempts} attempts"
    return Cause.FAILED, "interrupted before"


def _left(row: ObservationRow, max_attempts: int) -> Standing:
    """Where an observation stands that is left alone: one that was tried often enough has been given up."""
    standing = row.standing
    if standing.state in (State.DONE, State.SKIPPED) or standing.kind in (Permanent.kind, GaveUp.kind):
        return standing
    why = standing.reason or "its process was killed"
    given_up = Standing.of(GaveUp(f"given up after {row.attempts} attempts, the last of which: {why}"))
    return given_up.model_copy(update={"step": standing.step})
