"""Where source and background events are taken."""

from typing import Annotated

from pydantic import Field

from tasks.library.recipe.part import Part


class Source(Part):
    """Where source events are taken: a circle at the target."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius in arcmin.")] = 2.0


class Background(Part):
    """Where background events are taken: the best exposed of a ring of circles around the target."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius of each circle in arcmin.")] = 3.0
    distance_arcmin: Annotated[
        float, Field(gt=0, le=25, description="Distance of the circles' centres from the target.")
    ] = 8.0
    candidates: Annotated[int, Field(ge=1, le=72, description="How many circles stand on the ring.")] = 16
    minimum_fraction: Annotated[
        float,
        Field(gt=0, le=1, description="No background is taken when less of the best circle is exposed."),
    ] = 0.25
