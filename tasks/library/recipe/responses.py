"""Which responses a spectrum gets."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tasks.library.recipe.part import Part


class Responses(Part):
    """RMF and ARF of the source spectrum."""

    rmf: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Path of an RMF that is used as it is, where the worker runs; {obsid} and "
            "{dataclass} in it stand for those of each dataset.",
        ),
    ] = None
    arf: Annotated[
        str | None,
        Field(min_length=1, description="Path of an ARF that is used as it is, written in the same way."),
    ] = None
    source_type: Annotated[
        Literal["POINT", "FLATCIRCLE", "BETAMODEL", "IMAGE"],
        Field(description="Shape of the source that xaarfgen traces."),
    ] = "POINT"
    flat_radius_arcmin: Annotated[
        float, Field(gt=0, le=60, description="Radius of a FLATCIRCLE in arcmin.")
    ] = 10.0
    beta: Annotated[
        tuple[float, float, float],
        Field(description="Of a BETAMODEL: core radius in arcmin, beta, outer radius in arcmin."),
    ] = (0.5, 0.6, 5.0)
    image: Annotated[
        str | None, Field(min_length=1, description="Of the source type IMAGE: the image's path.")
    ] = None
    numphoton: Annotated[
        int, Field(ge=1, le=10**9, description="Photons that are traced per energy and off-axis step.")
    ] = 300_000
    minphoton: Annotated[
        int, Field(ge=1, le=10**9, description="Photons that must reach the region at each energy.")
    ] = 100
    erange: Annotated[
        tuple[float, float, float, float],
        Field(
            description="Of xaarfgen, in keV: lowest and highest energy of the ARF, and of the source type "
            "IMAGE those of the image (0, 0 for other types)."
        ),
    ] = (0.3, 18.0, 0.0, 0.0)
    fit_band_kev: Annotated[
        tuple[float, float], Field(description="The energies that an ARF has to cover, in keV.")
    ] = (0.5, 10.0)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.source_type == "IMAGE" and self.image is None:
            raise ValueError("the source type IMAGE needs an image")
        if min(self.beta) <= 0:
            raise ValueError("the three numbers of beta must be positive")
        lowest, highest, *of_image = self.erange
        if not 0 < lowest < highest or not (0 <= of_image[0] < of_image[1] or of_image == [0, 0]):
            raise ValueError("erange is LOWEST HIGHEST LOW HIGH, each pair rising (0, 0: there is no image)")
        if self.source_type == "IMAGE" and not of_image[0]:
            raise ValueError("the source type IMAGE needs the energies of its image, the last two of erange")
        if not lowest <= self.fit_band_kev[0] < self.fit_band_kev[1] <= highest:
            raise ValueError("fit_band_kev is LOW HIGH and lies within the first two numbers of erange")
        return self
