"""`xtendflow status`: how many observations and datasets there are in each state, and why."""

import json
from typing import Any

import typer

from flows.cli.options import AsJson, console, has_ledger, read_settings
from tasks.core.settings import Settings


def status(as_json: AsJson = False) -> None:
    """Count observations and datasets by state and reason, and list the last sweeps.

    It reads the ledger only; a sweep may be running.
    """
    known = count(read_settings())
    typer.echo(json.dumps(known, indent=2)) if as_json else _show(known)


def count(settings: Settings) -> dict[str, Any]:
    """What the ledger counts, as plain values; zeros where no sweep has been run."""
    from tasks.library.ledger import Ledger

    if not has_ledger(settings):
        return {"observations": [], "datasets": [], "failed": [], "sweeps": []}
    ledger = Ledger.open(settings.ledger_url)
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
            for sweep in ledger.sweeps()[-5:]
        ],
    }


def _show(known: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    out = console()
    if not known["observations"]:
        out.print("Nothing is known yet: no sweep has been run here.")
        return
    for name in ("observations", "datasets"):
        table = Table("number", "state", "reason", title=name, title_justify="left", box=None, pad_edge=False)
        table.columns[0].justify = "right"
        for item in known[name]:
            kind = f"({item['kind']})" if item["kind"] else ""
            table.add_row(str(item["number"]), f"{item['state']}{kind}", escape(item["reason"] or ""))
        out.print(table, "")
    for item in known["failed"]:
        out.print(
            f"[red]failed({item['kind']})[/red] {item['obsid']} {escape(item['name'])}, "
            f"{item['attempts']} attempts: {escape(item['reason'] or '')}"
        )
    for sweep in known["sweeps"]:
        counts = ", ".join(f"{number} {state}" for state, number in sweep["counts"].items() if number)
        out.print(f"sweep {sweep['id']}: {counts or 'nothing found'}")
