"""Which calls publish given responses and make what needs a response; the HEASoft engine takes them, too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tasks.engines.interface import StepInputs
from tasks.engines.planning import identity_of, links_to, names_of, products_of, specs_of, used_by
from tasks.library.call import Call
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind, ProductSpec, Role
from tasks.library.orders import Wanted
from tasks.library.orders.given_responses import Given, find_arf, find_rmf
from tasks.xtend.grouping import GroupingRule

_MINUTES: Final = 60.0


def plan(inputs: StepInputs, products: Sequence[Wanted], rmf_made: str | None = None) -> Call:
    """The call that makes these products, of which responses are given ones.

    Parameters
    ----------
    inputs, products
        As `Engine.plan`.
    rmf_made : str, optional
        The RMF that an earlier call of the same plan makes.
    """
    names = {kind: _name(inputs, products, kind) for kind in (Kind.RMF, Kind.ARF)}
    names[Kind.RMF] = rmf_made or names[Kind.RMF]
    rmf = [_response(spec, find_rmf(inputs.dataset), "rmf") for spec in specs_of(products, Kind.RMF)]
    arf = [
        _response(spec, find_arf(inputs.dataset), "arf")
        | {"rmf": names[Kind.RMF], "kev": list(inputs.dataset.recipe.responses.fit_band_kev)}
        for spec in specs_of(products, Kind.ARF)
    ]
    grouped = [
        grouped_request(inputs, spec) | {"rmf": names[Kind.RMF], "arf": names[Kind.ARF]}
        for spec in specs_of(products, Kind.GROUPED_SPECTRUM)
    ]
    return Call(
        function="tasks.engines.native.given_responses:make",
        parameters={
            "rmf": rmf[0] if rmf else None,
            "arf": arf[0] if arf else None,
            "grouped": grouped,
            "loaders": [{"name": spec.name, **spec.entry} for spec in specs_of(products, Kind.LOADER)],
            "identity": identity_of(inputs),
            "recipe": recipe_hash(inputs.dataset.recipe),
        },
        inputs={
            **_given_links(inputs, products),
            # What is made in this go is not taken from an earlier one.
            **links_to(
                inputs,
                [
                    item
                    for item in used_by(inputs, *arf, *grouped)
                    if item.name not in (*names_of(products), rmf_made)
                ],
            ),
        },
        outputs=names_of(products),
        timeout=60 * _MINUTES,
    )


def grouped_request(inputs: StepInputs, spec: ProductSpec) -> dict[str, Any]:
    """What the function that groups is told of a grouped spectrum, without a response."""
    rule = GroupingRule.parse(spec.entry["grouping"])
    background = products_of(inputs, Kind.SPECTRUM, Role.BACKGROUND) if rule.needs_background else ()
    return {
        "name": spec.name,
        "spectrum": products_of(inputs, Kind.SPECTRUM, Role.SOURCE)[0].name,
        "grouping": str(rule),
        "rmf": None,
        "background": background[0].name if background else None,
    }


def _name(inputs: StepInputs, products: Sequence[Wanted], kind: Kind) -> str | None:
    """The response that there will be: one of this call, or a published one."""
    made = [spec.name for spec in specs_of(products, kind)]
    return next(iter([*made, *(product.name for product in products_of(inputs, kind))]), None)


def _response(spec: ProductSpec, found: Given | None, suffix: str) -> dict[str, Any]:
    source = found.path if found else ""
    return {
        "name": spec.name,
        "file": f"given.{suffix}",
        "source": source,
        "origin": spec.entry["origin"],
    }


def _given_links(inputs: StepInputs, products: Sequence[Wanted]) -> dict[str, str]:
    found = {Kind.RMF: find_rmf(inputs.dataset), Kind.ARF: find_arf(inputs.dataset)}
    # An absolute path stays what it is.
    return {
        f"given.{kind}": str(Path(inputs.downloads) / given.path)
        for kind, given in found.items()
        if given and specs_of(products, kind)
    }
