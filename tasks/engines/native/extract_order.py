"""What a caller of `xtendflow extract` asks for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.engines.native.backscal import Normalisation
from tasks.engines.native.net_curves import Errors
from tasks.library.manifest import Role
from tasks.library.recipe import Exposure
from tasks.xtend.channels import Channels
from tasks.xtend.grouping import GroupingRule

Backscal = Literal["exposure", "maximum", "pixels"]
_MOST_WEDGES: Final = 360


@dataclass(frozen=True)
class Order:
    """The options of `xtendflow extract`; None and () mean that one was not given.

    Parameters
    ----------
    events, out : tuple of Path, Path
        The files of one event list, and the directory for the products.
    channels, bands : tuple
        PI ranges and energy bands; neither is the whole range.
    binnings : tuple of int
        Of the images.
    source, background : Path or None
        Region files.
    time_bins : tuple of float
        Lengths of light-curve bins in seconds.
    threshold : float
        Least exposed fraction of a bin.
    ehk, bad_pixels : Path or None
        What an exposure map is made of besides the events.
    exposure_map : Path or None
        An unbinned exposure map that is there already.
    delta_arcmin, numphi : float or None, int or None
        Division of the attitude for the map that is made.
    keep_calibration : bool
        Whether this map counts the calibration sources as exposed.
    backscal : {"exposure", "maximum", "pixels"} or None
        What BACKSCAL is made of; when not given, exposure where there is a map and else pixels.
    net_errors : {"gaussian", "linear"} or None
        How errors of net light curves add up.
    grouping : GroupingRule or None
        Of the source spectrum.
    rmf : Path or None
        Response: energies of the channels, and optimal grouping.
    """

    events: tuple[Path, ...]
    out: Path
    channels: tuple[Channels, ...] = ()
    bands: tuple[Band, ...] = ()
    binnings: tuple[int, ...] = ()
    source: Path | None = None
    background: Path | None = None
    time_bins: tuple[float, ...] = ()
    threshold: float = 0.0
    ehk: Path | None = None
    bad_pixels: Path | None = None
    exposure_map: Path | None = None
    delta_arcmin: float | None = None
    numphi: int | None = None
    keep_calibration: bool = False
    backscal: Backscal | None = None
    net_errors: Errors | None = None
    grouping: GroupingRule | None = None
    rmf: Path | None = None

    def __post_init__(self) -> None:
        """See that the options go together."""
        if faults := [*self._faults_of_maps(), *self._faults_of_products()]:
            raise BadInput(faults[0])
        for path in (self.ehk, self.bad_pixels, self.exposure_map, self.rmf):
            if path and not path.is_file():
                raise BadInput(f"there is no file {path}")

    @property
    def regions(self) -> dict[Role, Path]:
        """The region files given, by role."""
        given = {Role.SOURCE: self.source, Role.BACKGROUND: self.background}
        return {role: path for role, path in given.items() if path}

    @property
    def binnings_of_images(self) -> tuple[int, ...]:
        """Binnings of the images; 1 when nothing else is asked for."""
        others = self.binnings or self.regions or self.time_bins
        return tuple(dict.fromkeys(self.binnings)) if others else (1,)

    @property
    def exposure(self) -> Exposure:
        """How exposure maps and rate images are made: as the recipe's defaults, but for what was given."""
        given: dict[str, Any] = {"delta_arcmin": self.delta_arcmin, "numphi": self.numphi}
        chosen = {name: value for name, value in given.items() if value is not None}
        return Exposure(**chosen, mask_calibration=not self.keep_calibration)

    @property
    def by_pixels(self) -> bool:
        """Whether BACKSCAL goes by the number of pixels."""
        return self.backscal == "pixels" or not (self.ehk or self.exposure_map)

    @property
    def normalisation(self) -> Normalisation:
        """What BACKSCAL by exposure is divided by."""
        return "maximum" if self.backscal == "maximum" else "exposure"

    def _faults_of_maps(self) -> Iterator[str]:
        if self.exposure_map and (self.ehk or self.bad_pixels):
            yield "--exposure-map stands in for --ehk and --bad-pixels: give one or the other"
        if bool(self.ehk) != bool(self.bad_pixels):
            yield "an exposure map needs both --ehk and --bad-pixels"
        made_only = {
            "--delta": self.delta_arcmin is not None,
            "--numphi": self.numphi is not None,
            "--keep-calibration-sources": self.keep_calibration,
        }
        for option, given in made_only.items():
            if given and not self.ehk:
                yield f"{option} is for exposure maps that are made: it needs --ehk and --bad-pixels"
        if self.delta_arcmin is not None and not 0 < self.delta_arcmin < math.inf:
            yield "the off-axis step (--delta) must be positive"
        if self.numphi is not None and not 0 <= self.numphi <= _MOST_WEDGES:
            yield f"the number of azimuth wedges (--numphi) is 0 to {_MOST_WEDGES}"
        if self.exposure_map and 1 not in self.binnings_of_images and (self.by_pixels or not self.regions):
            yield (
                "--exposure-map has nothing to serve: it is for BACKSCAL (--source, --background) and for "
                "rate images of --binning 1"
            )

    def _faults_of_products(self) -> Iterator[str]:
        if self.backscal and not self.regions:
            yield "--backscal needs --source or --background: it belongs to their spectra"
        if self.backscal in ("exposure", "maximum") and self.by_pixels:
            yield (
                f"--backscal {self.backscal} needs an exposure map: give --ehk and --bad-pixels, "
                "or --exposure-map"
            )
        if self.net_errors and not (self.source and self.background and self.time_bins):
            yield "--net-errors is for net light curves: it needs --source, --background and --time-bin"
        if self.grouping and not self.source:
            yield "--group needs --source: only the source spectrum is grouped"
        if self.grouping and self.grouping.needs_response and not self.rmf:
            yield f"--group {self.grouping} needs --rmf"
        if self.grouping and self.grouping.needs_background and not self.background:
            yield f"--group {self.grouping} needs --background"
        if not all(0 < length < math.inf for length in self.time_bins):
            yield "the length of a light-curve bin (--time-bin) must be positive"
        if not 0 <= self.threshold <= 1:
            yield "the exposure threshold is a fraction: give 0 to 1"
        if len({path.resolve() for path in self.events}) < len(self.events):
            yield "an event file is given twice, so its events would count twice"
