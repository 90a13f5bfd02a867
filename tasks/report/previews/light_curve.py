"""The preview of light curves: a panel per band with source, background and their difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from astropy.time import Time
from matplotlib.axes import Axes

from tasks.core.errors import NoData
from tasks.library.manifest import Kind, Manifest, Product, Role
from tasks.report.previews.canvas import (
    BACKGROUND_COLOUR,
    FONT,
    NET_COLOUR,
    SMALL_FONT,
    SOURCE_COLOUR,
    Floats,
    Look,
    Picture,
    Points,
    new_figure,
    save,
)
from tasks.report.previews.counting import count_errors
from tasks.report.previews.files import is_simulated, keyword, read_table
from tasks.report.previews.spectrum import area_ratio
from tasks.report.words import band_words, time_words

LEAST_EXPOSED: Final = 0.2
"""Bins exposed for less than this part of the live fraction are not drawn."""

MOST_BINS: Final = 250

# Source and net often coincide: a wide, hollow mark behind and a small, full one before it show both.
_LOOKS: Final = {
    Role.SOURCE: Look("source", SOURCE_COLOUR, "o", size=8, filled=False, bar=3),
    Role.BACKGROUND: Look("background, scaled", BACKGROUND_COLOUR, "s", filled=False),
    Role.NET: Look("net", NET_COLOUR, "D", size=3),
}


@dataclass(frozen=True)
class Curve:
    """The bins of a light curve that are exposed well enough to be drawn; merged where there are many.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Middles of the bins in mission seconds.
    rate : ndarray, shape (n,)
        Counts/s.
    errors : ndarray, shape (2, n)
        1σ downwards and upwards in counts/s.
    start, width : float
        Mission time at which the first bin of the file begins, and the length of a drawn bin in seconds.
    reference : float
        MJD (TT) of mission time zero.
    simulated : bool
        Whether the file says so.
    """

    time: Floats
    rate: Floats
    errors: Floats
    start: float
    width: float
    reference: float
    simulated: bool


@dataclass(frozen=True)
class _Panel:
    """One band: its curves by role, the background's scaled to the area of the source."""

    band: str
    curves: dict[Role, Curve]


def draw_light_curves(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the light curves of a dataset.

    Parameters
    ----------
    manifest : Manifest
        What there is.
    directory : Path
        Where its products lie under their own names.
    out : Path
        The PNG to write.

    Raises
    ------
    NoData
        When there is no source curve, or no exposed bin in any.
    Permanent
        When a file cannot be read.
    """
    products = manifest.find(Kind.LIGHT_CURVE, Role.SOURCE)
    if not products:
        raise NoData("there is no light curve of the source")
    scale = area_ratio(manifest, directory)
    panels = [_panel(manifest, directory, product, scale) for product in products]
    curves = [curve for panel in panels for curve in panel.curves.values() if curve.time.size]
    if not curves:
        raise NoData("no bin of the light curves is exposed")
    start = min(curve.start for curve in curves)
    began = Time(curves[0].reference + start / 86400, format="mjd", scale="tt").utc.to_datetime()
    end = max(curve.time.max() + curve.width / 2 for curve in curves)
    _draw(panels, (start, end), f"ks since {time_words(began)}", out)
    return _tell(manifest, products, panels, scale)


def read_curve(path: Path) -> Curve:
    """The well exposed bins of a light curve, merged to at most some 250 for the picture.

    The live fraction is the largest FRACEXP: burst modes and 1/8 windows never reach 1.

    Raises
    ------
    Permanent
        When the file cannot be read as a light curve.
    """
    table = read_table(path, "RATE", ("TIME", "RATE", "FRACEXP"))
    time, rate, exposed = (table.columns[name] for name in ("TIME", "RATE", "FRACEXP"))
    names = ("TIMEZERO", "TIMEDEL", "MJDREFI", "MJDREFF")
    zero, width, days, fraction = (keyword(path, table.keywords, name) for name in names)
    middle = zero + time + (0.5 - table.keywords.get("TIMEPIXR", 0.5)) * width
    start = float(middle.min(initial=np.inf)) - width / 2
    kept = np.isfinite(rate) & (exposed > 0) & (exposed >= LEAST_EXPOSED * exposed.max(initial=0.0))
    # Few enough points that single ones can be told apart.
    wide = width * max(1, math.ceil(time.size / MOST_BINS))
    seconds = exposed[kept] * width
    cells, cell = np.unique(np.floor((middle[kept] - start) / wide), return_inverse=True)
    exposure, counts = np.bincount(cell, seconds), np.bincount(cell, rate[kept] * seconds)
    return Curve(
        time=start + (cells + 0.5) * wide,
        rate=counts / exposure,
        errors=count_errors(np.maximum(counts, 0.0)) / exposure,
        start=start,
        width=wide,
        reference=days + fraction,
        simulated=is_simulated(table.keywords),
    )


def _panel(manifest: Manifest, directory: Path, product: Product, scale: float | None) -> _Panel:
    band = product.entry["band"]
    source = read_curve(directory / product.name)
    curves = {Role.SOURCE: source}
    if scale is not None:
        for background in manifest.find(Kind.LIGHT_CURVE, Role.BACKGROUND, band=band):
            curves[Role.BACKGROUND] = _scaled(read_curve(directory / background.name), scale)
            for net in manifest.find(Kind.LIGHT_CURVE, Role.NET, band=band):
                curves[Role.NET] = _net(read_curve(directory / net.name), source, curves[Role.BACKGROUND])
    return _Panel(band, curves)


def _scaled(curve: Curve, scale: float) -> Curve:
    return replace(curve, rate=curve.rate * scale, errors=curve.errors * scale)


def _net(net: Curve, source: Curve, background: Curve) -> Curve:
    """The net curve with the errors of its two parts; what the background may be more, it may be less."""
    shared = np.intersect1d(np.intersect1d(net.time, source.time), background.time)
    down_up, up_down = (curve.errors[:, np.isin(curve.time, shared)] for curve in (source, background))
    kept = np.isin(net.time, shared)
    return replace(net, time=net.time[kept], rate=net.rate[kept], errors=np.hypot(down_up, up_down[::-1]))


def _draw(panels: Sequence[_Panel], span: tuple[float, float], time_label: str, out: Path) -> None:
    figure = new_figure(1.4 + 2.7 * len(panels), simulated=panels[0].curves[Role.SOURCE].simulated)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(rows, panels, strict=True):
        _draw_panel(axes, panel, span)
    rows[-1].set_xlabel(time_label, fontsize=FONT)
    figure.supylabel("count/s", fontsize=FONT)
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=FONT, frameon=False)
    save(figure, out)


def _draw_panel(axes: Axes, panel: _Panel, span: tuple[float, float]) -> None:
    axes.axhline(0, color="#808080", linewidth=0.8)
    for role, curve in panel.curves.items():
        Points((curve.time - span[0]) / 1000, curve.rate, curve.errors).draw(axes, _LOOKS[role])
    length = (span[1] - span[0]) / 1000
    axes.set_xlim(-0.02 * length, 1.02 * length)
    axes.set_title(band_words(panel.band), fontsize=FONT, loc="left")
    axes.tick_params(labelsize=SMALL_FONT)
    axes.locator_params(axis="y", nbins=4)


def _tell(
    manifest: Manifest, products: Sequence[Product], panels: Sequence[_Panel], scale: float | None
) -> Picture:
    target = manifest.target.name if manifest.target else "the source"
    means = "; ".join(
        f"{band_words(panel.band)} mean {np.mean(panel.curves[Role.SOURCE].rate):.3g} count/s"
        for panel in panels
        if panel.curves[Role.SOURCE].rate.size
    )
    drawn = [role.value for role in panels[0].curves]
    scaled = (
        f"The background is scaled by area (× {scale:.3g})."
        if Role.BACKGROUND in panels[0].curves
        else "No background is drawn: there is none, or its area is not known."
    )
    width = f"{products[0].entry['time_bin']:g} s"
    drawn_width = f"{panels[0].curves[Role.SOURCE].width:g} s"
    merged = "" if drawn_width == width else f", merged to {drawn_width} for this picture only"
    return Picture(
        alt=f"Light curves of {target} ({', '.join(drawn)}) in bins of {width}: {means}.",
        caption=f"Bins of {width}{merged}. {scaled} Bins exposed for less than 20 % of the live time are "
        "left out; errors are Gehrels' below 10 counts. Times are not barycentred.",
    )
