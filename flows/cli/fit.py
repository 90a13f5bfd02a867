"""`xtendflow fit`: a model fitted to any OGIP spectrum."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from flows.cli.options import AsJson, console
from flows.cli.progress import shown
from flows.cli.signals import like_ctrl_c
from tasks.core.errors import BadInput, Permanent

if TYPE_CHECKING:
    from tasks.library.spectral.result import FitResult

Value = TypeVar("Value")

SpectrumFile = Annotated[
    Path, typer.Argument(metavar="SPECTRUM", help="OGIP spectrum (PHA file, type I) of any X-ray instrument.")
]
ModelText = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="EXPR",
        help="phabs, powerlaw, bbody, bremss and gaussian as in XSPEC, such as 'phabs*(powerlaw+gaussian)'.",
    ),
]
BandText = Annotated[
    str, typer.Option("--band", metavar="LO-HI", help="Energies in keV; groups wholly inside are used.")
]
BackgroundFile = Annotated[
    Path | None,
    typer.Option("--background", metavar="F", help="Background spectrum (else BACKFILE)."),
]
RmfFile = Annotated[Path | None, typer.Option("--rmf", metavar="F", help="Response (else RESPFILE).")]
ArfFile = Annotated[Path | None, typer.Option("--arf", metavar="F", help="Effective area (else ANCRFILE).")]
Freeze = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE", help="Keep a parameter at a value, such as phabs.nH=0.07. May be repeated."
    ),
]
Bounds = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=LOW:HIGH", help="Let a free parameter lie within bounds. May be repeated."),
]
Start = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Let a free parameter start from a value. May be repeated."),
]
StatisticName = Annotated[
    Literal["cstat", "wstat", "chi2"] | None,
    typer.Option("--statistic", help="wstat with a background and cstat without one, when left out."),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="min:N|opt|optmin:N|bmin:N",
        help="Group anew: by counts of the source (min) or of the background (bmin), optimally, or both at "
        "once; else as GROUPING in the file says.",
    ),
]
AbundanceTable = Annotated[
    Literal["angr", "aspl", "wilm"], typer.Option("--abundances", help="Of the gas that phabs stands for.")
]


def fit(
    spectrum: SpectrumFile,
    model: ModelText,
    background: BackgroundFile = None,
    rmf: RmfFile = None,
    arf: ArfFile = None,
    freeze: Freeze = None,
    start: Start = None,
    bounds: Bounds = None,
    band: BandText = "0.5-10",
    statistic: StatisticName = None,
    group: Group = None,
    abundances: AbundanceTable = "angr",
    as_json: AsJson = False,
) -> None:
    """Fit a model to a spectrum and give its parameters with their 90 % ranges.

    Files that are not given are those that the spectrum's header names; `none` stands for no such file.
    Channels whose QUALITY is not 0 take no part. Ranges are where the statistic has risen by 2.706 with all
    other parameters refitted.

    Needs the extra `sherpa` of this package. Ends with status 1, after printing what there is, when the fit
    does not converge.
    """
    from tasks.core.identifiers import Band
    from tasks.fitting.fit import fit as fit_files
    from tasks.fitting.inputs import read_files
    from tasks.library.spectral.model import Model
    from tasks.xtend.grouping import GroupingRule

    meant = Model.build(
        model,
        frozen=_values(freeze, "--freeze", _number, "phabs.nH=0.07"),
        start=_values(start, "--start", _number, "phabs.nH=0.07"),
        bounds=_values(bounds, "--bounds", _pair, "powerlaw.PhoIndex=1:3"),
        abundances=abundances,
    )
    selected = Band.parse(band)
    grouping = GroupingRule.parse(group) if group is not None else None
    with like_ctrl_c(), shown("Fitting …"):
        files = read_files(spectrum, background=background, rmf=rmf, arf=arf)
        result = fit_files(files, meant, selected, statistic=statistic, group=grouping)
    for found in result.cautions:
        typer.echo(f"{found.severity}: {found.sentence}", err=True)
    if as_json:
        typer.echo(result.model_dump_json(indent=1, exclude={"curve", "grouping"}))
    else:
        _show(result)
    if not result.converged:
        raise Permanent(f"the fit of {spectrum.name} did not converge")


def _values(
    texts: list[str] | None, option: str, read: Callable[[str], Value], example: str
) -> dict[str, Value]:
    """Values by name from NAME=VALUE, each name once."""
    values: dict[str, Value] = {}
    for text in texts or ():
        name, _, given = text.partition("=")
        try:
            value = read(given)
        except ValueError as exc:
            raise BadInput(f"{option} {text} cannot be read: write it as {example}") from exc
        if values.setdefault(name.strip(), value) != value:
            raise BadInput(f"{option} gives {name.strip()} twice")
    return values


def _number(text: str) -> float:
    return float(text)


def _pair(text: str) -> tuple[float, float]:
    low, high = text.split(":")
    return float(low), float(high)


def _show(result: "FitResult") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("parameter", "value", "90 % range", "unit"):
        table.add_column(heading)
    for name, parameter in result.parameters.items():
        low, high = (f"{end:.6g}" if end is not None else "?" for end in (parameter.low, parameter.high))
        ends = "frozen" if parameter.frozen else f"{low} – {high}"
        table.add_row(name, f"{parameter.value:.6g}", ends, escape(parameter.unit))
    out = console()
    out.print(table)
    out.print(f"{result.statistic.name} {result.statistic.value:.2f} for {result.dof} degrees of freedom")
    if result.flux is not None:
        out.print(f"flux {result.flux.value:.4g} {result.flux.unit} in {result.flux.band}")
