"""An order: the products a step is asked for, and what the recipe asks for and the dataset cannot give."""

from dataclasses import dataclass
from typing import Any

from tasks.core.identifiers import Band
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, NotMade, ProductSpec, Role, Step
from tasks.xtend.cautions import Caution, notice, severe
from tasks.xtend.channels import channels, energies_kev

STEP_VERSIONS = {
    Step.PROCESSING: 2,
    Step.EXPOSURE: 3,
    Step.REGIONS: 2,
    Step.EXTRACTION: 3,
    Step.DERIVED: 2,
    Step.RESPONSES: 2,
    Step.FIT: 1,
}
"""Raised by hand whenever a step's results change: everything it made is then stale."""

LOW_ENERGY_KEV = 0.4
"""At and below this energy Xtend's response is not trusted."""


@dataclass(frozen=True)
class Wanted:
    """A product to be, and the hash over everything that decides it."""

    spec: ProductSpec
    fingerprint: str
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True)
class Order:
    """Everything a step is asked for.

    Parameters
    ----------
    wanted : tuple of Wanted
        What it makes.
    not_made : tuple of NotMade
        What the recipe asks for and the dataset cannot give.
    cautions : tuple of Caution
        On the dataset.
    """

    wanted: tuple[Wanted, ...]
    not_made: tuple[NotMade, ...] = ()
    cautions: tuple[Caution, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The step's fingerprint: over everything in the order."""
        return fingerprint([item.fingerprint for item in self.wanted], self.not_made, self.cautions)


@dataclass(frozen=True)
class Maker:
    """Makes a dataset's wanted products of one step."""

    dataset: Dataset
    step: Step

    def want(
        self,
        kind: Kind,
        role: Role,
        name: str,
        *sources: str,
        entry: dict[str, Any] | None = None,
        cautions: tuple[Caution, ...] = (),
        **parameters: Any,
    ) -> Wanted:
        """A wanted product.

        Parameters
        ----------
        kind, role, name, entry
            As in `ProductSpec`.
        *sources : str
            Hashes of what it is made from.
        cautions : tuple of Caution
            On the product.
        **parameters
            What else decides it.
        """
        spec = ProductSpec(step=self.step, kind=kind, role=role, name=name, entry=entry or {})
        engine = self.dataset.engine_of(self.step)
        how = engine.name, engine.versions
        made_of = fingerprint(STEP_VERSIONS[self.step], how, spec, sources, parameters)
        return Wanted(spec, made_of, cautions)

    def refuse(self, kind: Kind, role: Role, why: str, name: str | None = None) -> NotMade:
        """Something that cannot be made of this dataset."""
        return NotMade(step=self.step, kind=kind, role=role, why=why, name=name)


def hashes(manifest: Manifest, kind: Kind, role: Role | None = None, **entry: Any) -> tuple[str, ...]:
    """Fingerprints of the products of a kind, as sources of others."""
    return tuple(product.fingerprint for product in manifest.find(kind, role, **entry))


def band_entry(dataset: Dataset, band: Band) -> dict[str, Any]:
    """How a band stands in a product's entry: as asked for, in channels, and the true keV of these."""
    selection = channels(band, dataset.recipe.edges)
    return {"band": str(band), "channels": list(selection), "kev": list(energies_kev(selection))}


def low_energy(band: Band) -> tuple[Caution, ...]:
    """The caution on a product that reaches below 0.6 keV."""
    if float(band.low) <= LOW_ENERGY_KEV:
        return (severe("low-energy", f"{band} keV: do not trust Xtend at and below 0.4 keV."),)
    if float(band.low) < 0.6:
        return (notice("low-energy", f"{band} keV: below 0.6 keV images and rates are uncertain."),)
    return ()
