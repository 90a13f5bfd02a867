"""The index of the report: a line for each dataset of the whole store, failed ones first."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from markupsafe import Markup

from tasks.core.state import State
from tasks.library.rows import SweepRow
from tasks.library.summary import Result
from tasks.report.advice import without_secrets
from tasks.report.site_known import URGENT, Known
from tasks.report.templates import render
from tasks.report.words import duration_words, time_words
from tasks.xtend.cautions import Caution, Severity

_LONGEST_REASON: Final = 160
_SWEEPS: Final = 10
"""So many of the latest sweeps are linked."""


@dataclass(frozen=True)
class Line:
    """A line of the index; empty texts stand for what is not known."""

    obsid: str
    dataclass: str
    state: str
    kind: str
    target: str
    observed: str
    exposure: str
    reason: str
    cautions: tuple[tuple[str, str], ...]

    @property
    def marks(self) -> Markup:
        """The cautions as HTML."""
        return _marks(self.cautions)


@lru_cache(4096)
def _marks(cautions: tuple[tuple[str, str], ...]) -> Markup:
    # Thousands of lines share a few sets of cautions: to go through the template for each would take as long
    # as everything else.
    mark = Markup(' <small class="{0}">{0}: {1}</small>')
    return Markup().join(mark.format(severity, names) for severity, names in cautions)


@dataclass(frozen=True)
class Choices:
    """What the lines can be filtered by."""

    states: tuple[str, ...]
    kinds: tuple[str, ...]
    dataclasses: tuple[str, ...]
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class Swept:
    """A sweep as the index tells it; `page` is empty while it has none."""

    began: str
    took: str
    counts: str
    page: str


def index_page(observations: Sequence[Known], sweeps: Sequence[SweepRow]) -> str:
    """The index as HTML, complete without its script; its place is the report's root."""
    lines = index_lines(observations)
    counts = Counter(line.state for line in lines)
    figures = [("ObsIDs", len(observations)), *((str(state).capitalize(), counts[state]) for state in URGENT)]
    script = _script()
    return render(
        "index.html.j2",
        lines=lines,
        figures=[(name, figure) for name, figure in figures if figure or name in ("ObsIDs", "Failed")],
        choices=_choices(lines),
        sweeps=[_swept(sweep) for sweep in sweeps[: -_SWEEPS - 1 : -1]],
        script=Markup(script),  # noqa: S704 # a file of this package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def index_lines(observations: Iterable[Known]) -> list[Line]:
    """The lines of the index: failed first, then in the order of ObsID and data class."""
    lines = [_line(item, result) for item in observations for result in item.results]
    return sorted(lines, key=lambda line: URGENT.index(State(line.state)))


def _line(item: Known, result: Result) -> Line:
    facts, standing = item.facts, result.standing
    return Line(
        obsid=result.obsid,
        dataclass=result.dataclass or "",
        state=standing.state.value,
        kind=standing.kind or "",
        target=result.target,
        observed=facts.observed,
        exposure=f"{facts.exposure / 1000:.1f}" if facts.exposure > 0 else "",
        reason=_in_one_line(standing.reason or ""),
        cautions=by_severity(result.cautions),
    )


@lru_cache(1024)
def _in_one_line(text: str) -> str:
    """A reason without line breaks, cut where it grows too long for a line."""
    text = " ".join(without_secrets(text).split())
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1].rstrip() + "…"


@lru_cache(4096)
def by_severity(cautions: tuple[Caution, ...]) -> tuple[tuple[str, str], ...]:
    """The names of cautions by severity, the severe ones first: `("severe", "low-energy, pile-up")`."""
    named = (
        (severity, dict.fromkeys(item.id for item in cautions if item.severity == severity))
        for severity in (Severity.SEVERE, Severity.CAUTION, Severity.NOTICE)
    )
    return tuple((severity.value, ", ".join(ids)) for severity, ids in named if ids)


def _choices(lines: Iterable[Line]) -> Choices:
    lines = list(lines)
    present = {line.state for line in lines}
    named = {names for line in lines for _, names in line.cautions}
    return Choices(
        states=tuple(state.value for state in URGENT if state.value in present),
        kinds=tuple(sorted({line.kind for line in lines} - {""})),
        dataclasses=tuple(sorted({line.dataclass for line in lines} - {""})),
        cautions=tuple(sorted({name for names in named for name in names.split(", ")})),
    )


def _swept(sweep: SweepRow) -> Swept:
    counts = ", ".join(f"{sweep.counts[state]} {state}" for state in URGENT if sweep.counts.get(state))
    began = time_words(sweep.started)
    if sweep.ended is None:
        return Swept(began, "", "not ended", "")
    took = duration_words((sweep.ended - sweep.started).total_seconds())
    return Swept(began, took, counts or "nothing found", f"sweep-{sweep.id}.html")


@cache
def _script() -> str:
    return files("tasks.report").joinpath("templates", "site.js").read_text("utf-8")
