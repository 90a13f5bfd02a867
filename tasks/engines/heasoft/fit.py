"""Fits with XSPEC itself."""

from collections.abc import Sequence

from tasks.engines.fits import fit_call
from tasks.engines.interface import StepInputs
from tasks.library.call import Call
from tasks.library.orders import Wanted


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The one call of a fit, in whose process PyXspec is imported."""
    return [fit_call(inputs, products, "xspec")]
