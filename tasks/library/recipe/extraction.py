"""What is taken from the events, and how: images, exposure maps, light curves, spectra."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.library.recipe.part import Part
from tasks.xtend.grouping import GROUPING_PATTERN, GroupingRule

Bands = Annotated[tuple[Band, ...], Field(description="Energy bands in keV, each written LOW-HIGH.")]
Binnings = Annotated[
    tuple[Annotated[int, Field(ge=1, le=64)], ...],
    Field(description="How many sky pixels of 1.768″ are summed per axis."),
]


def _bands(*texts: str) -> tuple[Band, ...]:
    return tuple(Band.parse(text) for text in texts)


def _grouping(text: object) -> object:
    """The entry itself, after a look at what is wrong with it that is easier to read than the pattern."""
    try:
        return text if not isinstance(text, str) else str(GroupingRule.parse(text))
    except BadInput as exc:
        raise ValueError(str(exc)) from exc


class Images(Part):
    """Counts images, good time applied."""

    bands: Bands = _bands("0.6-2", "2-10", "0.4-2", "0.6-10")
    binnings: Binnings = (1, 4)


class Exposure(Part):
    """Exposure maps and the images divided by them."""

    delta_arcmin: Annotated[
        float, Field(gt=0, description="Width of an off-axis step of the attitude, in arcmin.")
    ] = 20.0
    numphi: Annotated[int, Field(ge=0, le=360, description="Azimuth wedges of the first ring.")] = 1
    mask_calibration: Annotated[
        bool,
        Field(description="Whether calibration sources count as not exposed; rate images never show them."),
    ] = True
    binnings: Binnings = (1, 4)
    minimum_fraction: Annotated[
        float,
        Field(gt=0, le=1, description="Rate images are blank below this fraction of the maximum exposure."),
    ] = 0.05


class LightCurves(Part):
    """Light curves of source, background and their difference."""

    bands: Bands = _bands("0.6-2", "2-6", "6-10")
    time_bin: Annotated[float, Field(gt=0, description="Length of a bin in seconds.")] = 200.0
    exposure_threshold: Annotated[
        float, Field(ge=0, le=1, description="Bins exposed for less than this fraction are left out.")
    ] = 0.0
    net_errors: Annotated[
        Literal["gaussian", "linear"],
        Field(
            description="Errors of net curves, f being the ratio of BACKSCAL: gaussian is "
            "√(σ_s² + (f·σ_b)²), linear √(σ_s² + f·σ_b²); err_mode 2 and 1 of lcmath."
        ),
    ] = "gaussian"


class Spectra(Part):
    """Spectra over all channels."""

    grouping: Annotated[
        tuple[Annotated[str, BeforeValidator(_grouping), Field(pattern=GROUPING_PATTERN)], ...],
        Field(
            description="Grouped copies of the source spectrum: min:N (at least N counts a group), opt "
            "(optimal bins), optmin:N (both at once), bmin:N (at least N counts of the background)."
        ),
    ] = ("min:1", "opt")
    backscal: Annotated[
        Literal["exposure", "maximum"],
        Field(
            description="What BACKSCAL divides the exposure in a region by: the whole exposure, or the "
            "exposure map's maximum in the region; norm EXPOSURE and MAX of ahbackscal."
        ),
    ] = "exposure"

    @field_validator("grouping")
    @classmethod
    def _distinct(cls, grouping: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(grouping)) < len(grouping):
            raise ValueError("grouping names the same entry twice, so two products would have one name")
        return grouping

    @property
    def rules(self) -> tuple[GroupingRule, ...]:
        """The groupings as what they mean."""
        return tuple(map(GroupingRule.parse, self.grouping))
