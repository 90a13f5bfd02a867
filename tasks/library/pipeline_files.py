"""Which archive files xtdpipeline reads, known by their places in the archive's layout."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from tasks.core.errors import Permanent
from tasks.core.identifiers import ObsID


class Place(StrEnum):
    """What a file is, in the words of messages."""

    ATTITUDE = "attitude"
    ORBIT = "orbit"
    EXTENDED_HOUSEKEEPING = "extended housekeeping (EHK)"
    MAKEFILTER = "filter (MKF)"
    GENERAL_GTI = "general good time"
    HOUSEKEEPING = "Xtend housekeeping"
    EXPOSURES = "list of exposures"
    TELEMETRY_GTI = "telemetry good time"
    MODE_GTI = "mode good time"
    SEGMENT_GTI = "segment good time"
    HOT_PIXELS = "hot pixels"
    UNFILTERED = "unfiltered events"


_NAMED: Final = (
    Place.ATTITUDE,
    Place.ORBIT,
    Place.EXTENDED_HOUSEKEEPING,
    Place.MAKEFILTER,
    Place.GENERAL_GTI,
    Place.HOUSEKEEPING,
)
"""What the pipeline is told by name; it looks for the rest in its input directory."""
_REQUIRED: Final = (*_NAMED, Place.TELEMETRY_GTI, Place.UNFILTERED)
_STEM: Final = r"xa(?P<obsid>[0-9]{9})"
_EVENTS: Final = rf"xtend/event_uf/{_STEM}xtd_"
_LAYOUT: Final = {
    Place.ATTITUDE: rf"auxil/{_STEM}\.att",
    Place.ORBIT: rf"auxil/{_STEM}\.orb",
    Place.EXTENDED_HOUSEKEEPING: rf"auxil/{_STEM}\.ehk",
    Place.MAKEFILTER: rf"auxil/{_STEM}\.mkf",
    Place.GENERAL_GTI: rf"auxil/{_STEM}_gen\.gti",
    Place.HOUSEKEEPING: rf"xtend/hk/{_STEM}xtd_a0\.hk",
    Place.EXPOSURES: rf"{_EVENTS}a0exp\.fits",
    Place.TELEMETRY_GTI: rf"{_EVENTS}tel\.gti",
    Place.MODE_GTI: rf"{_EVENTS}mode\.gti",
    Place.SEGMENT_GTI: rf"{_EVENTS}seg\.gti",
    Place.HOT_PIXELS: rf"{_EVENTS}a0[0-9a-f]{{8}}\.hpix",
    Place.UNFILTERED: rf"{_EVENTS}p(?:[0-9]|[1-9][0-9])[0-9a-f]{{8}}_uf\.evt",
}
_PATTERNS: Final = {place: re.compile(rf"{pattern}(?:\.gz)?") for place, pattern in _LAYOUT.items()}


def place_of(obsid: ObsID, name: str) -> Place | None:
    """What a file of an observation is to xtdpipeline; None when the pipeline does not read it.

    Slews are not read: no dataset is made of them, and they take as long to calibrate as pointings.

    Parameters
    ----------
    obsid : ObsID
        The observation.
    name : str
        The file's path below the observation's folder, plain or with `.gz`.
    """
    for place, pattern in _PATTERNS.items():
        if (match := pattern.fullmatch(name)) and match["obsid"] == obsid:
            return place
    return None


@dataclass(frozen=True)
class PipelineFiles:
    """The files of one observation that xtdpipeline reads, named relative to the observation's folder.

    Parameters
    ----------
    attitude, orbit, extended_housekeeping, makefilter, general_gti, housekeeping : str
        What the pipeline is told by name.
    inside : tuple of str
        What it looks for in its input directory: unfiltered events, hot pixels, exposures, good times.
    has_exposures, has_mode_gti : bool
        Whether the list of exposures and the good time of the modes are among these.
    """

    attitude: str
    orbit: str
    extended_housekeeping: str
    makefilter: str
    general_gti: str
    housekeeping: str
    inside: tuple[str, ...]
    has_exposures: bool
    has_mode_gti: bool

    @classmethod
    def among(cls, obsid: ObsID, names: Iterable[str]) -> Self:
        """Find them among the files of an observation.

        Raises
        ------
        Permanent
            When the archive lacks one that the pipeline cannot do without.
        """
        found: dict[Place, list[str]] = defaultdict(list)
        for name in sorted(names):
            if place := place_of(obsid, name):
                found[place].append(name)
        if missing := [place for place in _REQUIRED if not found[place]]:
            raise Permanent(f"{obsid} cannot be reprocessed: the archive lacks {', '.join(missing)}")
        attitude, orbit, extended_housekeeping, makefilter, general_gti, housekeeping = (
            found[place][0] for place in _NAMED
        )
        return cls(
            attitude,
            orbit,
            extended_housekeeping,
            makefilter,
            general_gti,
            housekeeping,
            inside=tuple(name for place in Place if place not in _NAMED for name in found[place]),
            has_exposures=bool(found[Place.EXPOSURES]),
            has_mode_gti=bool(found[Place.MODE_GTI]),
        )

    @property
    def named(self) -> tuple[str, ...]:
        """What the pipeline is told by name."""
        return (
            self.attitude,
            self.orbit,
            self.extended_housekeeping,
            self.makefilter,
            self.general_gti,
            self.housekeeping,
        )
