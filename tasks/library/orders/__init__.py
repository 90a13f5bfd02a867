"""What each step has to make for a dataset: products with names and fingerprints.

The fingerprint of a product holds the step's version, the engine and its versions, the part of the recipe
that concerns it, and the hashes of what it is made from. So a changed band remakes that band's products
and nothing else.
"""

from collections.abc import Callable

from tasks.core.errors import SoftwareFault
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Step
from tasks.library.orders import derived, exposure, extraction, fit, processing, regions, responses
from tasks.library.orders.order import STEP_VERSIONS, Order, Wanted

__all__ = ["PRODUCT_STEPS", "STEP_VERSIONS", "Order", "Wanted", "order"]

PRODUCT_STEPS = (Step.EXPOSURE, Step.REGIONS, Step.EXTRACTION, Step.DERIVED, Step.RESPONSES, Step.FIT)

_ORDERS: dict[Step, Callable[[Dataset, Manifest], Order]] = {
    Step.EXPOSURE: exposure.order,
    Step.REGIONS: regions.order,
    Step.EXTRACTION: extraction.order,
    Step.DERIVED: derived.order,
    Step.RESPONSES: responses.order,
    Step.FIT: fit.order,
}


def order(step: Step, dataset: Dataset, manifest: Manifest | None) -> Order:
    """What a step has to make, given what the steps before it have made.

    Raises
    ------
    SoftwareFault
        When the dataset has not been processed.
    """
    if step == Step.PROCESSING:
        return processing.order(dataset)
    if manifest is None or not manifest.find(Kind.EVENTS):
        raise SoftwareFault(f"{dataset.key}: the step {step} needs the cleaned events; run processing first")
    return _ORDERS[step](dataset, manifest)
