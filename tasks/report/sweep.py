"""The page of a sweep: what was found, what became of it, and what failed first of all."""

from dataclasses import dataclass

from tasks.core.state import State
from tasks.library.summary import Result, Summary
from tasks.report.advice import without_secrets
from tasks.report.templates import render
from tasks.report.words import duration_words
from tasks.xtend.cautions import Severity


@dataclass(frozen=True)
class _Section:
    """The results that belong together, as one table."""

    id: str
    title: str
    caption: str
    results: tuple[Result, ...]


def sweep_page(summary: Summary) -> str:
    """The page of a sweep as HTML; its place is the report's root."""
    sections = _sections(summary)
    return render(
        "sweep.html.j2",
        summary=summary,
        sections=sections,
        figures=_figures(summary, sections),
        headline=_headline(summary),
        cautions=caution_words,
        words=without_secrets,
    )


def _sections(summary: Summary) -> list[_Section]:
    done = tuple(item for item in summary.of(State.DONE) if item.seconds)
    return [
        _Section("failed", "Failed", "Could not be done, and why.", summary.of(State.FAILED)),
        _Section(
            "open",
            "Waiting or running",
            "Not finished in this sweep.",
            (*summary.of(State.WAITING), *summary.of(State.RUNNING)),
        ),
        _Section(
            "skipped", "Skipped", "There was nothing to do them with, and why.", summary.of(State.SKIPPED)
        ),
        _Section("done", "Done", "Made or renewed in this sweep.", done),
    ]


def _figures(summary: Summary, sections: list[_Section]) -> list[tuple[str, str]]:
    counts = [
        (section.title, str(len(section.results)))
        for section in sections
        if section.id != "open" or section.results
    ]
    # They stand in the index: an archive of which nothing has changed would fill a page every night.
    unchanged = sum(not item.seconds for item in summary.of(State.DONE))
    duration = duration_words((summary.ended - summary.started).total_seconds())
    return [
        ("Found", str(summary.found)),
        *counts,
        ("Nothing to do", str(unchanged)),
        ("Duration", duration),
    ]


def _headline(summary: Summary) -> str:
    failed = len(summary.of(State.FAILED))
    return f"{failed} failed" if failed else "nothing failed"


def caution_words(result: Result) -> str:
    """How many cautions a dataset carries, as the end of its line: `, 2 cautions (1 severe)`."""
    count = len(result.cautions)
    if not count:
        return ""
    severe = sum(item.severity == Severity.SEVERE for item in result.cautions)
    return f", {count} caution{'s' if count > 1 else ''}{f' ({severe} severe)' if severe else ''}"
