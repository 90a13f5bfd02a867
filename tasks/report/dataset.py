"""The page of a dataset: pictures, cautions, files and provenance, made from its manifest."""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup
from pydantic import ValidationError

from tasks.core.errors import SoftwareFault
from tasks.core.state import Standing
from tasks.library.call import Report
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.report.advice import log_words, what_to_do, without_secrets
from tasks.report.calls import script_of
from tasks.report.choice import FIT, PICTURES
from tasks.report.citing import citing
from tasks.report.fit import fit_section
from tasks.report.opening import openings
from tasks.report.templates import render
from tasks.xtend.cautions import Caution, Severity
from tasks.xtend.known_cautions import advice_of

PAGE: Final = "index.html"
PAGE_FILES: Final = (PAGE, *PICTURES)
"""What a page consists of, in one folder; pictures may be missing, with a reason in the report."""


PAGE_VERSION: Final = "2"
"""Raised by hand when pages or pictures change, so that older ones are made again."""


@dataclass(frozen=True)
class Remark:
    """A caution, what to do about it, and the files it applies to: none where it is on the whole dataset."""

    caution: Caution
    advice: str
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
        Product file name (or `manifest.json`, `recipe.json`) → relative URL from the page to the stored file.
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
    here, stands = Path.cwd(), Standing.model_validate(standing)
    manifest = _read_manifest(here / "manifest.json")
    page: dict[str, Any] = {
        "obsid": obsid,
        "dataclass": dataclass,
        "target": target,
        "standing": stands,
        "reason": without_secrets(stands.reason or ""),
        "to_do": what_to_do(stands, obsid),
        "log": log_words(log_tail),
        "links": links,
        "manifest": manifest,
        "simulated": False,
        **(_told(manifest) | _drawn(manifest, here) if manifest else {}),
        **_script(),
    }
    (here / PAGE).write_text(render("dataset.html.j2", page=page), encoding="utf-8")
    if manifest is None:
        return Report(not_made=dict.fromkeys(PICTURES, "nothing has been published"))
    pictures = [*page["previews"], *filter(None, [page["plot"]])]
    missing = {item.file: item.why for item in pictures if item.picture is None}
    return Report(not_made=missing | ({} if page["plot"] else {FIT: "nothing was fitted"}))


def _drawn(manifest: Manifest, here: Path) -> dict[str, Any]:
    """The pictures of a dataset, and what its products tell while they are drawn."""
    # Drawing needs matplotlib and regions, seconds to import; who only wants names and words does not.
    from tasks.report.previews.drawing import draw_fit_preview, draw_previews, products_say_simulated

    fit = fit_section(manifest)
    return {
        "previews": draw_previews(manifest, here),
        "fit": fit,
        "plot": draw_fit_preview(manifest, here) if fit else None,
        "simulated": _says_simulated(manifest) or products_say_simulated(manifest, here),
    }


def remarks(manifest: Manifest) -> list[Remark]:
    """Every caution once, the severe ones first, with the files it applies to."""
    on: dict[Caution, list[str]] = {caution: [] for caution in manifest.cautions}
    for record in manifest.steps.values():
        on |= {caution: [] for caution in record.cautions if caution not in on}
    for product in manifest.products:
        for caution in product.cautions:
            on.setdefault(caution, []).append(product.name)
    order = (Severity.SEVERE, Severity.CAUTION, Severity.NOTICE)
    found = [Remark(caution, advice_of(caution.id), tuple(names)) for caution, names in on.items()]
    return sorted(found, key=lambda remark: order.index(remark.caution.severity))


def _script() -> dict[str, str]:
    """The page's own script, and the hash by which a browser lets no other one run."""
    script = (files("tasks.report") / "templates" / "copy.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    plain = Markup(script)  # noqa: S704 # a file of this package
    return {"script": plain, "script_hash": base64.b64encode(digest).decode()}


def _told(manifest: Manifest) -> dict[str, Any]:
    """What a page says of a manifest besides the manifest itself."""
    processing = manifest.steps.get(Step.PROCESSING)
    archive = processing.facts.get("archive") if processing else None
    return {
        "remarks": remarks(manifest),
        "facts": _facts(manifest),
        "revision": archive if isinstance(archive, dict) else {},
        "openings": openings(manifest),
        "sums": "\n".join(f"{product.sha256}  {product.path}" for product in manifest.products),
        "scripts": {step: script_of(record) for step, record in manifest.steps.items()},
        "citing": citing(manifest),
    }


def _facts(manifest: Manifest) -> dict[str, str]:
    """What one wants to know first: how long, in which mode, how many events and counts."""
    told = {step: record.facts for step, record in manifest.steps.items()}
    processing, extraction = told.get(Step.PROCESSING, {}), told.get(Step.EXTRACTION, {})
    facts = {}
    if isinstance(seconds := processing.get("exposure_s"), int | float):
        facts["Exposure"] = f"{seconds / 1000:.3g} ks"
    if isinstance(mode := processing.get("mode"), dict) and "description" in mode:
        facts["Mode"] = str(mode["description"])
    if isinstance(events := processing.get("events"), int):
        facts["Events"] = f"{events:,}"
    counts, spectra = extraction.get("counts"), manifest.find(Kind.SPECTRUM, Role.SOURCE)
    if isinstance(counts, dict) and spectra and isinstance(count := counts.get(spectra[0].name), int):
        facts["In the source region"] = f"{count:,} counts"
    return facts


def _read_manifest(path: Path) -> Manifest | None:
    if not path.exists():
        return None
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as exc:
        raise SoftwareFault(f"{path.name} is no manifest: {exc.errors()[0]['msg']}") from exc


def _says_simulated(manifest: Manifest) -> bool:
    return any(record.facts.get("simulated") is True for record in manifest.steps.values())
