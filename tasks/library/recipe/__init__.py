"""What to make: the recipe, a frozen and validated model read from TOML and shown as a form."""

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.core.errors import BadInput
from tasks.core.words import in_words
from tasks.library.recipe.engines import Archive, EngineName, Engines, HEASoft
from tasks.library.recipe.extraction import Exposure, Images, LightCurves, Spectra
from tasks.library.recipe.fit import Fit
from tasks.library.recipe.part import Part
from tasks.library.recipe.regions import Background, Source
from tasks.library.recipe.responses import Responses
from tasks.xtend.channels import Edges, channels
from tasks.xtend.known_cautions import KNOWN_CAUTIONS

__all__ = [
    "Archive",
    "Background",
    "EngineName",
    "Engines",
    "Exposure",
    "Fit",
    "HEASoft",
    "Images",
    "LightCurves",
    "Part",
    "Recipe",
    "Responses",
    "Source",
    "Spectra",
    "read_recipe",
]


class Recipe(Part):
    """Everything that decides what is made and how; a store belongs to one recipe name."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="A store holds products of one recipe name."),
    ] = "standard"
    engine: Annotated[
        EngineName,
        Field(description="How steps are done; auto takes HEASoft where it is installed, else native."),
    ] = "auto"
    engines: Engines = Engines()
    edges: Annotated[
        Edges, Field(description="Whether neighbouring bands share the channel at their common edge.")
    ] = "shared"
    images: Images = Images()
    exposure: Exposure = Exposure()
    light_curves: LightCurves = LightCurves()
    spectra: Spectra = Spectra()
    source: Source = Source()
    background: Background = Background()
    responses: Responses = Responses()
    fit: Fit = Fit()
    blocking: Annotated[
        tuple[str, ...],
        Field(description="Cautions on a dataset, by id, that forbid its responses and fits: pile-up."),
    ] = ()
    heasoft: HEASoft = HEASoft()
    archive: Archive = Archive()

    @field_validator("images", "exposure", "light_curves")
    @classmethod
    def _distinct(cls, part: Part) -> Part:
        for name in ("bands", "binnings"):
            entries = [str(entry) for entry in getattr(part, name, ())]
            if len(set(entries)) < len(entries):
                raise ValueError(f"{name} name the same entry twice, so two products would have one name")
        return part

    @field_validator("blocking")
    @classmethod
    def _known(cls, blocking: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(blocking) - KNOWN_CAUTIONS.keys()):
            known = ", ".join(sorted(KNOWN_CAUTIONS))
            raise ValueError(f"there is no caution {', '.join(unknown)}; there are {known}")
        return blocking

    @model_validator(mode="after")
    def _bands_have_channels(self) -> Self:
        for band in (*self.images.bands, *self.light_curves.bands):
            try:
                channels(band, self.edges)
            except BadInput as exc:
                raise ValueError(str(exc)) from exc
        return self

    @model_validator(mode="after")
    def _fit_has_its_groups(self) -> Self:
        if self.fit.model is not None and self.fit.grouping not in self.spectra.grouping:
            raise ValueError(f"fit.grouping is {self.fit.grouping}, and spectra.grouping does not name it")
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
