"""A dataset as the steps see it: which files, which recipe, which engine."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import InputFile, Step
from tasks.library.recipe import Recipe
from tasks.xtend.cautions import Caution

LISTING = "listing.sha256"
"""File in the working directory of a download that holds the hash of the archive's listing."""


class DatasetInputs(BaseModel):
    """The verified archive files of a dataset, named relative to the observation's folder.

    Parameters
    ----------
    events : tuple of str
        Cleaned event files, in the order of their split counter.
    bad_pixels, ehk : str or None
        Bad-pixel image and extended housekeeping, where the archive has them.
    rmf : str or None
        The archive's own response, where it has one and none is made.
    inputs : tuple of InputFile
        Size and hash of each; what xtdpipeline reads is among them where the observation is reprocessed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Annotated[tuple[str, ...], Field(min_length=1)]
    bad_pixels: str | None = None
    ehk: str | None = None
    rmf: str | None = None
    inputs: tuple[InputFile, ...]

    def sha256(self, name: str) -> str:
        """The hash of one of the files."""
        return next(file.sha256 for file in self.inputs if file.name == name)


class EngineUse(BaseModel):
    """The engine that does a step: its name and versions, which are part of every fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    versions: dict[str, str]


class Dataset(BaseModel):
    """One ObsID × one data class with everything that decides its products.

    Parameters
    ----------
    obsid, dataclass : ObsID, DataClass
        Which one.
    recipe : Recipe
        What to make.
    inputs : DatasetInputs
        From what.
    engines : dict
        How: the engine of each step, resolved at selection.
    cautions : tuple of Caution
        What discovery noticed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    obsid: ObsID
    dataclass: DataClass
    recipe: Recipe
    inputs: DatasetInputs
    engines: dict[Step, EngineUse]
    cautions: tuple[Caution, ...] = ()

    @property
    def key(self) -> str:
        """The dataset's folder in the store: `{obsid}/{dataclass}`."""
        return f"{self.obsid}/{self.dataclass}"

    def engine_of(self, step: Step) -> EngineUse:
        """The engine that does a step."""
        return self.engines[step]


def recipe_hash(recipe: Recipe) -> str:
    """The hash that products carry in their RECIPE keyword; versions of software stand beside it.

    How often the archive is looked at decides no product.
    """
    parts = recipe.model_dump(mode="json", exclude={"heasoft": {"version", "caldb"}})
    return fingerprint({name: part for name, part in parts.items() if name != "archive"})
