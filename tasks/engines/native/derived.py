"""Derived products: rate images, net light curves and grouped spectra."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.grouping import Beside, write_grouped
from tasks.engines.native.net_curves import write_net_curve
from tasks.engines.native.rates import write_rate_image
from tasks.library.call import Report
from tasks.xtend.grouping import GroupingRule


def derive(
    rate_images: Sequence[Mapping[str, Any]],
    net_curves: Sequence[Mapping[str, Any]],
    grouped: Sequence[Mapping[str, Any]],
    recipe: str,
) -> Report:
    """Make what follows from images, exposure maps, light curves and spectra.

    Parameters
    ----------
    rate_images : sequence of dict
        `name`, `image`, `exposure_map`, `minimum_fraction`.
    net_curves : sequence of dict
        `name`, `source`, `background`, `source_spectrum`, `background_spectrum`, `errors`.
    grouped : sequence of dict
        `name`, `spectrum`, `grouping` (as the recipe writes it), `rmf` and `background` (or None).
    recipe : str
        The recipe's hash.

    Returns
    -------
    Report
        `not_made` names what could not be made, and why.
    """
    not_made: dict[str, str] = {}
    for item in rate_images:
        with _noting(item["name"], not_made):
            write_rate_image(
                Path(item["name"]),
                Path(item["image"]),
                Path(item["exposure_map"]),
                item["minimum_fraction"],
                recipe,
            )
    for item in net_curves:
        with _noting(item["name"], not_made):
            write_net_curve(
                Path(item["name"]),
                Path(item["source"]),
                Path(item["background"]),
                Path(item["source_spectrum"]),
                Path(item["background_spectrum"]),
                item["errors"],
                recipe,
            )
    for item in grouped:
        rmf, background = (Path(item[key]) if item[key] else None for key in ("rmf", "background"))
        with _noting(item["name"], not_made):
            write_grouped(
                Path(item["name"]),
                Path(item["spectrum"]),
                GroupingRule.parse(item["grouping"]),
                recipe,
                Beside(rmf, background),
            )
    return Report(not_made=not_made)


@contextmanager
def _noting(name: str, not_made: dict[str, str]) -> Iterator[None]:
    """What the data do not allow is noted; anything else goes on as the error it is."""
    try:
        yield
    except (NoData, Permanent) as exc:
        not_made[name] = str(exc)
