"""What the catalogue claims of an observation that its datasets must know."""

import re
from collections.abc import Collection
from typing import Final

from tasks.archive.catalogue.interface import Observation
from tasks.core.identifiers import DataClass
from tasks.xtend.cautions import Caution, caution, notice

_EXTENDED: Final = re.compile(
    r"\b(diffuse|extended|clusters? of galaxies|galaxy clusters?|supernova remnants?|snrs?|nebulae?)\b", re.I
)
"""Words in classes of targets that are wider than the PSF."""


def cross_check(observation: Observation, listed: Collection[DataClass]) -> tuple[Caution, ...]:
    """Cautions where the catalogue disagrees with the archive, and where its class of the target matters.

    Parameters
    ----------
    observation : Observation
        The catalogue's row.
    listed : collection of DataClass
        Data classes of the event files that the archive lists, which is followed.

    Returns
    -------
    tuple of Caution
        `catalogue-disagrees` about data classes, `extended-category` when the target's class is one of
        extended objects.
    """
    return (*_disagreement(observation, listed), *_extended(observation))


def _disagreement(observation: Observation, listed: Collection[DataClass]) -> tuple[Caution, ...]:
    claimed = {*observation.dataclasses, *observation.odd_dataclasses}
    if claimed == set(listed):
        return ()
    sentence = (
        f"The catalogue names the data classes {_names(claimed)} and the archive lists {_names(listed)}; "
        "the listing is followed."
    )
    return (caution("catalogue-disagrees", sentence),)


def _extended(observation: Observation) -> tuple[Caution, ...]:
    if not _EXTENDED.search(observation.category.replace("_", " ")):
        return ()
    sentence = (
        f"The catalogue counts the target as {observation.category}: it may be wider than the PSF, so look "
        "at its image before it is taken for a point source."
    )
    return (notice("extended-category", sentence),)


def _names(classes: Collection[str]) -> str:
    return ", ".join(sorted(classes)) or "none"
