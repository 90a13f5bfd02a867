"""Components of models that can be asked for, under XSPEC's names, with XSPEC's parameters and units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["additive", "multiplicative", "any"]
"""Emission, what changes it, or a model of XSPEC of which only the name is known."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a component: its name in XSPEC, unit, start value and bounds (XSPEC's hard limits)."""

    name: str
    unit: str
    start: float
    low: float
    high: float


@dataclass(frozen=True)
class Component:
    """A component of a model.

    Parameters
    ----------
    name : str
        As in XSPEC.
    kind : {"additive", "multiplicative", "any"}
        What it is to others.
    parameters : tuple of Parameter
        In XSPEC's order.
    """

    name: str
    kind: Kind
    parameters: tuple[Parameter, ...] = ()


_NORM: Final = (1.0, 0.0, 1e24)
_WEAK: Final = 0.01
"""Where the norm of a line starts, not at XSPEC's 1: beside a continuum of 1 it would begin as all there is,
and a fit would first of all move it away."""

COMPONENTS: Final[Mapping[str, Component]] = {
    component.name: component
    for component in (
        Component("phabs", "multiplicative", (Parameter("nH", "1e22 cm^-2", 1.0, 0.0, 1e6),)),
        Component(
            "powerlaw",
            "additive",
            (
                Parameter("PhoIndex", "", 1.0, -3.0, 10.0),
                Parameter("norm", "photons / (keV cm^2 s) at 1 keV", *_NORM),
            ),
        ),
        Component(
            "bbody",
            "additive",
            (
                Parameter("kT", "keV", 3.0, 1e-4, 200.0),
                Parameter("norm", "1e39 erg/s / (10 kpc)^2", *_NORM),
            ),
        ),
        Component(
            "bremss",
            "additive",
            (
                Parameter("kT", "keV", 7.0, 1e-4, 200.0),
                Parameter("norm", "3.02e-15 / (4 pi D^2) int n_e n_I dV", *_NORM),
            ),
        ),
        Component(
            "gaussian",
            "additive",
            (
                Parameter("LineE", "keV", 6.5, 0.0, 1e6),
                Parameter("Sigma", "keV", 0.1, 0.0, 20.0),
                Parameter("norm", "photons / (cm^2 s)", _WEAK, *_NORM[1:]),
            ),
        ),
    )
}
