"""`xtendflow demo-archive`: a simulated archive to practise on."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, read_settings
from flows.cli.progress import shown


def demo_archive(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.")],
    with_faults: Annotated[
        bool, typer.Option("--with-faults", help="Add observations with something wrong.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a small simulated archive of XRISM-Xtend observations, with its catalogue.

    Every file says in every header that it is a simulation. The same directory given again is left as it is.
    """
    from tasks.archive.simulated.archive import make_archive, summary
    from tasks.archive.simulated.catalogue import CATALOGUE_NAME
    from tasks.archive.simulated.recipe import RECIPE

    settings = read_settings()
    with shown("Simulating observations, unless they are there already …"):
        make_archive(directory, with_faults=with_faults, cores=settings.cores)
    observations = summary(with_faults)
    if as_json:
        typer.echo(json.dumps(observations, indent=1))
        return
    for row in observations:
        typer.echo(f"{row['obsid']}  {' '.join(row['dataclasses']) or '–':17}  {row['note']}")
    place = directory.absolute()
    typer.echo(f"\nThe simulated archive lies in {place}. To sweep it:")
    catalogue = shlex.quote(str(place / CATALOGUE_NAME))
    sweep = f"xtendflow sweep --archive {shlex.quote(str(place))} --catalogue {catalogue}"
    typer.echo(f"  {sweep}")
    typer.echo("With fits of its spectra (truth.json in there tells what should come out):")
    typer.echo(f"  {sweep} --recipe {shlex.quote(str(place / RECIPE))}")
