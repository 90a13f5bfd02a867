"""Where an installation's files lie, how much they take, and how much space is left."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.core.settings import Settings
from tasks.library.eviction import size_of

_GB = 10**9


@dataclass(frozen=True)
class Place:
    """A place with files.

    Parameters
    ----------
    name, where : str
        What it is for, and its path or address.
    bytes : int
        What is in it.
    limit : int or None
        Size at which the oldest of it is removed.
    free : int or None
        What its disk can still take; None where it is no disk of this host.
    """

    name: str
    where: str
    bytes: int
    limit: int | None
    free: int | None


def places(settings: Settings, stored: int) -> tuple[Place, ...]:
    """Store, downloads and scratch.

    Parameters
    ----------
    settings : Settings
        Where they are.
    stored : int
        Size in bytes of the published products, as the ledger has it: no store is walked for this.
    """
    return (
        Place("store", settings.store_url, stored, None, _free(settings.store_url)),
        *(
            Place(folder.name, str(folder), size_of(folder), int(limit * _GB), _free(str(folder)))
            for folder, limit in (
                (settings.downloads, settings.downloads_gb),
                (settings.scratch, settings.scratch_gb),
            )
        ),
    )


def _free(where: str) -> int | None:
    """What the disk of a folder can take, also before the folder is made."""
    if "://" in where:
        return None
    folder = Path(where)
    standing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return shutil.disk_usage(standing).free if standing else None
