"""Where source and background events are taken."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.library.recipe.part import Part


class Source(Part):
    """Where source events are taken: a circle at the target, or what a region file says."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius in arcmin.")] = 2.0
    minimum_fraction: Annotated[
        float,
        Field(ge=0, le=1, description="Nothing is taken at the target where less of the region is exposed."),
    ] = 0.2
    centre: Annotated[
        Literal["target", "peak"],
        Field(description="Whether the circle stands at the target or at the brightest source beside it."),
    ] = "target"
    shift_arcsec: Annotated[
        float, Field(gt=0, le=300, description="How far from the target a peak may lie, in arcsec.")
    ] = 30.0
    region_folder: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Folder with region files that override the rules: {obsid}_src.reg and "
            "{obsid}_back.reg, or for one data class {obsid}_{dataclass}_src.reg and so on.",
        ),
    ] = None


class Background(Part):
    """Where background events are taken: the best circle on the same data class, by rule."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius of the circle in arcmin.")] = 3.0
    minimum_radius_arcmin: Annotated[
        float, Field(gt=0, le=15, description="How far it may shrink where no larger circle does well.")
    ] = 1.5
    minimum_fraction: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="No background is taken with less than this part of the exposed area that the best "
            "placed circle of its size has in the field.",
        ),
    ] = 0.25
