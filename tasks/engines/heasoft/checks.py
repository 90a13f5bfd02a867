"""What a HEASoft tool may get wrong while it ends well: checks of its outputs, as data of a call."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.library.call import FileName


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName


class RegionApplied(_Check):
    """A product was selected by its region."""

    kind: Literal["region-applied"] = "region-applied"


class CountsAgree(_Check):
    """A product holds as many counts as its header tells."""

    kind: Literal["counts-agree"] = "counts-agree"


class WeightedMap(_Check):
    """A spectrum has its map of counts on detector pixels."""

    kind: Literal["weighted-map"] = "weighted-map"


class Covers(_Check):
    """An ARF has an area at all energies of a range, in keV."""

    kind: Literal["covers"] = "covers"
    low: float
    high: float


class Ebounds(_Check):
    """An RMF's channels are those of the spectra."""

    kind: Literal["ebounds"] = "ebounds"


Check = Annotated[RegionApplied | CountsAgree | WeightedMap | Covers | Ebounds, Field(discriminator="kind")]
"""Something to check; `verification.verify` does it."""


def region_applied(file: str) -> RegionApplied:
    """That the region was applied to a product of extractor."""
    return RegionApplied(file=file)


def counts_agree(file: str) -> CountsAgree:
    """That an image or a spectrum of extractor holds what its header tells."""
    return CountsAgree(file=file)


def weighted_map(file: str) -> WeightedMap:
    """That a spectrum of extractor has the map that xtdrmf reads."""
    return WeightedMap(file=file)


def covers(file: str, low: float, high: float) -> Covers:
    """That an ARF can be used from `low` to `high` keV."""
    return Covers(file=file, low=low, high=high)


def ebounds(file: str) -> Ebounds:
    """That an RMF has the channels of the spectra."""
    return Ebounds(file=file)
