"""What the catalogue said of each observation when a sweep last saw it, kept beside the pages."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from tasks.core.identifiers import ObsID
from tasks.library.store import Store

KEY: Final = "report/catalogue.json"
_MJD_EPOCH: Final = date(1858, 11, 17)


def _within(limit: float) -> BeforeValidator:
    """Takes a number that cannot be for none: one odd row must not cost the pages of all others."""
    return BeforeValidator(
        lambda value: None if isinstance(value, int | float) and not abs(value) <= limit else value
    )


class Facts(BaseModel):
    """A row of the catalogue, as far as pages tell it; it may be read from anything with these attributes.

    Parameters
    ----------
    name, category, status : str
        The target, its class, and the observation's status.
    ra, dec : float, optional
        Degrees (ICRS); none where the catalogue's are none that can be.
    start_mjd, public_date : float, optional
        Modified Julian dates (UTC) of the start and of the release.
    exposure : float
        Of Xtend, in seconds.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True, allow_inf_nan=False)

    name: str = ""
    ra: Annotated[float | None, _within(360)] = None
    dec: Annotated[float | None, _within(90)] = None
    start_mjd: float | None = None
    exposure: float = 0.0
    category: str = ""
    status: str = ""
    public_date: float | None = None

    @property
    def observed(self) -> str:
        """The day on which it began, `2024-01-09`; empty when that is not known."""
        return day_words(self.start_mjd)

    @property
    def public(self) -> str:
        """The day of its release; empty when that is not known."""
        return day_words(self.public_date)


_ALL: Final = TypeAdapter(dict[ObsID, Facts])


def day_words(mjd: float | None) -> str:
    """A modified Julian date as a day; empty when there is none, or it is on no calendar."""
    if not mjd:
        return ""
    try:
        return (_MJD_EPOCH + timedelta(days=mjd)).isoformat()
    except OverflowError:
        return ""


def read_facts(store: Store) -> dict[ObsID, Facts]:
    """What is kept of the catalogue; nothing when that cannot be read."""
    content = store.read(KEY)
    try:
        return _ALL.validate_json(content) if content else {}
    except ValidationError:
        return {}


def remember_facts(store: Store, seen: Mapping[ObsID, Facts]) -> None:
    """Keep what the catalogue says now; what it was not asked for stays."""
    before = read_facts(store)
    if (after := before | dict(seen)) != before:
        store.replace(KEY, _ALL.dump_json(dict(sorted(after.items())), exclude_defaults=True))
