"""Positions of targets by name: a bundled table first, then the Sesame service."""

import http.client
import re
from functools import cache
from importlib.resources import as_file, files
from typing import Final

from tasks.archive.catalogue.interface import Position
from tasks.core.errors import BadInput, EnvironmentFault

_NAME: Final = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9 +\-._*'\[\]():/]{1,80}")


def name_key(name: str) -> str:
    """A name without what people write differently: case, blanks and underscores."""
    return re.sub(r"[\s_]+", "", name.casefold())


def resolve(name: str, *, online: bool) -> Position:
    """RA and Dec in degrees (ICRS) of a target.

    Parameters
    ----------
    name : str
        As people write it; case, blanks and underscores do not matter.
    online : bool
        Whether the Sesame service of CDS may be asked when the bundled table does not know the name. It
        is given the time that astropy allows for remote data (10 s by default).

    Raises
    ------
    BadInput
        When nobody knows the name, or it is no name.
    EnvironmentFault
        When Sesame cannot be asked.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is not a target's name: letters, digits and +-._*'[]():/ are allowed")
    known = _bundled().get(name_key(name))
    if known is not None:
        return known
    if not online:
        raise BadInput(f"the target {name!r} is not known offline: give its position with --position")
    return _ask_sesame(name)


@cache
def _bundled() -> dict[str, Position]:
    from astropy.table import Table

    with as_file(files("tasks.archive") / "data" / "targets.ecsv") as path:
        table = Table.read(path, format="ascii.ecsv")
    return {
        name_key(name): (float(row["ra"]), float(row["dec"]))
        for row in table
        for name in str(row["names"]).split("|")
    }


def _ask_sesame(name: str) -> Position:
    from astropy.coordinates import SkyCoord
    from astropy.coordinates.name_resolve import NameResolveError

    advice = "give the position with --position"
    try:
        found = SkyCoord.from_name(name, cache=False)
    except NameResolveError as exc:
        # One class stands for both outcomes; only the sentence tells them apart.
        if "Unable to find coordinates" in str(exc):
            raise BadInput(f"no target is called {name!r}: check the spelling, or {advice}") from exc
        raise EnvironmentFault(f"the name service Sesame cannot be reached: {advice}") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise EnvironmentFault(
            f"the name service Sesame fails ({type(exc).__name__}: {exc}): {advice}"
        ) from exc
    return float(found.ra.deg), float(found.dec.deg)
