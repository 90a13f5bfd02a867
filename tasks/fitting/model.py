"""A spectral model with its parameters: values to start from, bounds, and which are frozen."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.fitting.abundances import TABLES, Abundances
from tasks.fitting.expression import Leaf, Node, Sum, leaves, parse

Floats = NDArray[np.float64]
Spectral = Callable[[Mapping[str, float]], Floats]
"""From values by name to photons/cm²/s in each energy bin."""


@dataclass(frozen=True)
class FreeParameter:
    """A parameter of a model.

    Parameters
    ----------
    name : str
        `component.Parameter` as in XSPEC.
    unit : str
        Empty for a pure number.
    start : float
        The value to start from, or to stay at.
    low, high : float
        Bounds.
    frozen : bool
        Whether it stays.
    given : bool
        Whether the caller chose the start value.
    """

    name: str
    unit: str
    start: float
    low: float
    high: float
    frozen: bool = False
    given: bool = False

    @property
    def scales(self) -> bool:
        """Whether it is a normalisation that may be set from the counts before the fit."""
        return self.name.endswith(".norm") and not self.frozen and not self.given


@dataclass(frozen=True)
class Model:
    """A model expression with its parameters.

    Parameters
    ----------
    expression : str
        As given.
    node : Node
        What it means.
    parameters : tuple of FreeParameter
        In the order of the expression.
    abundances : {"angr", "aspl", "wilm"}
        Of the absorbing gas.
    """

    expression: str
    node: Node
    parameters: tuple[FreeParameter, ...]
    abundances: Abundances = "angr"

    @classmethod
    def build(
        cls,
        expression: str,
        *,
        frozen: Mapping[str, float] | None = None,
        start: Mapping[str, float] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        abundances: str = "angr",
    ) -> Self:
        """The model of an expression.

        Parameters
        ----------
        expression : str
            Such as `phabs*(powerlaw + gaussian)`.
        frozen, start : mapping of str to float, optional
            Values by `component.Parameter`, to stay at or to start from; names in any case.
        bounds : mapping of str to (float, float), optional
            Lowest and highest value, within XSPEC's hard limits.
        abundances : str
            Name of the table of abundances.

        Raises
        ------
        BadInput
            When the expression, a name or a value does not hold.
        """
        table = next((name for name in TABLES if name == abundances), None)
        if table is None:
            raise BadInput(f"there is no table of abundances {abundances!r}: known are {', '.join(TABLES)}")
        node = parse(expression)
        model = cls(expression, node, _defaults(node), table)
        for name, (low, high) in (bounds or {}).items():
            model = model._changed(_bounded(model._named(name), low, high))
        for values, stays in ((start or {}, False), (frozen or {}, True)):
            for name, value in values.items():
                model = model._changed(_placed(model._named(name), value, stays))
        return model

    @property
    def free(self) -> tuple[FreeParameter, ...]:
        """What a fit may change."""
        return tuple(parameter for parameter in self.parameters if not parameter.frozen)

    @property
    def values(self) -> dict[str, float]:
        """Start values by name."""
        return {parameter.name: parameter.start for parameter in self.parameters}

    def at(self, values: Mapping[str, float]) -> Self:
        """The same model that starts from other values."""
        changed = tuple(
            replace(parameter, start=values.get(parameter.name, parameter.start))
            for parameter in self.parameters
        )
        return replace(self, parameters=changed)

    def on(self, low: Floats, high: Floats) -> Spectral:
        """The model on energy bins.

        Parameters
        ----------
        low, high : ndarray, shape (n,)
            Bounds of the bins in keV.

        Raises
        ------
        EnvironmentFault
            When a component needs a package that is not installed.
        """
        return _spectral(self.node, low, high, self.abundances)

    def _named(self, name: str) -> FreeParameter:
        for parameter in self.parameters:
            if parameter.name.lower() == name.strip().lower():
                return parameter
        known = ", ".join(parameter.name for parameter in self.parameters)
        raise BadInput(f"{self.expression} has no parameter {name}: it has {known}")

    def _changed(self, new: FreeParameter) -> Self:
        return replace(
            self, parameters=tuple(new if old.name == new.name else old for old in self.parameters)
        )


def _defaults(node: Node) -> tuple[FreeParameter, ...]:
    return tuple(
        FreeParameter(
            f"{leaf.label}.{parameter.name}", parameter.unit, parameter.start, parameter.low, parameter.high
        )
        for leaf in leaves(node)
        for parameter in leaf.component.parameters
    )


def _bounded(parameter: FreeParameter, low: float, high: float) -> FreeParameter:
    if not parameter.low <= low < high <= parameter.high:
        raise BadInput(
            f"the bounds {low:g} to {high:g} of {parameter.name} are upside down or outside of "
            f"{parameter.low:g} to {parameter.high:g}"
        )
    return replace(parameter, low=low, high=high, start=min(max(parameter.start, low), high))


def _placed(parameter: FreeParameter, value: float, stays: bool) -> FreeParameter:
    if not (math.isfinite(value) and parameter.low <= value <= parameter.high):
        raise BadInput(
            f"{parameter.name} cannot be {value:g}: it lies between {parameter.low:g} and {parameter.high:g}"
        )
    return replace(parameter, start=value, frozen=stays, given=True)


def _spectral(node: Node, low: Floats, high: Floats, abundances: Abundances) -> Spectral:
    if isinstance(node, Leaf):
        return _component(node, low, high, abundances)
    parts = [_spectral(part, low, high, abundances) for part in node.parts]
    combine = np.add.reduce if isinstance(node, Sum) else np.multiply.reduce

    def combined(values: Mapping[str, float]) -> Floats:
        return np.asarray(combine([part(values) for part in parts]))

    return combined


def _component(leaf: Leaf, low: Floats, high: Floats, abundances: Abundances) -> Spectral:
    shape = leaf.component.on(low, high, abundances)
    names = {parameter.name: f"{leaf.label}.{parameter.name}" for parameter in leaf.component.parameters}

    def single(values: Mapping[str, float]) -> Floats:
        return shape(**{own: values[full] for own, full in names.items()})

    return single
