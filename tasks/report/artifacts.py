"""What Prefect's pages show of a sweep and of a dataset, as markdown of bounded size.

Tables are markdown as well: of Prefect's two sets of pages only one makes links in a table artifact. Links
lead from `…/artifacts/artifact/ID` to other places of the same pages, wherever these are served.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.manifest import Manifest
from tasks.library.summary import Result, Summary
from tasks.report.markdown import block, cell, link, plain, table
from tasks.report.words import duration_words, size_words, time_words
from tasks.xtend.cautions import Caution, Severity

FAILED_KEY: Final = "failed-obsids"
SUMMARY_KEY: Final = "sweep-summary"

MOST_FAILURES: Final = 500
_MOST_RESULTS = 200
_MOST_REASONS = 15
_NO_CLASS = "–"
_NARROW, _WIDE, _ALONE = 14, 32, 70
"""Characters in a column: pages leave a table about a hundred, and hide what is beyond."""


def dataset_key(obsid: str, dataclass: str) -> str:
    """The key of a dataset's artifact."""
    return f"dataset-{obsid}-{dataclass}"


def log_key(obsid: str) -> str:
    """The key of the artifact with the end of a failed observation's log."""
    return f"log-{obsid}"


@dataclass(frozen=True)
class Failure:
    """Something that failed.

    Parameters
    ----------
    result : Result
        What, and why.
    attempts : int
        How often it was attempted.
    run : str or None
        Prefect's flow run of the last attempt.
    """

    result: Result
    attempts: int
    run: str | None


@dataclass(frozen=True)
class Made:
    """How many datasets a sweep published, and the bytes of their products."""

    datasets: int
    bytes: int


def failed_obsids(failures: Sequence[Failure], total: int) -> str:
    """The table of what failed; `total` counts also the failures that are beyond its bound."""
    if not total:
        return "Nothing failed."
    header = ("ObsID", "Data class", "Step", "Kind", "Reason", "Attempts", "See")
    rows = map(_failed_row, failures[:MOST_FAILURES])
    return _join(table(header, rows), _more(total - min(len(failures), MOST_FAILURES)))


def _failed_row(failure: Failure) -> tuple[str, ...]:
    item = failure.result
    return (
        cell(f"{item.obsid} {item.target}", _NARROW),
        plain(item.dataclass or _NO_CLASS),
        plain(item.standing.step or ""),
        plain(item.standing.kind or ""),
        cell(item.standing.reason or "", _WIDE),
        str(failure.attempts),
        _see(item.obsid, failure.run) if failure.run else "",
    )


def _see(obsid: str, run: str) -> str:
    return f"{link('run', f'../../runs/flow-run/{run}')}<br>{link('log', f'../key/{log_key(obsid)}')}"


def sweep_summary(summary: Summary, ran: Collection[ObsID], made: Made, page: str) -> str:
    """What a sweep found, why each observation was run or left out, what became of it, and what it cost.

    Parameters
    ----------
    summary : Summary
        Of the sweep.
    ran : collection of ObsID
        The observations that it ran.
    made : Made
        What it published.
    page : str
        Address of its report.
    """
    whys = {item.obsid: item.why for item in summary.results}
    left = [why for obsid, why in whys.items() if obsid not in ran]
    return _join(
        _headline(summary),
        _pairs((name, value) for name, value in _figures(summary, ran, made, page) if value),
        _reasons(f"Run: {_number(len(ran), 'observation')}", [whys.get(obsid, "") for obsid in ran]),
        _reasons(f"Left alone: {_number(len(left), 'observation')}", left),
        _results([item for item in summary.results if item.obsid in ran]),
    )


def _headline(summary: Summary) -> str:
    counts = Counter(str(item.standing) for item in summary.results)
    told = ", ".join(f"**{number} {plain(standing)}**" for standing, number in sorted(counts.items()))
    failed = f"; see {link(FAILED_KEY, f'../key/{FAILED_KEY}')}" if summary.of(State.FAILED) else ""
    return f"{told or 'Nothing was found'}{failed}."


def _figures(
    summary: Summary, ran: Collection[ObsID], made: Made, page: str
) -> Iterator[tuple[str, str | None]]:
    lasted = {item.obsid: item.seconds for item in summary.results if item.seconds}
    slowest = max(lasted, key=lambda obsid: lasted[obsid], default=None)
    yield "Found", f"{_number(summary.found, 'observation')}, {len(ran)} of them run"
    yield "Published", f"{_number(made.datasets, 'dataset')}, {size_words(made.bytes)}"
    yield "Began", f"{time_words(summary.started)}, and took {_seconds(summary)}"
    yield "An observation", f"took {duration_words(median(lasted.values()))} (median)" if lasted else None
    yield "The longest", f"{slowest} took {duration_words(lasted[slowest])}" if slowest else None
    yield "Recipe", plain(summary.recipe)
    yield "Archive", plain(summary.archive)
    yield "Store", plain(summary.store)
    yield "Report", _place(page)


def _seconds(summary: Summary) -> str:
    return duration_words((summary.ended - summary.started).total_seconds())


def _reasons(title: str, whys: Sequence[str]) -> str:
    if not whys:
        return ""
    counted = Counter(whys).most_common()
    rows = [(cell(why, _ALONE), str(number)) for why, number in counted[:_MOST_REASONS]]
    return _join(
        f"## {title}",
        table(("Reason", "Observations"), rows),
        _more(len(counted) - len(rows), "other reasons"),
    )


def _results(results: Sequence[Result]) -> str:
    if not results:
        return ""
    urgent = sorted(results, key=lambda item: item.standing.state != State.FAILED)
    rows = [
        (
            cell(f"{item.obsid} {item.target}", _NARROW),
            plain(item.dataclass or _NO_CLASS),
            cell(item.why, _WIDE),
            plain(str(item.standing)),
            duration_words(item.seconds),
            str(len(item.cautions) or ""),
        )
        for item in urgent[:_MOST_RESULTS]
    ]
    header = ("ObsID", "Data class", "Selected because", "State", "Took", "Cautions")
    return _join("## What was run", table(header, rows), _more(len(results) - len(rows)))


def dataset_card(
    target: str, standing: Standing, manifest: Manifest | None, places: Mapping[str, str]
) -> str:
    """A dataset: how it stands, where its page and pictures are, its cautions and products.

    Parameters
    ----------
    target : str
        What was observed.
    standing : Standing
        How the dataset stands.
    manifest : Manifest or None
        What is published of it.
    places : mapping
        Name of the page and of each picture → its address.
    """
    reason = f": {plain(standing.reason)}" if standing.reason else "."
    head = f"**{plain(target)}** is **{plain(str(standing))}**{reason}"
    shown = _pairs((plain(name), _place(address)) for name, address in places.items())
    if manifest is None:
        return _join(head, "Nothing is published of it.", shown)
    return _join(
        head,
        shown,
        _cautions(manifest),
        _products(manifest),
        _not_made(manifest),
    )


def _cautions(manifest: Manifest) -> str:
    groups: list[Iterable[Caution]] = [manifest.cautions]
    groups += [record.cautions for record in manifest.steps.values()]
    groups += [item.cautions for item in manifest.products]
    order = [Severity.SEVERE, Severity.CAUTION, Severity.NOTICE]
    found = sorted(
        dict.fromkeys(item for group in groups for item in group),
        key=lambda item: order.index(item.severity),
    )
    rows = [(str(item.severity), link(item.id, item.link), cell(item.sentence, _ALONE)) for item in found]
    return _join("## Cautions", table(("Severity", "Caution", "What to do"), rows) if rows else "None.")


def _products(manifest: Manifest) -> str:
    sizes: dict[tuple[str, str], list[int]] = {}
    for item in manifest.products:
        sizes.setdefault((item.kind, item.role), []).append(item.size)
    rows = [(kind, role, str(len(each)), size_words(sum(each))) for (kind, role), each in sizes.items()]
    total = size_words(sum(item.size for item in manifest.products))
    title = f"## {_number(len(manifest.products), 'product')}, {total}"
    return _join(title, table(("Product", "Of", "Files", "Size"), rows) if rows else "")


def _not_made(manifest: Manifest) -> str:
    whys: dict[str, list[str]] = {}
    for item in manifest.not_made:
        name = " ".join(filter(None, (item.role, item.kind)))
        names = whys.setdefault(item.why, [])
        names += [] if name in names else [name]
    rows = [(cell(", ".join(names), _WIDE), cell(why, _ALONE)) for why, names in whys.items()]
    return _join("## Not made", table(("Product", "Why"), rows[:_MOST_REASONS])) if rows else ""


def log_end(standing: Standing, logs: Mapping[str, str]) -> str:
    """Why an observation failed, and the last lines of its logs; `logs` are by the place of each."""
    step = f" in the step {plain(standing.step)}" if standing.step else ""
    parts = [f"**{plain(str(standing))}**{step}: {plain(standing.reason or '')}"]
    for place, lines in logs.items():
        parts += [f"The last lines of {plain(place)}:", block(lines)]
    return _join(*parts)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values; a table cannot be without a head, so that the first pair is it."""
    rows = [*pairs]
    return table(rows[0], rows[1:]) if rows else ""


def _place(address: str) -> str:
    """Where something is; browsers open the web alone from these pages, other places are to be copied."""
    return link("open", address) if address.startswith(("http://", "https://")) else plain(address)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _more(number: int, what: str = "more, which the report lists") -> str:
    return f"and {number} {what}" if number > 0 else ""


def _join(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))
