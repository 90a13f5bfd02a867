"""The `xtendflow` command: its parts, and how errors become one line and an exit status."""

import sys
from typing import Any

import typer

from flows.cli.demo_archive import demo_archive
from flows.cli.deploy import deploy
from flows.cli.doctor import doctor
from flows.cli.export import export
from flows.cli.extract import extract
from flows.cli.fit import fit
from flows.cli.ledger import app as ledger
from flows.cli.report import report
from flows.cli.show import show
from flows.cli.status import status
from flows.cli.sweep import sweep
from tasks.core.errors import BadInput, XtendflowError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Sweeps the public XRISM-Xtend archive into analysis-ready products.",
)
for command in (sweep, status, show, report, export, extract, fit, doctor, deploy, demo_archive):
    app.command(command.__name__.replace("_", "-"))(command)
app.add_typer(ledger, name="ledger")

# Typer does not export the common base of its complaints about the command line.
_UsageError: Any = typer.BadParameter.__mro__[1]


def main() -> None:
    """Run the command line: 0 done, 1 something failed, 2 bad input, 3 environment, 130 interrupted."""
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except XtendflowError as exc:
        typer.echo(f"xtendflow: {exc}", err=True)
        status = exc.exit_status
    except _UsageError as exc:
        typer.echo(f"xtendflow: {' '.join(exc.format_message().split())}", err=True)
        status = BadInput.exit_status
    sys.exit(status)
