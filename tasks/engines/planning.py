"""What planners of every engine ask of a step's inputs and of its order."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.errors import SoftwareFault
from tasks.engines.interface import StepInputs
from tasks.library.manifest import Kind, Manifest, Product, ProductSpec, Role, Step
from tasks.library.orders import Wanted


def facts_of(inputs: StepInputs) -> dict[str, Any]:
    """What processing told of the events: target, nominal aspect, versions."""
    return _manifest(inputs).steps[Step.PROCESSING].facts


def products_of(
    inputs: StepInputs, kind: Kind, role: Role | None = None, **entry: Any
) -> tuple[Product, ...]:
    """The published products of a kind, a role (any when None) and with these entries."""
    return _manifest(inputs).find(kind, role, **entry)


def used_by(inputs: StepInputs, *requests: Mapping[str, Any]) -> list[Product]:
    """The products that requests name, besides those they make."""
    named = {
        name
        for request in requests
        for key, name in request.items()
        if key != "name" and isinstance(name, str)
    }
    return [product for product in _manifest(inputs).products if product.name in named]


def links_to(inputs: StepInputs, products: Sequence[Product]) -> dict[str, str]:
    """Inputs of a call: name of each product → its local path."""
    return {product.name: str(inputs.locate(product)) for product in products}


def names_of(products: Sequence[Wanted]) -> tuple[str, ...]:
    """File names of the products wanted."""
    return tuple(item.spec.name for item in products)


def specs_of(products: Sequence[Wanted], kind: Kind) -> list[ProductSpec]:
    """What is wanted of a kind."""
    return [item.spec for item in products if item.spec.kind == kind]


def _manifest(inputs: StepInputs) -> Manifest:
    if inputs.manifest is None:
        raise SoftwareFault(f"{inputs.dataset.key} has not been processed")
    return inputs.manifest
