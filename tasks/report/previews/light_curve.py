"""The preview of light curves: a panel per band with source, background and their difference."""

import math
from collections.abc import Mapping, Sequence
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
FEWEST_BINS: Final = 24
ENOUGH_COUNTS: Final = 10.0
"""Bins are merged until they hold so many counts of the source on average, while enough of them are left."""

WIDTH_DOTS: Final = 800
_GOOD_TIME_COLOUR: Final = "#E3EDF5"

# Source and net often coincide: a wide, hollow mark behind and a small, full one before it show both.
_LOOKS: Final = {
    Role.SOURCE: Look("source", SOURCE_COLOUR, "o", size=8, filled=False, bar=3),
    Role.BACKGROUND: Look("background, scaled", BACKGROUND_COLOUR, "s", filled=False),
    Role.NET: Look("net", NET_COLOUR, "D", size=3),
}


@dataclass(frozen=True)
class Curve:
    """The bins of a light curve that are exposed well enough to be drawn.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Middles of the bins in mission seconds.
    rate : ndarray, shape (n,)
        Counts/s.
    seconds : ndarray, shape (n,)
        Exposed time of each bin.
    start, width : float
        Mission time at which the first bin of the file begins, and the length of a bin in seconds.
    bins : int
        Number of all bins of the file, exposed or not.
    reference : float
        MJD (TT) of mission time zero.
    simulated : bool
        Whether the file says so.
    """

    time: Floats
    rate: Floats
    seconds: Floats
    start: float
    width: float
    bins: int
    reference: float
    simulated: bool

    @property
    def errors(self) -> Floats:
        """1σ downwards and upwards in counts/s, shape (2, n), as if the rate were that of counts."""
        return count_errors(np.maximum(self.rate * self.seconds, 0.0)) / self.seconds

    def merged(self, factor: int) -> "Curve":
        """The curve in bins that are so many times as long, of which those are kept that are well exposed."""
        wide = self.width * factor
        cells, cell = np.unique(np.floor((self.time - self.start) / wide), return_inverse=True)
        seconds, counts = (np.zeros(cells.size) for _ in range(2))
        np.add.at(seconds, cell, self.seconds)
        np.add.at(counts, cell, self.rate * self.seconds)
        kept = seconds >= LEAST_EXPOSED * seconds.max(initial=0.0)
        return replace(
            self,
            time=(self.start + (cells + 0.5) * wide)[kept],
            rate=(counts / seconds)[kept],
            seconds=seconds[kept],
            width=wide,
        )


@dataclass(frozen=True)
class _Panel:
    """One band: its source's curve, and what is drawn by role, the background scaled to the source's area.

    `good_time` holds starts and stops in mission seconds, shape (n, 2).
    """

    band: str
    good_time: Floats
    source: Curve
    points: dict[Role, Points]


def draw_light_curves(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the light curves of a dataset. A `Draw`.

    There is none without a source curve, or when no bin of any is exposed.
    """
    products = manifest.find(Kind.LIGHT_CURVE, Role.SOURCE)
    if not products:
        raise NoData("there is no light curve of the source")
    scale = area_ratio(manifest, directory)
    panels = [_panel(manifest, directory, product, scale) for product in products]
    curves = [panel.source for panel in panels if panel.source.time.size]
    if not curves:
        raise NoData("no bin of the light curves is exposed")
    start = min(curve.start for curve in curves)
    began = Time(curves[0].reference + start / 86400, format="mjd", scale="tt").utc.to_datetime()
    end = max(curve.time.max() + curve.width / 2 for curve in curves)
    _draw(panels, (start, end), f"ks since {time_words(began)}", out)
    return _tell(manifest, products, panels, scale)


def read_curve(path: Path) -> Curve:
    """The well exposed bins of a light curve.

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
    kept = np.isfinite(rate) & (exposed > 0) & (exposed >= LEAST_EXPOSED * exposed.max(initial=0.0))
    return Curve(
        time=middle[kept],
        rate=rate[kept],
        seconds=exposed[kept] * width,
        start=float(middle.min(initial=np.inf)) - width / 2,
        width=width,
        bins=time.size,
        reference=days + fraction,
        simulated=is_simulated(table.keywords),
    )


def merging(curve: Curve) -> int:
    """How many bins make one of the picture, so that these are few enough and hold enough counts."""
    if not curve.time.size:
        return 1
    least = math.ceil(curve.bins / MOST_BINS)
    counts = float((curve.rate * curve.seconds).mean())
    wanted = math.ceil(ENOUGH_COUNTS / counts) if counts > 0 else curve.bins
    return max(least, min(wanted, curve.time.size // FEWEST_BINS), 1)


def _panel(manifest: Manifest, directory: Path, product: Product, scale: float | None) -> _Panel:
    band = product.entry["band"]
    source = read_curve(directory / product.name)
    factor = merging(source)
    source = source.merged(factor)
    points = {Role.SOURCE: Points(source.time, source.rate, source.errors)}
    if scale is not None:
        for item in manifest.find(Kind.LIGHT_CURVE, Role.BACKGROUND, band=band):
            background = read_curve(directory / item.name).merged(factor)
            points[Role.BACKGROUND] = Points(
                background.time, background.rate * scale, background.errors * scale
            )
            for net in manifest.find(Kind.LIGHT_CURVE, Role.NET, band=band):
                points[Role.NET] = _net(read_curve(directory / net.name).merged(factor), points)
    good = read_table(directory / product.name, "GTI", ("START", "STOP")).columns
    return _Panel(band, np.column_stack([good["START"], good["STOP"]]), source, points)


def _net(net: Curve, points: Mapping[Role, Points]) -> Points:
    """The net curve with the errors of its two parts; what the background may be more, it may be less."""
    parts = [points[role] for role in (Role.SOURCE, Role.BACKGROUND)]
    shared = np.intersect1d(parts[0].x, parts[1].x)
    shared = np.intersect1d(shared, net.time)
    down_up, up_down = (part.errors[:, np.isin(part.x, shared)] for part in parts)
    kept = np.isin(net.time, shared)
    return Points(net.time[kept], net.rate[kept], np.hypot(down_up, up_down[::-1]))


def _draw(panels: Sequence[_Panel], span: tuple[float, float], time_label: str, out: Path) -> None:
    figure = new_figure(1.4 + 2.7 * len(panels), simulated=panels[0].source.simulated)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(rows, panels, strict=True):
        _draw_panel(axes, panel, span)
    rows[-1].set_xlabel(time_label, fontsize=FONT)
    figure.supylabel("count/s", fontsize=FONT)
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=4, fontsize=SMALL_FONT, frameon=False,
        columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip
    save(figure, out)


def _draw_panel(axes: Axes, panel: _Panel, span: tuple[float, float]) -> None:
    for number, (start, stop) in enumerate((_joined(panel.good_time, span) - span[0]) / 1000):
        label = None if number else "good time"
        axes.axvspan(start, stop, color=_GOOD_TIME_COLOUR, linewidth=0, label=label, zorder=0)
    axes.axhline(0, color="#808080", linewidth=0.8)
    for role, points in panel.points.items():
        replace(points, x=(points.x - span[0]) / 1000).draw(axes, _LOOKS[role])
    length = (span[1] - span[0]) / 1000
    axes.set_xlim(-0.02 * length, 1.02 * length)
    axes.set_title(f"{band_words(panel.band)}, bins of {panel.source.width:g} s", fontsize=FONT, loc="left")
    axes.tick_params(labelsize=SMALL_FONT)
    axes.locator_params(axis="y", nbins=4)


def _joined(good_time: Floats, span: tuple[float, float]) -> Floats:
    """Intervals without the gaps that are too narrow to be seen: window modes have one after each frame."""
    narrow = (span[1] - span[0]) / WIDTH_DOTS
    start, stop = good_time[np.argsort(good_time[:, 0])].T
    stop = np.maximum.accumulate(stop)
    apart = start[1:] - stop[:-1] > narrow
    first, last = np.append(True, apart)[: start.size], np.append(apart, True)[: start.size]
    return np.column_stack([start[first], stop[last]])


def _tell(
    manifest: Manifest, products: Sequence[Product], panels: Sequence[_Panel], scale: float | None
) -> Picture:
    target = manifest.target.name if manifest.target else "the source"
    seen = "; ".join(_seen(panel) for panel in panels if panel.source.time.size)
    drawn = [role.value for role in panels[0].points]
    scaled = (
        f"The background is scaled by area (× {scale:.3g})."
        if Role.BACKGROUND in panels[0].points
        else "No background is drawn: there is none, or its area is not known."
    )
    width = products[0].entry["time_bin"]
    merged = (
        " They are merged for this picture only, as its titles tell."
        if any(panel.source.width > width for panel in panels)
        else ""
    )
    return Picture(
        alt=f"Light curves of {target} ({', '.join(drawn)}) with the good time shaded: {seen}.",
        caption=f"Bins of {width:g} s in the files.{merged} {scaled} Shaded is good time; bins exposed for "
        "less than 20 % of the live time are left out; errors are Gehrels' below 10 counts. Times are not "
        "barycentred.",
    )


def _seen(panel: _Panel) -> str:
    rate = panel.source.rate
    return (
        f"{band_words(panel.band)} mean {rate.mean():.3g} count/s, from {rate.min():.3g} to {rate.max():.3g} "
        f"in {rate.size} bins"
    )
