"""The process in which a sweep's flow runs: its order comes on standard input.

Started by `xtendflow sweep`, which gives it the Prefect server in its environment.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import typer

from flows.cli.logs import log_to_stderr
from flows.cli.options import console
from flows.cli.progress import shown
from flows.cli.signals import like_ctrl_c, run_apart
from flows.cli.supervising import END_SECONDS, INTERRUPTED, TELL_INTERRUPTED
from tasks.core.errors import EnvironmentFault, XtendflowError
from tasks.core.state import State
from tasks.core.words import without_password
from tasks.library.summary import Result, Summary

_ROWS = 200
"""At most this many rows are printed."""


def main() -> int:
    """Run the sweep that standard input asks for; the exit status of the command."""
    # Tens of thousands of rows are no garbage: to look through them again and again takes more than a second.
    gc.set_threshold(50_000, 20, 100)
    # Its plugins begin as it is imported, which they cannot where a loop runs already.
    import prefect  # noqa: F401

    order = json.loads(sys.stdin.readline())
    # While the server is away Prefect's handler would tell of every line that it cannot send.
    logging.raiseExceptions = False
    try:
        with like_ctrl_c():
            _end_with_parent()
            return run_apart(_run(order))
    except XtendflowError as exc:
        typer.echo(f"xtendflow: {exc}", err=True)
        return exc.exit_status
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo(TELL_INTERRUPTED, err=True)
        return INTERRUPTED


async def _run(order: dict[str, Any]) -> int:
    """Sweep and tell the summary; it is not given back, as asyncio would put all of it into words."""
    from tasks.library.site import this_site

    with shown("sweep") as console:
        log_to_stderr(this_site().settings, console)
        summary = await _sweep(order)
    if order["as_json"]:
        typer.echo(summary.model_dump_json(indent=2))
    else:
        show(summary, server_stays=order["server_stays"])
    return 1 if summary.of(State.FAILED) else 0


def _end_with_parent() -> None:
    """Take the end of the command that started this process for an interrupt: standard input ends then."""

    def watch() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGINT)
        # Nobody else ends it any more should it wait for a server that does not answer.
        time.sleep(END_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


async def _sweep(order: dict[str, Any]) -> Summary:
    from prefect import tags
    from prefect.utilities.annotations import quote

    from flows.orphans import process_tag
    from flows.sweep import sweep
    from tasks.archive.catalogue.interface import Query
    from tasks.archive.selection import Rules
    from tasks.library.recipe import Recipe
    from tasks.library.site import this_site

    query, recipe = Query.model_validate(order["query"]), Recipe.model_validate(order["recipe"])
    # Should it be killed before it has noted anything, the next one sees by the tag that it is gone.
    with _server_failures(), tags(process_tag(this_site().holder)):
        state = await sweep(query, recipe, Rules.model_validate(order["rules"]), return_state=True)
        value: Any = await state.aresult(raise_on_failure=False)
    if isinstance(value, XtendflowError):
        raise value
    if not isinstance(value, quote):
        raise EnvironmentFault(f"the sweep broke off: {value if value is not None else state.message}")
    summary: Summary = value.unwrap()
    return summary


@contextlib.contextmanager
def _server_failures() -> Iterator[None]:
    """Say in one sentence that the Prefect server has failed; its client has tried for minutes by then."""
    try:
        yield
    except (httpx.HTTPError, RuntimeError) as exc:
        # A server that is not there at the very beginning is a RuntimeError to Prefect.
        cause = exc if isinstance(exc, httpx.HTTPError) else exc.__cause__
        if not isinstance(cause, httpx.HTTPError):
            raise
        raise EnvironmentFault(
            f"the Prefect server failed, what was finished is kept: {without_password(repr(cause))}"
        ) from exc


def show(summary: Summary, *, server_stays: bool) -> None:
    """Print the summary: a row per dataset, the count of each state, and where to look.

    Of an archive only what was run, or is not done, is worth a row, and of that a screenful or two.
    """
    from rich.markup import escape
    from rich.table import Table

    table = Table("ObsID", "class", "target", "state", "notes", box=None, pad_edge=False)
    colours = {State.DONE: "green", State.FAILED: "red", State.SKIPPED: "yellow"}
    shown = _worth_a_row(summary)
    for item in shown:
        state = f"[{colours.get(item.standing.state, 'cyan')}]{item.standing}[/]"
        cautions = f"{len(item.cautions)} cautions" if item.cautions else ""
        notes = item.standing.reason or "; ".join(filter(None, (item.why, cautions)))
        table.add_row(item.obsid, item.dataclass or "–", escape(item.target), state, escape(notes))
    out = console()
    out.print(table)
    if more := len(summary.results) - len(shown):
        out.print(f"and {more} more, which the report lists")
    counts = Counter(str(item.standing) for item in summary.results)
    totals = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    out.print(totals or "nothing found")
    out.print(f"Report:     {_address(summary.store)}", soft_wrap=True)
    hint = "" if server_stays else " (stops now; --keep-server leaves it up)"
    address = without_password(os.environ["PREFECT_API_URL"]).removesuffix("/api")
    out.print(f"Prefect UI: {address}{hint}", soft_wrap=True)


def _worth_a_row(summary: Summary) -> tuple[Result, ...]:
    """The results to print: all of a few, else those that failed first, then the others that are news."""
    if len(summary.results) <= _ROWS:
        return summary.results
    news = [item for item in summary.results if item.seconds or item.standing.state == State.FAILED]
    return tuple(sorted(news, key=lambda item: item.standing.state != State.FAILED)[:_ROWS])


def _address(store: str) -> str:
    """Where the report of a store is found."""
    return f"{store}/report/index.html" if "://" in store else (Path(store) / "report/index.html").as_uri()


if __name__ == "__main__":
    sys.exit(main())
