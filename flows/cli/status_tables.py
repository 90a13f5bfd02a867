"""The tables of `xtendflow status`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table


def standings(known: dict[str, Any]) -> Iterator[Any]:
    """Observations and datasets by state and reason, what failed, and the last sweeps."""
    for name in ("observations", "datasets"):
        table = _table(name, "#number", "state", "step", "reason")
        for item in known[name]:
            table.add_row(str(item["number"]), _state(item), item["step"] or "", escape(item["reason"] or ""))
        yield from (table, "")
    for item in known["failed"]:
        step = f" in {item['step']}" if item["step"] else ""
        yield (
            f"[red]failed({item['kind']})[/red] {item['obsid']} {escape(item['name'])}{step}, "
            f"{item['attempts']} attempts: {escape(item['reason'] or '')}"
        )
    for sweep in known["sweeps"]:
        counts = ", ".join(f"{number} {state}" for state, number in sweep["counts"].items() if number)
        yield f"sweep {sweep['id']}: {counts or ('nothing found' if sweep['ended'] else 'it goes on')}"


def how_it_goes(known: dict[str, Any]) -> Iterator[Any]:
    """Throughput, failures, queue, durations, retries and disks."""
    yield from ("", _throughput(known["throughput"]), "")
    if known["failures"]:
        table = _table("failures", "#observations", "kind", "step")
        for item in known["failures"]:
            table.add_row(str(item["number"]), item["kind"] or "", item["step"] or "unknown")
        yield from (table, "")
    yield from _queue(known["queue"])
    retries = known["retries"]
    yield (
        f"attempts: {retries['attempts']}, {retries['repeated']} of them at something tried before; "
        f"they started {retries['tries']} tasks, retries included"
    )
    if known["durations"]:
        yield from ("", _durations(known["durations"]))
    yield from ("", _disk(known["disk"]))


def _throughput(periods: dict[str, Any]) -> Table:
    names = ("in the last", "#done", "#skipped", "#failed", "#datasets done", "#products", "#tasks started")
    table = _table("observations and datasets that ended", *names)
    for name, item in periods.items():
        numbers = (item[key] for key in ("observations", "skipped", "failed", "datasets"))
        table.add_row(name, *map(str, numbers), decimal(item["bytes"]), str(item["tries"]))
    return table


def _queue(queue: dict[str, Any]) -> Iterator[str]:
    for what in ("waiting", "running"):
        line = f"{what}: {queue[what]} observations"
        if oldest := queue[f"oldest_{what}"]:
            name = escape(oldest["name"])
            line += f", for longest {oldest['obsid']} {name}: {_time(oldest['seconds'])}"
        yield line


def _durations(found: list[dict[str, Any]]) -> Table:
    table = _table("durations in the last week", "of", "#number", "#median", "#90 % within")
    for item in found:
        table.add_row(item["what"], str(item["number"]), f"{item['median']:.1f} s", f"{item['p90']:.1f} s")
    return table


def _disk(found: list[dict[str, Any]]) -> Table:
    table = _table("disk", "place", "#takes", "#limit", "#free", "where")
    for item in found:
        sizes = ("" if item[key] is None else decimal(item[key]) for key in ("bytes", "limit", "free"))
        table.add_row(item["name"], *sizes, escape(item["where"]))
    return table


def _table(title: str, *names: str) -> Table:
    """An empty table; columns whose name begins with # hold figures."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in names:
        table.add_column(name.removeprefix("#"), justify="right" if name.startswith("#") else "left")
    return table


def _state(item: dict[str, Any]) -> str:
    return f"{item['state']}({item['kind']})" if item["kind"] else str(item["state"])


def _time(seconds: float) -> str:
    return str(timedelta(seconds=max(0, round(seconds))))
