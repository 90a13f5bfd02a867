"""What a sweep will do: engines are settled, and what is due is selected, before anything is run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from tasks.archive.catalogue.interface import Observation, Query
from tasks.archive.listings import look
from tasks.archive.selection import (
    UNCHANGED,
    Rules,
    Selection,
    due,
    has_changed,
    narrowed,
    select,
    with_listings,
)
from tasks.core.identifiers import ObsID
from tasks.engines.choice import Chosen, choose
from tasks.engines.fitters import REGISTERED
from tasks.library.inventory import damaged
from tasks.library.recipe import Recipe
from tasks.library.rows import Sighting
from tasks.library.site import Site


@dataclass(frozen=True)
class Plan:
    """A sweep before it runs.

    Parameters
    ----------
    chosen : Chosen
        The engines, settled for the whole sweep.
    selection : Selection
        What is run and what is left out, and why.
    listings : dict
        Hash of each listing of the archive that was looked at and has not changed.
    looked : datetime
        When that was.
    """

    chosen: Chosen
    selection: Selection
    listings: dict[ObsID, str]
    looked: datetime

    @cached_property
    def sightings(self) -> tuple[Sighting, ...]:
        """What the ledger keeps of everything that was found."""
        return tuple(item.sighting for item in (*self.selection.chosen, *self.selection.left))


def settle(site: Site, recipe: Recipe) -> Chosen:
    """Settle the engine of each step by what any host has; everything a sweep starts is frozen to it."""
    known = site.ledger.registered_versions
    return choose(recipe, known("heasoft"), known(REGISTERED))


def plan(site: Site, chosen: Chosen, query: Query, found: Iterable[Observation], rules: Rules) -> Plan:
    """Choose what has to be run; nothing is written.

    Parameters
    ----------
    site : Site
        Whose ledger and store count.
    chosen : Chosen
        As settled.
    query, found
        What was looked for, and what the catalogue found.
    rules : Rules
        What to leave for another sweep.

    Raises
    ------
    EnvironmentFault
        When ledger, store or archive cannot be used.
    """
    now, known = datetime.now(UTC), site.ledger.observations()
    # A bucket's listing costs money and minutes where a folder's scan costs seconds.
    lost = damaged(site.store, site.ledger) if rules.verify or site.store_is_folder else frozenset()
    selection = select(
        found, known, chosen.recipe, chosen.versions, lost, query.obsids, now, rules.max_attempts
    )
    after = timedelta() if rules.verify else timedelta(days=chosen.recipe.archive.look_again_days)
    old = due(selection, known, query.obsids, now, after)
    wanted = {"pipeline": chosen.reprocesses, "rmf": chosen.takes_rmf}
    listings = look(site.settings.archive_url, old, **wanted) if old else {}
    selection = narrowed(with_listings(selection, known, listings), rules, known)
    # A listing that has changed is noted by the attempt that takes it into account.
    same = {obsid: found for obsid, found in listings.items() if not has_changed(known[obsid], found)}
    return Plan(chosen, selection, same, now)


def remember(site: Site, made: Plan) -> None:
    """Note in the ledger what was found and why it is run or left out."""
    site.ledger.note(item for item in made.sightings if item.why != UNCHANGED)
    site.ledger.note_listings(made.listings, made.looked)
