"""The observations of the simulated archive: what each is there to show."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from tasks.archive.simulated.sources import ABSORBED, POWER_LAW, STAR, THERMAL, Source, Spectrum
from tasks.core.identifiers import DataClass, ObsID
from tasks.xtend.nominal import Nominal

Presence = Literal["open", "encrypted", "none"]
Fault = Literal["truncated", "flipped", "no-good-time", "no-ehk", "unknown-class"]

LONG_AFTER: Final = 88068.0
"""A release date that stands for `not decided` in the catalogue."""
_YEAR: Final = 365.0

_FIELD: Final = (
    Source("field 1", 0.35, POWER_LAW, (1210.0, 640.0)),
    Source("field 2", 0.20, STAR, (520.0, 1120.0)),
    Source("field 3", 0.12, ABSORBED, (1060.0, 1170.0)),
    Source("field 4", 0.08, POWER_LAW, (400.0, 480.0)),
)
_BRIGHT_FIELD: Final = (
    Source("field 1", 16.0, THERMAL, (1180.0, 690.0)),
    Source("field 2", 3.0, STAR, (1090.0, 1290.0)),
    Source("field 3", 1.5, POWER_LAW, (752.0, 1180.0)),
)


@dataclass(frozen=True)
class Observation:
    """One observation as it is to be simulated.

    Parameters
    ----------
    obsid, name, note : ObsID, str, str
        Number, target name in the catalogue, and what it is there to show.
    classes : tuple of DataClass
        The data classes it has files for.
    ra, dec, pa : float
        Target (FK5, J2000) and position angle in degrees.
    start, span : float
        Mission time and length in seconds.
    target : Source
        The target; sources of the field are in `field`.
    background : float
        Counts per second of the particle background on the whole detector, before scaling.
    events_share : float
        Events per dataset relative to what the archive was asked for.
    parts : int
        Number of files that a cleaned event list is split in.
    frame_gtis : bool
        Whether good time has a row for each exposure.
    public : float
        MJD of the release.
    presence : str
        `open`, `encrypted` (files end in .gpg) or `none`.
    listed : tuple of str, optional
        xtd_dataclas1 and 2 of the catalogue, where they differ from `classes`.
    fault : str, optional
        What is wrong with it.
    aim_arcmin : tuple of float
        How far east and north of the target the telescope points, besides the usual arcseconds.
    """

    obsid: ObsID
    name: str
    note: str
    classes: tuple[DataClass, ...]
    ra: float
    dec: float
    pa: float
    start: float
    span: float
    target: Source
    field: tuple[Source, ...] = _FIELD
    background: float = 0.9
    events_share: float = 1.0
    parts: int = 1
    frame_gtis: bool = False
    public: float | None = None
    presence: Presence = "open"
    listed: tuple[str, str] | None = None
    fault: Fault | None = None
    aim_arcmin: tuple[float, float] = (0.0, 0.0)

    @property
    def nominal(self) -> Nominal:
        """The aspect of the sky pixels: some arcsec beside the target, as in flight."""
        return self._beside(9.0, -7.0)

    @property
    def axis(self) -> Nominal:
        """The mean direction of the optical axis."""
        return self._beside(-6.0, 4.0)

    def _beside(self, east: float, north: float) -> Nominal:
        east, north = east / 3600 + self.aim_arcmin[0] / 60, north / 3600 + self.aim_arcmin[1] / 60
        shift = east / np.cos(np.radians(self.dec))
        return Nominal(float((self.ra + shift) % 360), self.dec + north, self.pa)

    @property
    def release(self) -> float:
        """MJD of the release: a year after the start unless said otherwise."""
        return 58484 + self.start // 86400 + _YEAR if self.public is None else self.public


def _target(rate: float, spectrum: Spectrum = POWER_LAW) -> Source:
    return Source("target", rate, spectrum)


_FULL: Final = (DataClass("30000010"),)
_FAULTS: Final[tuple[tuple[Fault, str, tuple[DataClass, ...]], ...]] = (
    ("truncated", "the cleaned events end in the middle", _FULL),
    ("flipped", "one byte of the cleaned events is wrong", _FULL),
    ("no-good-time", "cleaned events without good time", _FULL),
    ("no-ehk", "the extended housekeeping is missing", _FULL),
    ("unknown-class", "a data class that nobody has heard of", (DataClass("37000010"),)),
)

PROGRAMME: Final = (
    Observation(
        ObsID("900001010"), "SIM full window", "full window, four CCDs", _FULL,
        150.1163, 2.2058, 273.4, 151070000.25, 34200.0, _target(3.2),
    ),
    Observation(
        ObsID("900002010"), "SIM eighth window", "1/8 window and its other half; good time frame by frame",
        (DataClass("31100010"), DataClass("32000010")),
        278.3893, -10.5711, 97.2, 153010000.5, 11400.0, _target(13.0, THERMAL),
        field=_BRIGHT_FIELD, background=1.2, frame_gtis=True,
    ),
    Observation(
        ObsID("900003010"), "SIM class a0", "full window of class 300000a0; right ascension near zero",
        (DataClass("300000a0"),),
        0.0021, -30.5512, 15.3, 155000000.75, 30000.0, _target(3.0, ABSORBED),
    ),
    Observation(
        ObsID("900004010"), "SIM faint", "a faint target under the particle background", _FULL,
        34.4983, -5.0124, 181.6, 157000000.25, 34200.0, _target(0.025),
        background=0.9, events_share=0.2,
    ),
    Observation(
        ObsID("900005010"), "SIM split", "cleaned events in two files, p0 and p1; close to the pole", _FULL,
        201.2982, 84.9027, 330.8, 158540000.5, 39900.0, _target(3.2, THERMAL), parts=2,
    ),
    Observation(
        ObsID("900006010"), "SIM variable", "a flaring target; the catalogue lists a class too many", _FULL,
        329.7169, -30.2256, 45.1, 160000000.75, 30000.0,
        Source("target", 2.4, POWER_LAW, variable=True), listed=("30000010", "32000010"),
    ),
    Observation(
        ObsID("900007010"), "SIM not yet public", "files are there, the release is years ahead", _FULL,
        150.1794, 2.2391, 92.7, 163500000.25, 6000.0, _target(3.0), events_share=0.05, public=75000.0,
    ),
    Observation(
        ObsID("900008010"), "SIM encrypted", "released by its date, but only encrypted files", _FULL,
        266.4168, -29.0078, 260.0, 162000000.5, 30000.0, _target(3.0), presence="encrypted",
    ),
    Observation(
        ObsID("900009010"), "SIM planned", "accepted, not observed: no files", (),
        12.0417, 85.2553, 0.0, 300000000.0, 0.0, _target(1.0), public=0.0, presence="none",
    ),
    Observation(
        ObsID("900010010"), "SIM scheduled", "scheduled, not observed: no files", (),
        83.6331, 22.0145, 0.0, 301000000.0, 0.0, _target(1.0), public=LONG_AFTER, presence="none",
    ),
)  # fmt: skip
"""The observations of every simulated archive."""

FAULTY: Final = tuple(
    Observation(
        ObsID(f"90001{number}010"), f"SIM fault {fault}", note, classes,
        120.0 + 10 * number, 10.0 - 7.0 * number, 40.0 * number, 165000000.25 + 500000 * number, 11400.0,
        _target(3.2), fault=fault,
    )
    for number, (fault, note, classes) in enumerate(_FAULTS, start=1)
)  # fmt: skip
"""The observations that `with_faults` adds."""


def programme(with_faults: bool) -> tuple[Observation, ...]:
    """The observations of an archive."""
    return PROGRAMME + FAULTY if with_faults else PROGRAMME
