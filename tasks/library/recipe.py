"""What to make: the recipe, a frozen and validated model read from TOML and shown as a form."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.core.words import in_words
from tasks.xtend.channels import Edges, channels

Bands = Annotated[tuple[Band, ...], Field(description="Energy bands in keV, each written LOW-HIGH.")]
Binnings = Annotated[
    tuple[Annotated[int, Field(ge=1, le=64)], ...],
    Field(description="How many sky pixels of 1.768″ are summed per axis."),
]


def _bands(*texts: str) -> tuple[Band, ...]:
    return tuple(Band.parse(text) for text in texts)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Images(_Part):
    """Counts images, good time applied."""

    bands: Bands = _bands("0.6-2", "2-10", "0.4-2", "0.6-10")
    binnings: Binnings = (1, 4)


class Exposure(_Part):
    """Exposure maps and the images divided by them."""

    delta_arcmin: Annotated[
        float, Field(gt=0, description="Width of an off-axis step of the attitude, in arcmin.")
    ] = 20.0
    numphi: Annotated[int, Field(ge=0, le=360, description="Azimuth wedges of the first ring.")] = 1
    binnings: Binnings = (1, 4)
    minimum_fraction: Annotated[
        float,
        Field(gt=0, le=1, description="Rate images are blank below this fraction of the maximum exposure."),
    ] = 0.05


class LightCurves(_Part):
    """Light curves of source, background and their difference."""

    bands: Bands = _bands("0.6-2", "2-6", "6-10")
    time_bin: Annotated[float, Field(gt=0, description="Length of a bin in seconds.")] = 200.0
    exposure_threshold: Annotated[
        float, Field(ge=0, le=1, description="Bins exposed for less than this fraction are left out.")
    ] = 0.0


class Spectra(_Part):
    """Spectra over all channels."""

    group_minimum: Annotated[
        int, Field(ge=1, le=1_000_000, description="Counts that each group must reach.")
    ] = 1


class Source(_Part):
    """Where source events are taken: a circle at the target."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius in arcmin.")] = 2.0


class Background(_Part):
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


class Recipe(_Part):
    """Everything that decides what is made and how; a store belongs to one recipe name."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="A store holds products of one recipe name."),
    ] = "standard"
    engine: Annotated[
        Literal["auto", "native"],
        Field(description="How steps are done; auto takes the best engine that is installed."),
    ] = "auto"
    edges: Annotated[
        Edges, Field(description="Whether neighbouring bands share the channel at their common edge.")
    ] = "shared"
    images: Images = Images()
    exposure: Exposure = Exposure()
    light_curves: LightCurves = LightCurves()
    spectra: Spectra = Spectra()
    source: Source = Source()
    background: Background = Background()

    @field_validator("images", "exposure", "light_curves")
    @classmethod
    def _distinct(cls, part: _Part) -> _Part:
        for name in ("bands", "binnings"):
            entries = [str(entry) for entry in getattr(part, name, ())]
            if len(set(entries)) < len(entries):
                raise ValueError(f"{name} name the same entry twice, so two products would have one name")
        return part

    @model_validator(mode="after")
    def _bands_have_channels(self) -> Self:
        for band in (*self.images.bands, *self.light_curves.bands):
            try:
                channels(band, self.edges)
            except BadInput as exc:
                raise ValueError(str(exc)) from exc
        return self

    @model_validator(mode="after")
    def _background_clears_source(self) -> Self:
        if self.background.distance_arcmin < self.background.radius_arcmin + self.source.radius_arcmin:
            raise ValueError("the background circles overlap the source: raise background.distance_arcmin")
        return self


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises
    ------
    BadInput
        When the file cannot be read, is no TOML, or holds a key or value that a recipe does not have.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise BadInput(f"the recipe {path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"the recipe {path} is no TOML: {exc}") from exc
    except ValidationError as exc:
        raise BadInput(f"the recipe {path} does not hold: {in_words(exc)}") from exc
