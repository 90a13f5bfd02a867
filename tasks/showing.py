"""What Prefect's pages are given to show: of a dataset, of an observation that failed, and of a sweep."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from tasks.artifacts import put_markdown
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt
from tasks.library.publication import read_manifest
from tasks.library.site import Site
from tasks.library.summarising import published_since
from tasks.library.summary import Result, Summary
from tasks.report.advice import log_words
from tasks.report.artifacts import (
    FAILED_KEY,
    MOST_FAILURES,
    SUMMARY_KEY,
    Failure,
    Made,
    dataset_card,
    dataset_key,
    failed_obsids,
    log_end,
    log_key,
    sweep_summary,
)
from tasks.report.choice import PICTURES
from tasks.report.markdown import plain
from tasks.report.site import PAGE

_INDEX = "report/index.html"
_LOG_BYTES = 1 << 16


async def show_dataset(
    site: Site, obsid: ObsID, dataclass: DataClass, target: str, standing: Standing
) -> None:
    """Show a dataset whose page has been made."""
    card = await asyncio.to_thread(_card, site, obsid, dataclass, target, standing)
    words = f"{plain(str(standing))}: {obsid} {plain(target)}, data class {dataclass}"
    await put_markdown(dataset_key(obsid, dataclass), card, words)


def _card(site: Site, obsid: ObsID, dataclass: DataClass, target: str, standing: Standing) -> str:
    folder = f"report/{obsid}/{dataclass}"
    there = {key.rpartition("/")[2] for key in site.store.sizes(folder)}
    names = [name for name in (PAGE, *PICTURES) if name in there]
    places = {_name(name): site.store.url(f"{folder}/{name}") for name in names}
    return dataset_card(target, standing, read_manifest(site.store, obsid, dataclass), places)


def _name(file: str) -> str:
    return "page" if file == PAGE else PurePosixPath(file).stem.replace("-", " ")


async def show_failure(
    site: Site, obsid: ObsID, standing: Standing, datasets: Mapping[DataClass, Standing]
) -> None:
    """Show why an observation failed, with the last lines of its logs: these lie on one host alone."""
    failed = [name for name, each in sorted(datasets.items()) if each.state == State.FAILED]
    logs = [site.log(obsid, name) for name in failed] or [site.log(obsid)]
    ends = {f"{site.host}:{log}": log_words(_end(log)) for log in logs if log.exists()}
    words = f"{plain(str(standing))}: {obsid}, and the end of its log"
    await put_markdown(log_key(obsid), log_end(standing, ends), words)


def _end(log: Path) -> str:
    """What a log ends with."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _LOG_BYTES, 0))
        return file.read().decode(errors="replace")


async def show_sweep(site: Site, summary: Summary, ran: Collection[ObsID]) -> None:
    """Show what a sweep did, and everything that stands failed after it."""
    failed = summary.of(State.FAILED)
    failures = await asyncio.to_thread(lambda: tuple(_failures(site, failed[:MOST_FAILURES])))
    number = f"{len(failed)} of {len(summary.results)} datasets failed"
    await put_markdown(FAILED_KEY, failed_obsids(failures, len(failed)), number)
    made = Made(*await asyncio.to_thread(published_since, site, summary.started))
    text = sweep_summary(summary, ran, made, site.store.url(_INDEX))
    await put_markdown(SUMMARY_KEY, text, f"{number}: sweep {summary.sweep}")


def _failures(site: Site, failed: Iterable[Result]) -> Iterator[Failure]:
    counted = {row.obsid: row.attempts for row in site.ledger.failed()}
    for item in failed:
        attempts = site.ledger.attempts(item.obsid)
        number = counted.get(item.obsid, len(attempts))
        yield Failure(item, number, _run(attempts))


def _run(attempts: tuple[Attempt, ...]) -> str | None:
    """Prefect's run of the last attempt."""
    return attempts[-1].flow_run_id if attempts else None
