"""What the catalogue claims against what the archive shows."""

from collections.abc import Collection

from tasks.archive.catalogue.interface import Observation
from tasks.core.identifiers import DataClass
from tasks.xtend.cautions import Caution, caution


def cross_check(observation: Observation, listed: Collection[DataClass]) -> tuple[Caution, ...]:
    """A caution where the catalogue's data classes are not those of the archive's listing, which is followed.

    Parameters
    ----------
    observation : Observation
        The catalogue's row.
    listed : collection of DataClass
        Data classes of the event files that the archive lists.
    """
    claimed = {*observation.dataclasses, *observation.odd_dataclasses}
    if claimed == set(listed):
        return ()
    sentence = (
        f"The catalogue names the data classes {_names(claimed)} and the archive lists {_names(listed)}; "
        "the listing is followed."
    )
    return (caution("catalogue-disagrees", sentence),)


def _names(classes: Collection[str]) -> str:
    return ", ".join(sorted(classes)) or "none"
