"""Whether a model is fitted to the source's spectrum, and which."""

from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.library.recipe.part import Part
from tasks.library.spectral.abundances import Abundances
from tasks.library.spectral.model import Model
from tasks.library.spectral.result import Statistic
from tasks.xtend.grouping import GROUPING_PATTERN

Forbidding = Literal["no-source-at-target", "extended-target", "no-effective-area"]
FORBIDDING: Final[tuple[Forbidding, ...]] = get_args(Forbidding)
"""Cautions with which a fit means little, so that it is made only when the recipe insists."""


class Fit(Part):
    """A fit of the source's spectrum, the last step; none is made without a model."""

    model: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Expression as XSPEC writes it, such as phabs*powerlaw; without one nothing is "
            "fitted. Sherpa has phabs, powerlaw, bbody, bremss and gaussian; others need XSPEC (HEASoft).",
        ),
    ] = None
    band: Annotated[
        Band, Field(description="Energies in keV, written LOW-HIGH; groups wholly inside are used.")
    ] = Band.parse("0.5-10")
    freeze: dict[str, float] = Field(
        default_factory=dict, description="Parameters that keep a value, such as phabs.nH = 0.07."
    )
    start: dict[str, float] = Field(
        default_factory=dict, description="Values that free parameters start from, by the same names."
    )
    bounds: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="Lowest and highest value of parameters, within XSPEC's own limits.",
    )
    statistic: Annotated[
        Statistic | None,
        Field(description="Without it wstat where there is a background, else cstat."),
    ] = None
    grouping: Annotated[
        str,
        Field(
            pattern=GROUPING_PATTERN,
            description="Which of the grouped spectra is fitted: the entry of spectra that makes it.",
        ),
    ] = "opt"
    abundances: Annotated[
        Abundances, Field(description="Table of abundances of absorbing gas, by XSPEC's name.")
    ] = "angr"
    despite: Annotated[
        tuple[Forbidding, ...],
        Field(description="Cautions, by id, in spite of which the fit is made."),
    ] = ()

    @field_validator("freeze", "start", "bounds", mode="before")
    @classmethod
    def _by_whole_names(cls, given: object) -> object:
        """TOML takes `phabs.nH = 0.07` without quotation marks for a table `phabs`."""
        if not isinstance(given, dict):
            return given
        nested = {name: value if isinstance(value, dict) else {"": value} for name, value in given.items()}
        return {
            f"{name}.{own}" if own else name: value
            for name, values in nested.items()
            for own, value in values.items()
        }

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        """The model and its parameters, as far as they are known without XSPEC."""
        if self.model is None:
            return self
        try:
            model = Model.build(
                self.model, frozen=self.freeze, start=self.start, bounds=self.bounds, xspec=True
            )
        except BadInput as exc:
            raise ValueError(str(exc)) from exc
        if not model.free and not model.of_xspec:
            raise ValueError(f"every parameter of {self.model} is frozen: nothing is left to fit")
        return self
