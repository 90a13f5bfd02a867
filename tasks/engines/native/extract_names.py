"""File names of what `xtendflow extract` makes: the archive's own for Xtend, plain ones for other lists."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.wcs import WCS

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band, DataClass, ObsID
from tasks.library import names
from tasks.library.manifest import Role
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region

_HASH_DIGITS = 8


@dataclass(frozen=True)
class BandChoice:
    """A band asked for: PI channels, and the energies where they were given in keV.

    Parameters
    ----------
    channels : Channels
        Both inclusive.
    energies : Band, optional
        Bounds in keV.
    whole : bool
        True when no band was asked for, so that nothing is cut.
    """

    channels: Channels
    energies: Band | None = None
    whole: bool = False

    @property
    def text(self) -> str:
        """The band as it stands in a file name."""
        if self.energies:
            return f"en{float(self.energies.low)!r}_{float(self.energies.high)!r}keV"
        return f"pi{self.channels.low}_{self.channels.high}"


@dataclass(frozen=True)
class Place:
    """Where a region lies: its first shape's position in degrees, and its radius or hash."""

    ra: float
    dec: float
    radius_deg: float | None
    hash: str

    @classmethod
    def of(cls, region: Region, wcs: WCS | None) -> Self:
        """The place of a region; a circle that is all there is has a radius."""
        shape = region.pixel_shapes(wcs)[0]
        ra, dec, radius = 0.0, 0.0, None
        if wcs is not None:
            centre = wcs.wcs_pix2world(np.mean(shape.x), np.mean(shape.y), 1)
            ra, dec = (float(value) for value in centre)
            if len(region.shapes) == 1 and shape.kind == "circle" and shape.include:
                radius = shape.sizes[0] * abs(float(wcs.wcs.cdelt[1]))
        digest = hashlib.sha256("\n".join(region.text()).encode()).hexdigest()
        return cls(ra, dec, radius, digest[:_HASH_DIGITS])


@dataclass(frozen=True)
class Names:
    """Names of the products of one event list.

    Parameters
    ----------
    stem : str
        What all names begin with.
    dataset : tuple of ObsID and DataClass, or None
        Present for Xtend lists that say what they are and have sky coordinates.
    source, background : Place or None
        The regions.
    """

    stem: str
    dataset: tuple[ObsID, DataClass] | None
    source: Place | None
    background: Place | None

    def image(self, band: BandChoice, binning: int) -> str:
        """Name of a counts image."""
        if self.dataset and band.energies:
            return names.image(*self.dataset, band.energies, binning)
        return f"{self.stem}-imbinfactor{binning}-{band.text}-image.fits"

    def rate_image(self, band: BandChoice, binning: int) -> str:
        """Name of an image divided by its exposure map."""
        return self.image(band, binning).replace("-image.fits", "-rateimage.fits")

    def exposure_map(self, delta_arcmin: float, numphi: int, binning: int) -> str:
        """Name of an exposure map."""
        if self.dataset:
            return names.exposure_map(*self.dataset, delta_arcmin, numphi, binning)
        return f"{self.stem}-imbinfactor{binning}-expmap.fits"

    def light_curve(self, role: Role, band: BandChoice, threshold: float, time_bin: float) -> str:
        """Name of a light curve; the field's when there is no region."""
        place, at = self._place(role), self.source or self.background
        if self.dataset and band.energies and place and at:
            return names.light_curve(
                *self.dataset, at.ra, at.dec, band.energies, threshold, time_bin, role, _aperture(role, place)
            )
        selection = f"{band.text}-expthresh{float(threshold)!r}-tb{float(time_bin)!r}s"
        return f"{self.stem}-{self._where(role)}-{selection}{_suffix(role)}-lightcurve.fits"

    def spectrum(self, role: Role) -> str:
        """Name of an ungrouped spectrum."""
        place, at = self._place(role), self.source or self.background
        if self.dataset and place and at:
            return names.spectrum(*self.dataset, at.ra, at.dec, role, _aperture(role, place))
        return f"{self.stem}-{self._where(role)}-enALL{_suffix(role)}-spectrum.fits"

    def _place(self, role: Role) -> Place | None:
        return self.background if role == Role.BACKGROUND else self.source

    def _where(self, role: Role) -> str:
        place = self._place(role)
        return f"reg{place.hash}" if place else "field"


def names_for(
    path: Path, header: Mapping[str, Any], wcs: WCS | None, source: Region | None, background: Region | None
) -> Names:
    """Names for the products of an event list with this EVENTS header."""
    places = [Place.of(region, wcs) if region else None for region in (source, background)]
    dataset = _dataset(header) if wcs is not None else None
    stem = f"xrism-xtend-obsid{dataset[0]}-dataclass{dataset[1]}" if dataset else _stem(path)
    return Names(stem, dataset, *places)


def is_xtend(header: Mapping[str, Any]) -> bool:
    """Whether the events are Xtend's."""
    return str(header.get("INSTRUME", "")).strip() == "XTEND"


def _dataset(header: Mapping[str, Any]) -> tuple[ObsID, DataClass] | None:
    if not is_xtend(header):
        return None
    try:
        return ObsID(str(header.get("OBS_ID"))), DataClass(str(header.get("DATACLAS")))
    except BadInput:
        return None


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    for ending in (".fits", ".evt", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name).lstrip("+-.")[:80] or "events"


def _aperture(role: Role, place: Place) -> float | str:
    return place.radius_deg if place.radius_deg and role != Role.BACKGROUND else place.hash


def _suffix(role: Role) -> str:
    return {Role.BACKGROUND: "-back", Role.NET: "-net"}.get(role, "")
