"""Derived products: net light curves by lcmath, grouped spectra by ftgrouppha, rate images by our own code.

No tool divides an image by its exposure as it is wanted here (blank where the exposure is low and on the
calibration sources), so rate images are made as the native engine makes them, and their HISTORY says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tasks.core.errors import NoData
from tasks.engines.heasoft import grouping
from tasks.engines.heasoft.curves import (
    BACKGROUND,
    BACKGROUND_SPECTRUM,
    SOURCE,
    SOURCE_SPECTRUM,
    net_call,
)
from tasks.engines.heasoft.sequence import Calls, line_of
from tasks.engines.interface import StepInputs
from tasks.engines.native.rates import write_rate_image
from tasks.engines.planning import identity_of, links_to, names_of, products_of, specs_of
from tasks.library.call import Call, Report
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind, Product, ProductSpec, Role
from tasks.library.orders import Wanted
from tasks.xtend.grouping import GroupingRule

_MINUTES: Final = 60.0
_OWN_WAY: Final = (
    "divided by xtendflow's own code, since no FTOOL blanks low exposure and calibration sources"
)


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that make rate images, net light curves and grouped spectra, then the finish."""
    calls = Calls()
    items = [
        *_rate_images(inputs, calls, specs_of(products, Kind.RATE_IMAGE)),
        *_net_curves(inputs, calls, specs_of(products, Kind.LIGHT_CURVE)),
        *_grouped(inputs, calls, specs_of(products, Kind.GROUPED_SPECTRUM)),
    ]
    calls.add(
        Call(
            function="tasks.engines.heasoft.finishing:finish",
            parameters={
                "products": items,
                "recipe": recipe_hash(inputs.dataset.recipe),
                "identity": identity_of(inputs),
            },
            after=calls.after(*(item["file"] for item in items)),
            outputs=names_of(products),
            timeout=30 * _MINUTES,
        )
    )
    return calls.calls


def divide(images: Sequence[Mapping[str, Any]], recipe: str) -> Report:
    """Make rate images, in the current directory.

    Parameters
    ----------
    images : sequence of dict
        `name`, `image`, `exposure_map`, `minimum_fraction`.
    recipe : str
        The recipe's hash.

    Returns
    -------
    Report
        `not_made` where nothing was exposed.

    Raises
    ------
    Permanent
        When an image and its map cannot be read, or do not lie pixel upon pixel.
    """
    not_made = {}
    for item in images:
        target, image, exposure_map = (Path(item[key]) for key in ("name", "image", "exposure_map"))
        try:
            write_rate_image(target, image, exposure_map, item["minimum_fraction"], recipe)
        except NoData as exc:
            not_made[item["name"]] = str(exc)
    return Report(not_made=not_made)


def _rate_images(inputs: StepInputs, calls: Calls, specs: Sequence[ProductSpec]) -> list[dict[str, Any]]:
    """One call for all of them; what the finish has to do."""
    if not specs:
        return []
    used: list[Product] = []
    images = []
    for number, spec in enumerate(specs):
        pair = (_image(inputs, spec), _map(inputs, spec))
        used += pair
        images.append(
            {
                "name": f"rate{number}.fits",
                "image": pair[0].name,
                "exposure_map": pair[1].name,
                "minimum_fraction": inputs.dataset.recipe.exposure.minimum_fraction,
            }
        )
    calls.add(
        Call(
            function="tasks.engines.heasoft.derived:divide",
            parameters={"images": images, "recipe": recipe_hash(inputs.dataset.recipe)},
            inputs=links_to(inputs, used),
            outputs=tuple(str(image["name"]) for image in images),
            timeout=60 * _MINUTES,
        )
    )
    return [_item(spec, str(image["name"]), _OWN_WAY) for spec, image in zip(specs, images, strict=True)]


def _image(inputs: StepInputs, spec: ProductSpec) -> Product:
    entry = {key: spec.entry[key] for key in ("band", "binning")}
    return products_of(inputs, Kind.IMAGE, **entry)[0]


def _map(inputs: StepInputs, spec: ProductSpec) -> Product:
    return products_of(inputs, Kind.EXPOSURE_MAP, binning=spec.entry["binning"])[0]


def _net_curves(inputs: StepInputs, calls: Calls, specs: Sequence[ProductSpec]) -> list[dict[str, Any]]:
    """A call for each; what the finish has to do."""
    items = []
    for number, spec in enumerate(specs):
        output, band = f"net{number}.fits", spec.entry["band"]
        used = {
            SOURCE: products_of(inputs, Kind.LIGHT_CURVE, Role.SOURCE, band=band)[0],
            BACKGROUND: products_of(inputs, Kind.LIGHT_CURVE, Role.BACKGROUND, band=band)[0],
            SOURCE_SPECTRUM: products_of(inputs, Kind.SPECTRUM, Role.SOURCE)[0],
            BACKGROUND_SPECTRUM: products_of(inputs, Kind.SPECTRUM, Role.BACKGROUND)[0],
        }
        recipe = inputs.dataset.recipe
        links = {name: str(inputs.locate(product)) for name, product in used.items()}
        calls.add(net_call(output, recipe.light_curves.net_errors, links, recipe.heasoft.chatter))
        said = (
            f"net light curve by lcmath: {used[SOURCE].name} - BSCRATIO x {used[BACKGROUND].name}; BSCRATIO "
            f"is BACKSCAL of {used[SOURCE_SPECTRUM].name} / {used[BACKGROUND_SPECTRUM].name}; "
            f"{recipe.light_curves.net_errors} errors"
        )
        items.append(_item(spec, output, said))
    return items


def _grouped(inputs: StepInputs, calls: Calls, specs: Sequence[ProductSpec]) -> list[dict[str, Any]]:
    """A call for each; what the finish has to do."""
    items = []
    for number, spec in enumerate(specs):
        output, recipe = f"grouped{number}.fits", inputs.dataset.recipe
        spectrum = products_of(inputs, Kind.SPECTRUM, Role.SOURCE)[0]
        rule = GroupingRule.parse(spec.entry["grouping"])
        used = {grouping.SPECTRUM: spectrum}
        if rule.needs_background:
            used[grouping.BACKGROUND] = products_of(inputs, Kind.SPECTRUM, Role.BACKGROUND)[0]
        links = {name: str(inputs.locate(product)) for name, product in used.items()}
        calls.add(grouping.group_call(output, rule, links, recipe.heasoft.chatter))
        items.append(_item(spec, output, f"grouped: {spectrum.name}", line_of(calls.last)))
    return items


def _item(spec: ProductSpec, file: str, *history: str) -> dict[str, Any]:
    return {"name": spec.name, "file": file, "kind": spec.kind, "history": list(history)}
