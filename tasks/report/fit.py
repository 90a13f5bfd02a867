"""The fit of a dataset as its page tells it."""

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from tasks.core.errors import SoftwareFault
from tasks.library.manifest import Kind, Manifest, Step
from tasks.library.spectral.result import FitResult
from tasks.report.words import band_words, figure_words, range_words
from tasks.xtend.cautions import Caution

_NAMES: Final = {"sherpa": "Sherpa", "xspec": "XSPEC"}


@dataclass(frozen=True)
class Row:
    """A parameter as it stands in the table."""

    name: str
    value: str
    ends: str
    unit: str


@dataclass(frozen=True)
class FitSection:
    """What the page tells of a fit.

    Parameters
    ----------
    model : str
        The expression.
    rows : tuple of Row
        Parameters in the order of the model.
    confidence : str
        Of the ranges.
    facts : dict
        What stands below the table, by its name.
    cautions : tuple of Caution
        On the fit.
    """

    model: str
    rows: tuple[Row, ...]
    confidence: str
    facts: dict[str, str]
    cautions: tuple[Caution, ...]


def fit_section(manifest: Manifest) -> FitSection | None:
    """What a page tells of the fit; None where there is none.

    Raises
    ------
    SoftwareFault
        When the manifest tells of none that can be read.
    """
    products = manifest.find(Kind.FIT)
    if not products:
        return None
    try:
        result = FitResult.model_validate(manifest.steps[Step.FIT].facts["fit"])
    except (KeyError, ValidationError) as exc:
        raise SoftwareFault(f"the manifest does not tell what {products[0].name} holds") from exc
    return FitSection(
        model=result.model,
        rows=tuple(_rows(result)),
        confidence=f"{100 * result.confidence:g} %",
        facts=_facts(result),
        cautions=products[0].cautions,
    )


def _rows(result: FitResult) -> list[Row]:
    rows = []
    for name, one in result.parameters.items():
        value, ends = range_words(one.value, one.low, one.high)
        rows.append(Row(name, value, "frozen" if one.frozen else ends, unit_words(one.unit)))
    return rows


def _facts(result: FitResult) -> dict[str, str]:
    per = f", {result.statistic.value / result.dof:.2f} each" if result.dof else ""
    versions = ", ".join(f"{_NAMES.get(name, name)} {version}" for name, version in result.versions.items())
    facts = {
        "statistic": f"{result.statistic.name} {result.statistic.value:.2f} for {result.dof} degrees of "
        f"freedom{per}",
        "data": f"{result.counts:,.0f} counts in {result.groups} groups within {band_words(result.band)}",
        "flux": flux_words(result),
        "abundances": result.abundances,
        "fitted by": versions,
    }
    if result.grouping:
        facts["data"] += f", grouped {result.grouping}"
    return facts


def flux_words(result: FitResult) -> str:
    """The flux as people read it, or why there is none."""
    if result.flux is None:
        return "none without an effective area"
    band = band_words(result.band)
    return f"{figure_words(result.flux.value, 3)} erg/cm²/s in {band}, absorption included"


def unit_words(unit: str) -> str:
    """A unit with raised exponents: `1e22 cm^-2` is `10²² cm⁻²`."""
    for plain, raised in (("1e22", "10²²"), ("1e39", "10³⁹"), ("3.02e-15", "3.02 × 10⁻¹⁵"),
                          ("^-2", "⁻²"), ("^2", "²")):  # fmt: skip
        unit = unit.replace(plain, raised)
    return unit
