"""What a catalogue is asked and what it answers."""

from datetime import date
from typing import Annotated, Any, Final, Protocol, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.fingerprint import fingerprint

MJD_EPOCH: Final = date(1858, 11, 17)
TARGET_RADIUS: Final = 15.0
"""Search radius in arcmin that finds the observations of a target."""

Position = tuple[float, float]
"""RA and Dec in degrees (ICRS)."""


def _iso_day(value: Any) -> Any:
    """Only days: pydantic alone would read the number 20250101 as seconds since 1970."""
    if value is None or isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise ValueError("give a day as YYYY-MM-DD")
    return value or None


Day = Annotated[
    # A format alone is looked at by no form; the pattern is.
    date, WithJsonSchema({"type": "string", "format": "date", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"})
]


def mjd_of(day: date) -> float:
    """Modified Julian date at the start (0 h UTC) of a day."""
    return float((day - MJD_EPOCH).days)


class Observation(BaseModel):
    """One row of the catalogue; empty and masked cells are None, zero or the empty string.

    Parameters
    ----------
    obsid : ObsID
        Nine digits.
    name : str
        The target as the observers called it; for people only.
    ra, dec : float, optional
        Degrees (ICRS).
    start_mjd : float, optional
        Start as modified Julian date (UTC); for a planned observation it may be missing.
    exposure : float
        Exposure of Xtend in seconds; 0 where it was not used or nothing is observed yet.
    category : str
        The class of the target, as the catalogue says.
    status : str
        As the catalogue says.
    public_date : float, optional
        Modified Julian date of the release, sentinels included: see `why_not_public`.
    dataclasses : tuple of DataClass
        What the catalogue claims; the archive's listing decides.
    odd_dataclasses : tuple of str
        Claims that are no data class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    obsid: ObsID
    name: str = ""
    ra: float | None = None
    dec: float | None = None
    start_mjd: float | None = None
    exposure: float = 0.0
    category: str = ""
    status: str = ""
    public_date: float | None = None
    dataclasses: tuple[DataClass, ...] = ()
    odd_dataclasses: tuple[str, ...] = ()

    @property
    def position(self) -> Position | None:
        """RA and Dec in degrees, when the catalogue has both."""
        return None if self.ra is None or self.dec is None else (self.ra, self.dec)

    @property
    def fingerprint(self) -> str:
        """Hash over the row's content: it changes when the catalogue says something new."""
        return fingerprint(self)


def _given(name: str) -> dict[str, Any]:
    """A schema that a number under this name fulfils."""
    return {"required": [name], "properties": {name: {"type": "number"}}}


class Query(BaseModel):
    """Which observations are wanted: the whole archive, narrowed by everything that is given.

    Raises
    ------
    pydantic.ValidationError
        When a value is out of range or two values contradict each other.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        str_strip_whitespace=True,
        json_schema_extra={
            # In a form the first line is enough.
            "description": "Which observations are wanted: the whole archive, narrowed by everything given.",
            # A form that shows an empty field sends null.
            "if": {"anyOf": [_given("ra"), _given("dec")]},
            "then": {"allOf": [_given("ra"), _given("dec")]},
        },
    )

    target: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=80,
            description="Name of a target, such as N132D. With a position it is only a label.",
            examples=["N132D"],
        ),
    ] = None
    ra: Annotated[
        float | None,
        Field(ge=0, lt=360, description="Right ascension in degrees (ICRS); needs dec.", examples=[81.2594]),
    ] = None
    dec: Annotated[
        float | None,
        Field(ge=-90, le=90, description="Declination in degrees (ICRS); needs ra.", examples=[-69.6439]),
    ] = None
    radius_arcmin: Annotated[
        float,
        Field(
            gt=0,
            le=180 * 60,
            description="Search radius around target or position in arcmin: 15 for observations of a target, "
            "34 for anything that may lie in the field.",
        ),
    ] = TARGET_RADIUS
    obsids: Annotated[
        tuple[ObsID, ...],
        Field(description="Observation numbers of nine digits; empty for all.", examples=[["000128000"]]),
    ] = ()
    since: Annotated[
        Day | None,
        BeforeValidator(_iso_day),
        Field(description="First day of observation (start, UTC), YYYY-MM-DD.", examples=["2024-02-01"]),
    ] = None
    until: Annotated[
        Day | None,
        BeforeValidator(_iso_day),
        Field(
            description="Last day of observation (start, UTC, the whole day), YYYY-MM-DD.",
            examples=["2024-03-31"],
        ),
    ] = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.ra is None) != (self.dec is None):
            raise ValueError("a position needs both ra and dec")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"the dates are upside down: {self.since} is after {self.until}")
        return self

    @property
    def position(self) -> Position | None:
        """Centre of the search, when a position is given."""
        return None if self.ra is None or self.dec is None else (self.ra, self.dec)

    @property
    def start_bounds(self) -> tuple[float | None, float | None]:
        """Bounds of the start time as modified Julian dates: the first inclusive, the second exclusive."""
        return (
            None if self.since is None else mjd_of(self.since),
            None if self.until is None else mjd_of(self.until) + 1,
        )


class Catalogue(Protocol):
    """Something that knows which observations exist."""

    def find(self, query: Query) -> tuple[Observation, ...]:
        """Every observation that the query wants, sorted by ObsID, each once.

        Raises
        ------
        BadInput
            When the target's name or the catalogue's own file cannot be used.
        EnvironmentFault
            When the catalogue cannot be asked, or its answer is not complete.
        """
        ...
