"""The page of an observation: what the catalogue knows, its datasets, their sum, and every attempt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tasks.core.identifiers import DataClass
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt
from tasks.library.combination import PICTURE, Combined
from tasks.library.manifest import Kind, Manifest, Step
from tasks.report.advice import log_words, what_to_do, without_secrets
from tasks.report.choice import CHANNELS, FIT, PICTURES
from tasks.report.dataset import is_simulated
from tasks.report.site_index import by_severity
from tasks.report.site_known import Known
from tasks.report.templates import render
from tasks.report.words import duration_words, size_words
from tasks.xtend.cautions import Caution

_NOT_SHOWN: Final = (CHANNELS, FIT)


@dataclass(frozen=True)
class Card:
    """A dataset on the page; `facts` are short names and texts, `thumbs` pictures with their titles."""

    dataclass: DataClass
    standing: Standing
    facts: dict[str, str]
    cautions: tuple[tuple[str, str], ...]
    thumbs: dict[str, str]


def observation_page(
    item: Known,
    manifests: Mapping[DataClass, Manifest],
    combined: Combined | None,
    attempts: Iterable[Attempt],
    files: Iterable[str],
    log_tail: str = "",
) -> str:
    """The page of an observation as HTML.

    Parameters
    ----------
    item : Known
        What ledger and catalogue know.
    manifests : mapping
        What is published, by data class.
    combined : Combined or None
        The record of its combined image.
    attempts : iterable of Attempt
        In any order.
    files : iterable of str
        What lies beside the page, relative to it (`30000010/image.png`).
    log_tail : str
        The log's last lines, worth showing when it failed.
    """
    there = set(files)
    standing = item.row.standing
    return render(
        "observation.html.j2",
        item=item,
        standing=standing,
        catalogue=_catalogue(item),
        cards=[_card(result.standing, result.dataclass, result.cautions, manifests, there)
               for result in item.results if result.dataclass],
        combined=combined,
        picture=PICTURE if combined and combined.alt and PICTURE in there else "",
        attempts=sorted(attempts, key=lambda attempt: attempt.started, reverse=True),
        lasted=_lasted,
        words=without_secrets,
        to_do=what_to_do(standing, item.obsid),
        log_tail=log_words(log_tail) if standing.state == State.FAILED else "",
        simulated=any(is_simulated(manifest) for manifest in manifests.values()),
    )  # fmt: skip


def _catalogue(item: Known) -> dict[str, str]:
    """What the catalogue says, as far as it does."""
    facts = item.facts
    place = ""
    if facts.ra is not None and facts.dec is not None:
        place = f"RA {facts.ra:.5f}°, Dec {facts.dec:+.5f}° (ICRS)"
    said = {
        "Target": item.target,
        "Position": place,
        "Observed": facts.observed,
        "Exposure of Xtend": f"{facts.exposure / 1000:.1f} ks" if facts.exposure > 0 else "",
        "Category": facts.category,
        "Status": facts.status,
        "Public since": facts.public if item.row.standing.kind != "not-public" else "",
    }
    return {name: words for name, words in said.items() if words}


def _card(
    standing: Standing,
    dataclass: DataClass,
    cautions: tuple[Caution, ...],
    manifests: Mapping[DataClass, Manifest],
    there: set[str],
) -> Card:
    manifest = manifests.get(dataclass)
    thumbs = {name: f"{dataclass}/{name}" for name in PICTURES if name not in _NOT_SHOWN}
    return Card(
        dataclass,
        standing,
        _facts(manifest) if manifest else {},
        by_severity(cautions),
        {_title(name): path for name, path in thumbs.items() if path in there},
    )


def _title(picture: str) -> str:
    """A picture's file name as a title: `Light curve`."""
    return picture.partition(".")[0].replace("-", " ").capitalize()


def _facts(manifest: Manifest) -> dict[str, str]:
    """A dataset's figures, as far as its manifest has them."""
    exposure = _figure(manifest, Step.EXPOSURE, "exposure") or _figure(
        manifest, Step.PROCESSING, "exposure_s"
    )
    files, size = len(manifest.products), sum(item.size for item in manifest.products)
    images = len(manifest.find(Kind.IMAGE)) + len(manifest.find(Kind.RATE_IMAGE))
    said = {
        "Exposure": f"{exposure / 1000:.2f} ks" if exposure else "",
        "Engine": ", ".join(sorted({record.engine for record in manifest.steps.values()})),
        "Files": f"{files} ({size_words(size)}), of which {images} images" if files else "none",
        "Not made": str(len(manifest.not_made) or ""),
    }
    return {name: words for name, words in said.items() if words}


def _figure(manifest: Manifest, step: Step, name: str) -> float | None:
    record = manifest.steps.get(step)
    value: Any = record.facts.get(name) if record else None
    return float(value) if isinstance(value, int | float) else None


def _lasted(attempt: Attempt) -> str:
    if attempt.ended is None:
        return ""
    return duration_words((attempt.ended - attempt.started).total_seconds())
