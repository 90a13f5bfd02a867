"""What planners of every engine ask of a step's inputs and of its order."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.core.errors import SoftwareFault
from tasks.engines.interface import StepInputs
from tasks.library.manifest import Kind, Manifest, Product, ProductSpec, Role, Step
from tasks.library.orders import Wanted

_VERSIONS: Final = ("PROCVER", "CALDBVER")


def manifest_of(inputs: StepInputs) -> Manifest:
    """What is published.

    Raises
    ------
    SoftwareFault
        When the dataset has not been processed.
    """
    if inputs.manifest is None:
        raise SoftwareFault(f"{inputs.dataset.key} has not been processed")
    return inputs.manifest


def facts_of(inputs: StepInputs) -> dict[str, Any]:
    """What processing told of the events: target, nominal aspect, versions."""
    return manifest_of(inputs).steps[Step.PROCESSING].facts


def identity_of(inputs: StepInputs) -> dict[str, Any]:
    """The keywords that say whose data a dataset's products are, by what processing told of the events."""
    facts = facts_of(inputs)
    versions = {key: value for key, value in facts.get("archive", {}).items() if key in _VERSIONS}
    simulated = {"SIMULATD": True} if facts.get("simulated") else {}
    own = {"OBS_ID": str(inputs.dataset.obsid), "DATACLAS": str(inputs.dataset.dataclass)}
    return {"TELESCOP": "XRISM", "INSTRUME": "XTEND", **own, **versions, **simulated}


def products_of(
    inputs: StepInputs, kind: Kind, role: Role | None = None, **entry: Any
) -> tuple[Product, ...]:
    """The published products of a kind, a role (any when None) and with these entries."""
    return manifest_of(inputs).find(kind, role, **entry)


def used_by(inputs: StepInputs, *requests: Mapping[str, Any]) -> list[Product]:
    """The products that requests name, besides those they make."""
    named = {
        name
        for request in requests
        for key, name in request.items()
        if key != "name" and isinstance(name, str)
    }
    return [product for product in manifest_of(inputs).products if product.name in named]


def links_to(inputs: StepInputs, products: Sequence[Product]) -> dict[str, str]:
    """Inputs of a call: name of each product → its local path."""
    return {product.name: str(inputs.locate(product)) for product in products}


def names_of(products: Sequence[Wanted]) -> tuple[str, ...]:
    """File names of the products wanted."""
    return tuple(item.spec.name for item in products)


def specs_of(products: Sequence[Wanted], kind: Kind) -> list[ProductSpec]:
    """What is wanted of a kind."""
    return [item.spec for item in products if item.spec.kind == kind]
