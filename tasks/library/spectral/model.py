"""A spectral model with its parameters: values to start from, bounds, and which are frozen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from tasks.core.errors import BadInput
from tasks.library.spectral.abundances import TABLES, Abundances
from tasks.library.spectral.expression import Node, leaves, parse


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
        xspec: bool = False,
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
        xspec : bool
            Whether models that only XSPEC has may stand in it; their parameters are XSPEC's to judge, and
            none is listed.

        Raises
        ------
        BadInput
            When the expression, a name or a value does not hold.
        """
        table = next((name for name in TABLES if name == abundances), None)
        if table is None:
            raise BadInput(f"there is no table of abundances {abundances!r}: known are {', '.join(TABLES)}")
        node = parse(expression, xspec=xspec)
        model = cls(expression, node, _defaults(node), table)
        for name, (low, high) in (bounds or {}).items():
            if parameter := model._named(name):
                model = model._changed(_bounded(parameter, low, high))
        for values, stays in ((start or {}, False), (frozen or {}, True)):
            for name, value in values.items():
                if parameter := model._named(name):
                    model = model._changed(_placed(parameter, value, stays))
        return model

    @property
    def of_xspec(self) -> tuple[str, ...]:
        """Components that only XSPEC has, by their labels."""
        return tuple(leaf.label for leaf in leaves(self.node) if leaf.kind == "any")

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

    def _named(self, name: str) -> FreeParameter | None:
        """The parameter of a name; None where only XSPEC can tell."""
        for parameter in self.parameters:
            if parameter.name.lower() == name.strip().lower():
                return parameter
        if name.strip().lower().partition(".")[0] in self.of_xspec:
            return None
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
