"""The `xtendflow` command: its parts, and how errors become one line and an exit status."""

import sys

import typer

from flows.cli.demo_archive import demo_archive
from flows.cli.doctor import doctor
from flows.cli.extract import extract
from flows.cli.show import show
from flows.cli.status import status
from flows.cli.sweep import sweep
from tasks.core.errors import XtendflowError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Sweeps the public XRISM-Xtend archive into analysis-ready products.",
)
for command in (sweep, status, show, extract, doctor, demo_archive):
    app.command(command.__name__.replace("_", "-"))(command)


def main() -> None:
    """Run the command line: 0 done, 1 something failed, 2 bad input, 3 environment, 130 interrupted."""
    try:
        app()
    except XtendflowError as exc:
        typer.echo(f"xtendflow: {exc}", err=True)
        sys.exit(exc.exit_status)
