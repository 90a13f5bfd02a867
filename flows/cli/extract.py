"""`xtendflow extract`: images, light curves and spectra of any event list."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.cli.options import AsJson
from flows.cli.progress import shown
from flows.cli.signals import like_ctrl_c

_MAPS = "Exposure map"

Events = Annotated[
    list[Path],
    typer.Argument(
        metavar="EVENTS",
        help="Event list (FITS, gzipped or not) of any X-ray instrument. "
        "Several files of one dataset are one list.",
    ),
]
Out = Annotated[Path, typer.Option(help="Directory for the products; made where it is missing.")]
ChannelRanges = Annotated[
    list[str] | None, typer.Option(metavar="LO:HI", help="PI channels, both included. May be repeated.")
]
Bands = Annotated[
    list[str] | None,
    typer.Option(metavar="LO-HI", help="Energy band in keV (Xtend, or with --rmf). May be repeated."),
]
Binnings = Annotated[
    list[int] | None,
    typer.Option(metavar="N", help="Make images, summing N × N sky pixels. May be repeated."),
]
Source = Annotated[Path | None, typer.Option(metavar="REG", help="ds9 region of the source.")]
Background = Annotated[Path | None, typer.Option(metavar="REG", help="ds9 region of the background.")]
TimeBins = Annotated[
    list[float] | None,
    typer.Option(metavar="S", help="Make light curves with bins of S seconds. May be repeated."),
]
Threshold = Annotated[
    float, typer.Option(metavar="F", help="Leave out bins exposed for less than this fraction.")
]
NetErrors = Annotated[
    Literal["gaussian", "linear"] | None,
    typer.Option(help="Errors of net light curves: err_mode 2 or 1 of lcmath (gaussian)."),
]
Ehk = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Extended housekeeping, to make maps (Xtend).", rich_help_panel=_MAPS),
]
BadPixels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Bad-pixel image, to make maps (Xtend).", rich_help_panel=_MAPS),
]
Delta = Annotated[
    float | None,
    typer.Option(metavar="ARCMIN", help="Off-axis step of the attitude (20).", rich_help_panel=_MAPS),
]
Numphi = Annotated[
    int | None,
    typer.Option(metavar="N", help="Azimuth wedges of the first ring (1).", rich_help_panel=_MAPS),
]
KeepCalibration = Annotated[
    bool,
    typer.Option(
        "--keep-calibration-sources",
        help="Count them as exposed; rate images are blank there all the same.",
        rich_help_panel=_MAPS,
    ),
]
ExposureMap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Unbinned map that is there already, instead of --ehk.", rich_help_panel=_MAPS
    ),
]
Backscal = Annotated[
    Literal["exposure", "maximum", "pixels"] | None,
    typer.Option(
        help="BACKSCAL by the map, over its exposure or its maximum in the region, or by the number of "
        "pixels (exposure where there is a map)."
    ),
]
Group = Annotated[
    str | None, typer.Option(metavar="min:N|opt|optmin:N|bmin:N", help="Group the source spectrum as well.")
]
Rmf = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Response: for --group opt and optmin, and --bands of other instruments."
    ),
]


def extract(
    events: Events,
    out: Out,
    channels: ChannelRanges = None,
    bands: Bands = None,
    binning: Binnings = None,
    source: Source = None,
    background: Background = None,
    time_bin: TimeBins = None,
    exposure_threshold: Threshold = 0.0,
    backscal: Backscal = None,
    net_errors: NetErrors = None,
    group: Group = None,
    rmf: Rmf = None,
    ehk: Ehk = None,
    bad_pixels: BadPixels = None,
    delta: Delta = None,
    numphi: Numphi = None,
    keep_calibration_sources: KeepCalibration = False,
    exposure_map: ExposureMap = None,
    as_json: AsJson = False,
) -> None:
    """Make images, light curves and spectra of an event list.

    Without --channels and --bands there is one band, the whole PI range. A --source or --background gives a
    spectrum over all channels and, with --time-bin, light curves; both together give net light curves.
    Images need --binning; when nothing else is asked for, one of binning 1 is made. With --ehk and
    --bad-pixels (Xtend) exposure maps and rate images are made too, and spectra carry the exposed area;
    with --exposure-map the same, but no maps, and rate images of binning 1 only.

    Regions are applied as they stand. Products are never overwritten; after an error nothing is written.
    """
    from tasks.core.identifiers import Band
    from tasks.engines.native.extract_any import extract_order
    from tasks.engines.native.extract_order import Order
    from tasks.xtend.channels import Channels
    from tasks.xtend.grouping import GroupingRule

    order = Order(
        events=tuple(events),
        out=out,
        channels=tuple(Channels.parse(text) for text in channels or ()),
        bands=tuple(Band.parse(text) for text in bands or ()),
        binnings=tuple(binning or ()),
        source=source,
        background=background,
        time_bins=tuple(time_bin or ()),
        threshold=exposure_threshold,
        ehk=ehk,
        bad_pixels=bad_pixels,
        exposure_map=exposure_map,
        delta_arcmin=delta,
        numphi=numphi,
        keep_calibration=keep_calibration_sources,
        backscal=backscal,
        net_errors=net_errors,
        grouping=GroupingRule.parse(group) if group is not None else None,
        rmf=rmf,
    )
    with like_ctrl_c(), shown("Extracting …"):
        made = extract_order(order)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(made.products, indent=1))
        return
    for product in made.products:
        typer.echo(_line(product))


def _line(product: dict[str, Any]) -> str:
    """A product in one line: what it is, then where."""
    channels = product["channels"]
    details = (
        f"PI {channels[0]}:{channels[1]}" if channels else "",
        f"binning {product['binning']}" if product["binning"] else "",
        f"{product['time_bin']:g} s" if product["time_bin"] else "",
        product["grouping"] or "",
    )
    what = f"{product['role']} {product['kind']}"
    return f"{what:28} {', '.join(filter(None, details)):26} {product['path']}"
