"""Whether an observation may be used yet, as far as the catalogue knows."""

from datetime import UTC, datetime, timedelta
from typing import Final

from tasks.archive.catalogue.interface import Observation

_EPOCH: Final = datetime(1858, 11, 17, tzinfo=UTC)
_NO_DATE: Final = (0.0, 88068.0)
"""What stands in `public_date` where no release date is set; 88068 is the last day of 2099."""
_ARCHIVED: Final = "archived"


def why_not_public(observation: Observation, now: datetime) -> str | None:
    """Why an observation is not public, or None when it is.

    Parameters
    ----------
    observation : Observation
        A row of the catalogue.
    now : datetime
        The moment to judge at, with its time zone.

    Returns
    -------
    str or None
        One sentence for people; None for a public observation. What the archive's listing then shows
        decides whether there are data.
    """
    moment = (now - _EPOCH) / timedelta(days=1)
    if observation.start_mjd is not None and observation.start_mjd > moment:
        return f"not observed yet: the catalogue plans it for {_day(observation.start_mjd)}"
    if observation.exposure <= 0 and observation.status.casefold() != _ARCHIVED:
        return f"not observed yet: the catalogue has no exposure and the status {observation.status!r}"
    if observation.public_date is None or observation.public_date in _NO_DATE:
        return "not public: the catalogue has no release date"
    if observation.public_date > moment:
        return f"not public until {_day(observation.public_date)}"
    return None


def _day(mjd: float) -> str:
    try:
        return (_EPOCH + timedelta(days=mjd)).date().isoformat()
    except OverflowError:
        return f"MJD {mjd:g}"
