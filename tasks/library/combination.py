"""The combined image of an observation: what is summed, and the record of what was made of it.

It holds no product of a dataset, so no manifest names it: it lies beside the observation's page, and is
made again whenever what it sums has changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core.identifiers import Band, DataClass, ObsID
from tasks.library import names
from tasks.library.manifest import Kind, Manifest, Product, Role, Sha256, Step
from tasks.library.store import Store

RECORD: Final = "combined.json"
PICTURE: Final = "combined.png"
_MAIN_BAND: Final = Band.parse("0.6-10")
_MAIN_BINNING: Final = 4


class CombinedFile(BaseModel):
    """A file of the combined image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    name: str
    size: int
    sha256: Sha256


class Combined(BaseModel):
    """What was made of an observation's data classes.

    Parameters
    ----------
    of : str
        Fingerprint of everything that decides it.
    dataclasses : tuple of DataClass
        Those that are summed.
    band, binning : str, int
        Of the images, in keV and SKY pixels.
    files : tuple of CombinedFile
        Counts, exposure and their ratio; none when it could not be made.
    alt, caption, size
        Of the picture; no text when there is none.
    why : str
        Why there is no image or no picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: Sha256
    dataclasses: tuple[DataClass, ...]
    band: str
    binning: int
    files: tuple[CombinedFile, ...] = ()
    alt: str = ""
    caption: str = ""
    size: tuple[int, int] = (0, 0)
    why: str = ""


@dataclass(frozen=True)
class Summand:
    """A dataset's part in the sum."""

    manifest: Manifest
    image: Product
    exposure_map: Product


@dataclass(frozen=True)
class Sum:
    """Images of one band and binning, and the exposure maps that belong to them; one of each data class."""

    band: Band
    binning: int
    summands: tuple[Summand, ...]

    @property
    def dataclasses(self) -> tuple[DataClass, ...]:
        """The data classes that are summed."""
        return tuple(item.manifest.dataclass for item in self.summands)

    def names(self, obsid: ObsID) -> dict[Kind, str]:
        """File name of each result."""
        return {
            Kind.IMAGE: names.combined(obsid, "image", self.band, self.binning),
            Kind.EXPOSURE_MAP: names.combined(obsid, "expmap", None, self.binning),
            Kind.RATE_IMAGE: names.combined(obsid, "rateimage", self.band, self.binning),
        }

    @property
    def regions(self) -> tuple[tuple[Summand, Product], ...]:
        """Source and calibration regions of the first data class that has any: they are the sky's own."""
        for item in self.summands:
            source = item.manifest.find(Kind.REGION, Role.SOURCE, frame="skypix")[:1]
            if source:
                calibration = item.manifest.find(Kind.REGION, Role.CALIBRATION)[:1]
                return tuple((item, product) for product in (*source, *calibration))
        return ()

    def pictured(self, obsid: ObsID) -> Manifest:
        """The sum as a manifest that the drawing of images understands."""
        first = self.summands[0]
        image = first.image.model_copy(
            update={
                "step": Step.DERIVED,
                "kind": Kind.RATE_IMAGE,
                "name": self.names(obsid)[Kind.RATE_IMAGE],
                "cautions": (),
            }
        )
        return Manifest(
            obsid=obsid,
            dataclass=first.manifest.dataclass,
            recipe=first.manifest.recipe,
            target=first.manifest.target,
            products=(image, *(product for _, product in self.regions)),
        )


def sum_of(manifests: Iterable[Manifest]) -> Sum | None:
    """What can be summed of an observation: 0.6–10 keV at binning 4 where that is there.

    Bands that begin below 0.6 keV are never taken. None when fewer than two data classes share a band and
    a binning, with an exposure map each.
    """
    parts = {manifest.dataclass: _parts(manifest) for manifest in manifests}
    keys = {key for found in parts.values() for key in found}
    shared = {key: tuple(parts[name][key] for name in sorted(parts) if key in parts[name]) for key in keys}
    best = max(shared, key=lambda key: (len(shared[key]), _rank(*key)), default=None)
    if best is None or len(shared[best]) < 2:
        return None
    return Sum(Band.parse(best[0]), best[1], shared[best])


def _parts(manifest: Manifest) -> dict[tuple[str, int], Summand]:
    """A dataset's images with an exposure map, by band and binning."""
    maps = {product.entry.get("binning"): product for product in manifest.find(Kind.EXPOSURE_MAP)}
    images = [item for item in manifest.find(Kind.IMAGE) if {"band", "binning"} <= item.entry.keys()]
    return {
        (item.entry["band"], item.entry["binning"]): Summand(manifest, item, maps[item.entry["binning"]])
        for item in images
        if item.entry["binning"] in maps and Band.parse(item.entry["band"]).low >= _MAIN_BAND.low
    }


def _rank(band: str, binning: int) -> tuple[bool, bool, float, int]:
    bounds = Band.parse(band)
    return (binning == _MAIN_BINNING, bounds == _MAIN_BAND, float(bounds.high - bounds.low), binning)


def combined_key(obsid: ObsID, name: str) -> str:
    """Where a file of the combined image lies in the store."""
    return f"report/{obsid}/{name}"


def read_combined(store: Store, obsid: ObsID) -> Combined | None:
    """The record of an observation's combined image; None when there is none that can be read."""
    content = store.read(combined_key(obsid, RECORD))
    try:
        return Combined.model_validate_json(content) if content else None
    except ValidationError:
        return None
