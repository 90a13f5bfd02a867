"""`xtendflow status`: where observations and datasets stand and why, and how work goes on."""

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, console, has_ledger, read_settings
from tasks.core.settings import Settings

if TYPE_CHECKING:
    from tasks.library.ledger import Ledger

_EVERY = 2.0
_SHORTEST, _LONGEST = 0.1, 86400.0
_SWEEPS = 5
_UNKNOWN = "Nothing is known yet: no sweep has been run here."
_NOTHING: dict[str, Any] = {"observations": [], "datasets": [], "failed": [], "sweeps": []}


def _pause(text: str) -> float:
    """The pause between two looks, in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not _SHORTEST <= seconds <= _LONGEST:
        raise typer.BadParameter(f"{text!r} is no pause of {_SHORTEST} to {_LONGEST} seconds")
    return seconds


def status(
    seconds: Annotated[
        float | None, typer.Argument(parser=_pause, help=f"Pause of --watch, {_EVERY:g} s when not given.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew and anew, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where observations and datasets stand, and why; throughput, queue, durations, retries and disks.

    It reads the ledger and the sizes of downloads and scratch; a sweep may be running. Times are UTC.
    """
    from tasks.core.errors import BadInput

    if seconds is not None and not watch:
        raise BadInput(f"{seconds:g} is the pause of --watch, which is not given")
    settings = read_settings()
    if not watch:
        known = count(settings)
        typer.echo(json.dumps(known, indent=2)) if as_json else console().print(_shown(known))
    else:
        # Ctrl-C is how one ends it.
        with contextlib.suppress(KeyboardInterrupt):
            _watch(lambda: count(settings), seconds or _EVERY, as_json)


def _watch(counted: Callable[[], dict[str, Any]], seconds: float, as_json: bool) -> None:
    """Show the counts again and again: in place on a terminal, else one after another."""
    from rich.live import Live

    out = console()
    if as_json or not out.is_terminal:
        while True:
            known = counted()
            typer.echo(json.dumps(known)) if as_json else out.print(_shown(known))
            time.sleep(seconds)
    with Live(_moving(counted()), console=out, auto_refresh=False) as live:
        while True:
            time.sleep(seconds)
            live.update(_moving(counted()), refresh=True)


def count(settings: Settings) -> dict[str, Any]:
    """What the ledger counts, as plain values; four empty lists where no sweep has been run."""
    from tasks.library.ledger import Ledger

    if not has_ledger(settings):
        return _NOTHING
    with contextlib.closing(Ledger.open(settings.ledger_url)) as ledger:
        return {**_standings(ledger), **_figures(settings, ledger)}


def _standings(ledger: "Ledger") -> dict[str, Any]:
    return {
        **{
            name: [
                {**item.standing.model_dump(mode="json"), "number": item.number}
                for item in ledger.counts(name)
            ]
            for name in ("observations", "datasets")
        },
        "failed": [
            {
                "obsid": row.obsid,
                "name": row.name,
                **row.standing.model_dump(mode="json"),
                "attempts": row.attempts,
            }
            for row in ledger.failed()
        ],
        "sweeps": [
            {
                "id": sweep.id,
                "started": sweep.started.isoformat(),
                "ended": sweep.ended.isoformat() if sweep.ended else None,
                "recipe": sweep.recipe,
                "counts": sweep.counts,
            }
            for sweep in ledger.sweeps()[-_SWEEPS:]
        ],
    }


def _figures(settings: Settings, ledger: "Ledger") -> dict[str, Any]:
    from tasks.library.disk import places
    from tasks.library.throughput import figures

    now = datetime.now(UTC)
    found = figures(ledger, now)
    values = asdict(found) | {"disk": [asdict(place) for place in places(settings, found.stored)]}
    for name in ("oldest_waiting", "oldest_running"):
        if stand := values["queue"][name]:
            stand["seconds"] = (now - stand["since"]).total_seconds()
            stand["since"] = stand["since"].isoformat()
    return {"at": now.isoformat(), **values}


def _shown(known: dict[str, Any]) -> Any:
    """Everything as tables."""
    from rich.console import Group

    from flows.cli.status_tables import how_it_goes, standings

    if not known["observations"]:
        return _UNKNOWN
    return Group(*standings(known), *how_it_goes(known))


def _moving(known: dict[str, Any]) -> Any:
    """The tables that change while one watches, for as many lines as a terminal has."""
    from rich.console import Group

    from flows.cli.status_tables import how_it_goes

    return Group(*how_it_goes(known)) if known["observations"] else _UNKNOWN
