"""The page of a dataset: pictures, cautions, files and provenance, told from its manifest."""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from tasks.core.state import Standing
from tasks.library.keys import MANIFEST, RECIPE
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.report.advice import log_words, what_to_do, without_secrets
from tasks.report.calls import script_of
from tasks.report.citing import citing
from tasks.report.fit import fit_section
from tasks.report.opening import openings
from tasks.report.pictures import Pictures
from tasks.report.templates import render
from tasks.xtend.cautions import Caution, Severity
from tasks.xtend.known_cautions import advice_of


@dataclass(frozen=True)
class Remark:
    """A caution, what to do about it, and the files it applies to: none where it is on the whole dataset."""

    caution: Caution
    advice: str
    files: tuple[str, ...]


def dataset_page(
    obsid: str,
    dataclass: str,
    target: str,
    standing: Standing,
    manifest: Manifest | None,
    pictures: Pictures,
    log_tail: str = "",
) -> str:
    """The page of a dataset as HTML.

    Parameters
    ----------
    obsid, dataclass, target : str
        Which dataset, and the name of what was observed.
    standing : Standing
        How it stands.
    manifest : Manifest or None
        What is published; without one the page tells state and reason only.
    pictures : Pictures
        What lies beside the page.
    log_tail : str
        The last lines of the log, worth showing when it failed.

    Raises
    ------
    SoftwareFault
        When the manifest does not tell of a fit that it lists.
    """
    page: dict[str, Any] = {
        "obsid": obsid,
        "dataclass": dataclass,
        "target": target,
        "standing": standing,
        "reason": without_secrets(standing.reason or ""),
        "to_do": what_to_do(standing, obsid),
        "log": log_words(log_tail),
        "links": _links(obsid, dataclass, manifest) if manifest else {},
        "manifest": manifest,
        "pictures": pictures,
        "simulated": pictures.simulated or (manifest is not None and is_simulated(manifest)),
        **(_told(manifest) if manifest else {}),
        **_script(),
    }
    return render("dataset.html.j2", page=page)


def _links(obsid: str, dataclass: str, manifest: Manifest) -> dict[str, str]:
    """Where the stored files lie as seen from the page, by name."""
    top = "../../.."
    # S3 takes a plus sign in an address for a blank.
    products = {item.name: f"{top}/{obsid}/{dataclass}/{quote(item.path)}" for item in manifest.products}
    return {RECIPE: f"{top}/{RECIPE}", MANIFEST: f"{top}/{obsid}/{dataclass}/{MANIFEST}", **products}


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
        "fit": fit_section(manifest),
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


def is_simulated(manifest: Manifest) -> bool:
    """Whether a step has found that its data are simulated."""
    return any(record.facts.get("simulated") is True for record in manifest.steps.values())
