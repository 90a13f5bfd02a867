"""Responses that are not made here: those of the recipe, and the archive's own as a stand-in for the RMF."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.core.errors import BadInput
from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import file_sha256
from tasks.library.manifest import Kind, Product, Role, Step
from tasks.library.orders.order import Maker, Wanted
from tasks.xtend.cautions import notice

QUICK_LOOK = notice(
    "quick-look",
    "This RMF is the one of the archive's products folder, which is for a quick look only (GEN-1): it was "
    "made for another region, and maybe with another CALDB than these events.",
)


@dataclass(frozen=True)
class Given:
    """A file that is published as it is.

    Parameters
    ----------
    path : str
        Where it is: an absolute path, or of the archive's its name below the observation's folder.
    sha256 : str
        Of its content.
    origin : {"given", "archive"}
        Whether the recipe names it or the archive has it.
    """

    path: str
    sha256: str
    origin: Literal["given", "archive"]


def find_rmf(dataset: Dataset) -> Given | None:
    """The RMF of the recipe, else, where the engine makes none, the archive's.

    Raises
    ------
    BadInput
        When that of the recipe cannot be read.
    """
    asked, inputs = dataset.recipe.responses.rmf, dataset.inputs
    if asked is not None:
        return _of_recipe(dataset, asked, "rmf")
    if inputs.rmf is None or dataset.engine_of(Step.RESPONSES).name == "heasoft":
        return None
    return Given(inputs.rmf, inputs.sha256(inputs.rmf), "archive")


def find_arf(dataset: Dataset) -> Given | None:
    """The ARF of the recipe; the archive's holds for another region.

    Raises
    ------
    BadInput
        When it cannot be read.
    """
    asked = dataset.recipe.responses.arf
    return _of_recipe(dataset, asked, "arf") if asked is not None else None


def find_image(dataset: Dataset) -> Given:
    """The image that the source looks like, of the source type IMAGE.

    Raises
    ------
    BadInput
        When it cannot be read.
    """
    return _of_recipe(dataset, dataset.recipe.responses.image or "", "image")


def want_rmf(make: Maker, found: Given) -> Wanted:
    """The RMF as a product; its name tells the class where its header does not."""
    return make.want(
        Kind.RMF,
        Role.SOURCE,
        names.rmf(make.dataset.obsid, make.dataset.dataclass),
        found.sha256,
        entry={"origin": found.origin},
        cautions=(QUICK_LOOK,) if found.origin == "archive" else (),
        file=found.path.rpartition("/")[2],
    )


def want_arf(make: Maker, found: Given, spectrum: Product, rmf: Wanted) -> Wanted:
    """The ARF as a product: it has to go with the RMF, and to cover the energies of fits."""
    return make.want(
        Kind.ARF,
        Role.SOURCE,
        names.arf(spectrum.name),
        found.sha256,
        rmf.fingerprint,
        entry={"origin": found.origin},
        fit_band=make.dataset.recipe.responses.fit_band_kev,
    )


def _of_recipe(dataset: Dataset, path: str, field: str) -> Given:
    own = path.replace("{obsid}", dataset.obsid).replace("{dataclass}", dataset.dataclass)
    absolute = Path(own).absolute()
    try:
        return Given(str(absolute), file_sha256(absolute), "given")
    except OSError as exc:
        why = exc.strerror or str(exc)
        raise BadInput(f"responses.{field} of the recipe, {absolute}, cannot be read: {why}") from exc
