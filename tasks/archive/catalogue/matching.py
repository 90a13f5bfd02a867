"""Which observations a query wants: the one meaning of a query, for every catalogue."""

from collections.abc import Callable, Sequence

import numpy as np
from astropy.coordinates import angular_separation

from tasks.archive.catalogue.interface import Observation, Position, Query


def located(query: Query, resolve: Callable[[str], Position]) -> Query:
    """The same query with a position in place of a mere name; the name stays as its label.

    Parameters
    ----------
    query : Query
        What was asked.
    resolve : callable
        Gives RA and Dec in degrees for a name, or raises.
    """
    if query.target is None or query.position is not None:
        return query
    ra, dec = resolve(query.target)
    return query.model_copy(update={"ra": ra, "dec": dec})


def matching(query: Query, observations: Sequence[Observation]) -> list[Observation]:
    """The observations that a query with a position (see `located`), ObsIDs or days wants."""
    since, until = query.start_bounds
    asked = set(query.obsids)
    wanted = [
        found
        for found in observations
        if (not asked or found.obsid in asked) and _started(found, since, until)
    ]
    return wanted if query.position is None else _within(query.position, query.radius_arcmin, wanted)


def _started(observation: Observation, since: float | None, until: float | None) -> bool:
    """Whether the start lies in the bounds; an unknown start lies in none."""
    if since is None and until is None:
        return True
    start = observation.start_mjd
    return start is not None and (since is None or start >= since) and (until is None or start < until)


def _within(centre: Position, radius_arcmin: float, observations: Sequence[Observation]) -> list[Observation]:
    """Observations within a great-circle distance of a position; those without coordinates are left out."""
    placed = [(found, position) for found in observations if (position := found.position) is not None]
    ra, dec = np.radians([position for _, position in placed]).reshape(-1, 2).T
    distance = angular_separation(*np.radians(centre), ra, dec)
    near = np.degrees(distance) * 60 <= radius_arcmin
    return [found for (found, _), inside in zip(placed, near, strict=True) if inside]
