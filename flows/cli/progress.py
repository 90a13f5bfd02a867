"""Bars on the terminal: how far a command is, and how long it will take; quiet where nobody looks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.core.progress import Told, Unit, listening

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@contextmanager
def shown(doing: str) -> Iterator["Console | None"]:
    """Show on standard error what a command does and how far it is, while the block runs.

    Parameters
    ----------
    doing : str
        What the command does, with the time that it takes so far.

    Yields
    ------
    Console or None
        Where lines can be printed above the bars; None where standard error is no terminal, and nothing is
        shown.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with _progress(console) as progress, listening(_Bars(progress).show):
        progress.add_task(doing, total=None, amount="")
        yield console


class _Bars:
    """A bar for each thing that is told of, until it is over."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def show(self, told: Told) -> None:
        if told.what not in self._bars:
            self._bars[told.what] = self._progress.add_task(told.what, total=told.total, amount="")
        bar = self._bars[told.what]
        self._progress.update(bar, completed=told.done, total=told.total, amount=_amount(told))
        if told.done >= told.total:
            self._progress.remove_task(self._bars.pop(told.what))


def _amount(told: Told) -> str:
    """How much of how much, in words."""
    if told.unit != Unit.BYTES:
        return f"{told.done} of {told.total} {told.unit}"
    from rich.filesize import decimal

    return f"{decimal(told.done)} of {decimal(told.total)}"


def _progress(console: "Console") -> "Progress":
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=False,
    )
