"""The call of a fit, whichever engine makes it."""

from collections.abc import Sequence
from typing import Final, Literal

from tasks.core.errors import SoftwareFault
from tasks.engines.interface import StepInputs
from tasks.engines.planning import links_to, names_of, products_of
from tasks.library.call import Call
from tasks.library.manifest import Kind, Role
from tasks.library.orders import Wanted

_MINUTES: Final = 60.0


def fit_call(inputs: StepInputs, products: Sequence[Wanted], fitter: Literal["sherpa", "xspec"]) -> Call:
    """The call that fits the source's spectrum with its background and response."""
    recipe, [item] = inputs.dataset.recipe.fit, products
    found = {
        "spectrum": products_of(inputs, Kind.GROUPED_SPECTRUM, Role.SOURCE, grouping=recipe.grouping),
        "background": products_of(inputs, Kind.SPECTRUM, Role.BACKGROUND),
        "rmf": products_of(inputs, Kind.RMF),
        "arf": products_of(inputs, Kind.ARF),
    }
    if not (found["spectrum"] and found["rmf"]):
        raise SoftwareFault("a fit was ordered without a spectrum or its response")
    used = {name: products[0] for name, products in found.items() if products}
    return Call(
        function="tasks.fitting.step:fit_spectrum",
        parameters={
            "name": item.spec.name,
            "fitter": fitter,
            "files": {name: product.name for name, product in used.items()},
            **recipe.model_dump(mode="json", exclude={"despite"}),
        },
        inputs=links_to(inputs, list(used.values())),
        outputs=names_of(products),
        timeout=60 * _MINUTES,
    )
