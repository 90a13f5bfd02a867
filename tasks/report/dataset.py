"""The page of a dataset: pictures, cautions, files and provenance, made from its manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from tasks.core.errors import SoftwareFault
from tasks.core.state import Standing
from tasks.library.call import Report
from tasks.library.manifest import Manifest
from tasks.report.choice import FIT, PICTURES
from tasks.report.fit import fit_section
from tasks.report.templates import render
from tasks.xtend.cautions import Caution, Severity

PAGE: Final = "index.html"
PAGE_FILES: Final = (PAGE, *PICTURES)
"""What a page consists of, in one folder; pictures may be missing, with a reason in the report."""


@dataclass(frozen=True)
class Remark:
    """A caution and the files it applies to; none when it is on the dataset as a whole."""

    caution: Caution
    files: tuple[str, ...]


def make_page(
    obsid: str,
    dataclass: str,
    target: str,
    standing: dict[str, Any],
    links: dict[str, str],
    log_tail: str = "",
) -> Report:
    """Make the page of a dataset and its pictures in the current directory.

    `manifest.json` and the products that `preview_products` names are read from there, under their own
    names. Without a manifest nothing has been published, and the page tells state and reason only.

    Parameters
    ----------
    obsid, dataclass, target : str
        Which dataset, and the name of what was observed.
    standing : dict
        Its `Standing`, as JSON.
    links : dict
        Product file name (or `manifest.json`) → relative URL from the page to the stored file.
    log_tail : str
        The last lines of the log, worth showing when it failed.

    Returns
    -------
    Report
        `not_made` names the pictures that could not be drawn, and why.

    Raises
    ------
    SoftwareFault
        When the manifest there is none.
    """
    # Drawing needs matplotlib and regions, seconds to import; who only wants the names above does not.
    from tasks.report.previews.drawing import draw_fit_preview, draw_previews, products_say_simulated

    here = Path.cwd()
    manifest = _read_manifest(here / "manifest.json")
    previews = draw_previews(manifest, here) if manifest else []
    fit = fit_section(manifest) if manifest else None
    plot = draw_fit_preview(manifest, here) if manifest and fit else None
    page = {
        "obsid": obsid,
        "dataclass": dataclass,
        "target": target,
        "standing": Standing.model_validate(standing),
        "links": links,
        "log_tail": log_tail,
        "manifest": manifest,
        "previews": previews,
        "fit": fit,
        "plot": plot,
        "remarks": remarks(manifest) if manifest else [],
        "simulated": manifest is not None
        and (_says_simulated(manifest) or products_say_simulated(manifest, here)),
    }
    (here / PAGE).write_text(render("dataset.html.j2", page=page), encoding="utf-8")
    if manifest is None:
        return Report(not_made=dict.fromkeys(PICTURES, "nothing has been published"))
    missing = {item.file: item.why for item in (*previews, *filter(None, [plot])) if item.picture is None}
    return Report(not_made=missing | ({} if plot else {FIT: "nothing was fitted"}))


def remarks(manifest: Manifest) -> list[Remark]:
    """Every caution once, the severe ones first, with the files it applies to."""
    files: dict[Caution, list[str]] = {caution: [] for caution in manifest.cautions}
    for record in manifest.steps.values():
        files |= {caution: [] for caution in record.cautions if caution not in files}
    for product in manifest.products:
        for caution in product.cautions:
            files.setdefault(caution, []).append(product.name)
    order = (Severity.SEVERE, Severity.CAUTION, Severity.NOTICE)
    found = [Remark(caution, tuple(names)) for caution, names in files.items()]
    return sorted(found, key=lambda remark: order.index(remark.caution.severity))


def _read_manifest(path: Path) -> Manifest | None:
    if not path.exists():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as exc:
        raise SoftwareFault(f"{path.name} is no manifest: {exc.errors()[0]['msg']}") from exc


def _says_simulated(manifest: Manifest) -> bool:
    return any(record.facts.get("simulated") is True for record in manifest.steps.values())
