"""A model in energy bins: from values of its parameters to photons."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tasks.fitting.components import SHAPES
from tasks.library.spectral.abundances import Abundances
from tasks.library.spectral.expression import Leaf, Node, Sum
from tasks.library.spectral.model import Model

Floats = NDArray[np.float64]
Photons = Callable[[Mapping[str, float]], Floats]
"""From values by name to photons/cm²/s in each energy bin."""


def photons_of(model: Model, low: Floats, high: Floats) -> Photons:
    """A model on energy bins.

    Parameters
    ----------
    model : Model
        Of components of `SHAPES`.
    low, high : ndarray, shape (n,)
        Bounds of the bins in keV.

    Raises
    ------
    EnvironmentFault
        When a component needs a package that is not installed.
    """
    return _photons(model.node, low, high, model.abundances)


def _photons(node: Node, low: Floats, high: Floats, abundances: Abundances) -> Photons:
    if isinstance(node, Leaf):
        return _component(node, low, high, abundances)
    parts = [_photons(part, low, high, abundances) for part in node.parts]
    combine = np.add.reduce if isinstance(node, Sum) else np.multiply.reduce

    def combined(values: Mapping[str, float]) -> Floats:
        return np.asarray(combine([part(values) for part in parts]))

    return combined


def _component(leaf: Leaf, low: Floats, high: Floats, abundances: Abundances) -> Photons:
    shape = SHAPES[leaf.component.name](low, high, abundances)
    names = {parameter.name: f"{leaf.label}.{parameter.name}" for parameter in leaf.component.parameters}

    def single(values: Mapping[str, float]) -> Floats:
        return shape(**{own: values[full] for own, full in names.items()})

    return single
