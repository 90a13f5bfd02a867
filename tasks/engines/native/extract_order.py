"""What a caller of `xtendflow extract` asks for."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.library.manifest import Role
from tasks.xtend.channels import Channels


@dataclass(frozen=True)
class Grouping:
    """How the source spectrum is grouped: to a minimum of counts, or optimally (None)."""

    minimum: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The grouping written `min:N` or `opt`.

        Raises
        ------
        BadInput
            When the text is neither.
        """
        if text == "opt":
            return cls(None)
        kind, _, minimum = text.partition(":")
        if kind != "min" or not (minimum.isascii() and minimum.isdecimal()) or int(minimum) < 1:
            raise BadInput(f"{text!r} is not a grouping: give min:N with N of 1 or more, or opt")
        return cls(int(minimum))

    def __str__(self) -> str:
        return "opt" if self.minimum is None else f"min:{self.minimum}"


@dataclass(frozen=True)
class Order:
    """The options of `xtendflow extract`; None and () mean that one was not given.

    Parameters
    ----------
    events, out : Path
        The event list and the directory for the products.
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
    grouping : Grouping or None
        Of the source spectrum.
    rmf : Path or None
        Response: energies of the channels, and optimal grouping.
    """

    events: Path
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
    grouping: Grouping | None = None
    rmf: Path | None = None

    def __post_init__(self) -> None:
        """See that the options go together."""
        if bool(self.ehk) != bool(self.bad_pixels):
            raise BadInput("an exposure map needs both --ehk and --bad-pixels")
        if self.grouping and not self.source:
            raise BadInput("--group needs --source: only the source spectrum is grouped")
        if self.grouping and self.grouping.minimum is None and not self.rmf:
            raise BadInput("--group opt needs --rmf")
        if not all(0 < length < math.inf for length in self.time_bins):
            raise BadInput("the length of a light-curve bin (--time-bin) must be positive")
        if not 0 <= self.threshold <= 1:
            raise BadInput("the exposure threshold is a fraction: give 0 to 1")
        for path in (self.ehk, self.bad_pixels, self.rmf):
            if path and not path.is_file():
                raise BadInput(f"there is no file {path}")

    @property
    def regions(self) -> dict[Role, Path]:
        """The region files given, by role."""
        given = {Role.SOURCE: self.source, Role.BACKGROUND: self.background}
        return {role: path for role, path in given.items() if path}
