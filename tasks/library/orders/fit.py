"""The fit of the source's spectrum: where the recipe has a model and nothing forbids it."""

from typing import Final

from tasks.core.errors import BadInput
from tasks.library import names
from tasks.library.blocking import why_blocked
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders.extraction import why_no_region
from tasks.library.orders.order import Maker, Order, Wanted
from tasks.library.recipe import Fit
from tasks.library.recipe.fit import FORBIDDING
from tasks.library.spectral.expression import parse
from tasks.xtend.cautions import Caution
from tasks.xtend.grouping import GroupingRule

SHERPA, XSPEC = "sherpa", "pyxspec"
"""Names under which versions tell what can fit."""
_LACKING: Final = {
    "native": (
        SHERPA,
        "a fit needs Sherpa and periodictable, which are not both installed here: pip install "
        "'xtendflow[sherpa]', or make sherpa",
    ),
    "heasoft": (
        XSPEC,
        "there is no PyXspec for this Python: it comes with HEASoft built with XSPEC; engines.fit = "
        '"native" fits with Sherpa',
    ),
}


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """The fit, or why there is none; nothing at all where the recipe has no model."""
    make, recipe = Maker(dataset, Step.FIT), dataset.recipe.fit
    if recipe.model is None:
        return Order(())
    if why := _why_not(dataset, manifest):
        return Order((), (make.refuse(Kind.FIT, Role.SOURCE, why),))
    return Order((_fit(make, manifest),))


def _fit(make: Maker, manifest: Manifest) -> Wanted:
    recipe = make.dataset.recipe.fit
    used = [
        *manifest.find(Kind.GROUPED_SPECTRUM, Role.SOURCE, grouping=recipe.grouping),
        *manifest.find(Kind.SPECTRUM, Role.BACKGROUND),
        *manifest.find(Kind.RMF),
        *manifest.find(Kind.ARF),
    ]
    entry = {"model": recipe.model, "band": str(recipe.band), "grouping": recipe.grouping}
    return make.want(
        Kind.FIT,
        Role.SOURCE,
        names.fit(manifest.find(Kind.SPECTRUM, Role.SOURCE)[0].name),
        *(product.fingerprint for product in used),
        entry=entry,
        cautions=_forbidding(make.dataset, manifest),
        # What the recipe insists on changes no number.
        asked=recipe.model_dump(mode="json", exclude={"despite"}),
    )


def _why_not(dataset: Dataset, manifest: Manifest) -> str | None:
    return (
        _no_spectrum(manifest)
        or why_blocked(Step.FIT, dataset, manifest)
        or _forbidden(dataset, manifest)
        or _no_response(dataset.recipe.fit, manifest)
        or _no_groups(dataset.recipe.fit, manifest)
        or _no_engine(dataset)
    )


def _no_spectrum(manifest: Manifest) -> str | None:
    if manifest.find(Kind.SPECTRUM, Role.SOURCE):
        return None
    return why_no_region(manifest, Role.SOURCE) or "there is no source spectrum"


def _no_groups(recipe: Fit, manifest: Manifest) -> str | None:
    if manifest.find(Kind.GROUPED_SPECTRUM, Role.SOURCE, grouping=recipe.grouping):
        return None
    rule = GroupingRule.parse(recipe.grouping)
    name = names.grouped_spectrum(manifest.find(Kind.SPECTRUM, Role.SOURCE)[0].name, rule.kind, rule.least)
    why = _refusal(manifest, Kind.GROUPED_SPECTRUM, name)
    return f"there is no source spectrum grouped {recipe.grouping}: {why}"


def _forbidden(dataset: Dataset, manifest: Manifest) -> str | None:
    for caution in _forbidding(dataset, manifest):
        if caution.id not in dataset.recipe.fit.despite:
            return f"{caution.sentence} {_insist(caution.id)}"
    return None


def _forbidding(dataset: Dataset, manifest: Manifest) -> tuple[Caution, ...]:
    """Cautions on the dataset with which a fit means little; an ARF of the extended source is right."""
    right = any(product.entry.get("source_type", "POINT") != "POINT" for product in manifest.find(Kind.ARF))
    return tuple(
        caution
        for caution in manifest.cautions
        if caution.id in FORBIDDING and not (caution.id == "extended-target" and right)
    )


def _no_response(recipe: Fit, manifest: Manifest) -> str | None:
    if not manifest.find(Kind.RMF):
        return f"there is no RMF: {_refusal(manifest, Kind.RMF)}"
    if not manifest.find(Kind.ARF) and "no-effective-area" not in recipe.despite:
        return (
            f"there is no ARF, without which norms mean nothing: {_refusal(manifest, Kind.ARF)}. "
            f"{_insist('no-effective-area')}"
        )
    return None


def _no_engine(dataset: Dataset) -> str | None:
    engine, recipe = dataset.engine_of(Step.FIT), dataset.recipe.fit
    if engine.name == "native":
        try:
            parse(recipe.model or "")
        except BadInput as exc:
            return str(exc)
    needed, why = _LACKING[engine.name]
    return None if needed in engine.versions else why


def _refusal(manifest: Manifest, kind: Kind, name: str | None = None) -> str:
    """Why a product of the source was not made."""
    found = (item.why for item in manifest.not_made if item.kind == kind and name in (None, item.name))
    return next(found, "none was made")


def _insist(identifier: str) -> str:
    return f'fit.despite = ["{identifier}"] makes the fit all the same'
