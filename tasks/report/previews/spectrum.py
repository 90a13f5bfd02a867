"""The preview of a spectrum: counts against energy, with the background scaled to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from tasks.core.errors import NoData, Permanent
from tasks.core.identifiers import Band
from tasks.library.manifest import Manifest, Product, Role
from tasks.report.choice import spectrum_product
from tasks.report.previews.canvas import (
    BACKGROUND_COLOUR,
    FONT,
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
from tasks.report.words import band_words, figure_words
from tasks.xtend.channels import EV_PER_CHANNEL, channels

SHOWN: Final = Band.parse("0.4-15")
MOST_POINTS: Final = 150
LEAST_COUNTS: Final = 10

Indices = NDArray[np.int_]


@dataclass(frozen=True)
class Spectrum:
    """A spectrum as its file holds it.

    Parameters
    ----------
    channel : ndarray, shape (n,)
        PI channels, one after the other.
    counts : ndarray, shape (n,)
        Counts of each.
    groups : ndarray, shape (m, 2)
        Half-open ranges of indices: the groups of good quality, or the channels when there are none.
    exposure : float
        Seconds.
    area : float
        BACKSCAL.
    simulated : bool
        Whether the file says so.
    """

    channel: Indices
    counts: Floats
    groups: Indices
    exposure: float
    area: float
    simulated: bool

    def energy(self, index: Indices) -> Floats:
        """Lower bounds of channels in keV."""
        return np.asarray((self.channel[0] + index) * (EV_PER_CHANNEL / 1000), float)

    def summed(self, bins: Indices) -> Floats:
        """Counts in half-open ranges of indices, shape (m, 2)."""
        total = np.concatenate([[0.0], np.cumsum(self.counts)])
        return np.asarray(total[bins[:, 1]] - total[bins[:, 0]], float)


def draw_spectrum(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the spectrum of the source and its background. A `Draw`.

    There is none without a spectrum of the source, or when it holds no counts in the range that is shown.
    Its background has to have the same channels.
    """
    product = spectrum_product(manifest, Role.SOURCE)
    if product is None:
        raise NoData("there is no spectrum of the source")
    source = read_spectrum(directory / product.name)
    background = _background(manifest, directory, source)
    bins = picture_bins(source)
    if not bins.size:
        raise NoData(f"the spectrum of the source holds no counts in {band_words(str(SHOWN))}")
    _draw(source, background, bins, out)
    return _tell(manifest, product, source, background, bins)


def read_spectrum(path: Path) -> Spectrum:
    """A spectrum from its file.

    Raises
    ------
    Permanent
        When the file cannot be read as a spectrum, or lacks exposure or area.
    """
    table = read_table(path, "SPECTRUM", ("CHANNEL", "COUNTS"), ("QUALITY", "GROUPING"))
    counts = table.columns["COUNTS"]
    one = np.ones(counts.size)
    starts = np.flatnonzero(table.columns.get("GROUPING", one) >= 0)
    good = table.columns.get("QUALITY", 0 * one)[starts] == 0
    groups = np.column_stack([starts, np.append(starts[1:], counts.size)])[good]
    channel = table.columns["CHANNEL"].astype(int)
    exposure, area = (keyword(path, table.keywords, name) for name in ("EXPOSURE", "BACKSCAL"))
    if not (exposure > 0 and area > 0):
        raise Permanent(f"{path.name} cannot be drawn: EXPOSURE is {exposure:g} s and BACKSCAL is {area:g}")
    return Spectrum(channel, counts, groups, exposure, area, is_simulated(table.keywords))


def area_ratio(manifest: Manifest, directory: Path) -> float | None:
    """The source's area over the background's, None where one has no spectrum.

    Raises
    ------
    Permanent
        When a spectrum cannot be read.
    """
    areas = [
        read_spectrum(directory / product.name).area
        for product in (spectrum_product(manifest, role) for role in (Role.SOURCE, Role.BACKGROUND))
        if product
    ]
    return areas[0] / areas[1] if len(areas) == 2 else None


def picture_bins(spectrum: Spectrum) -> Indices:
    """Groups merged until they hold 10 counts and are wide enough to be told apart in the picture.

    A background is merged by its own counts: in the source's bins it would be seen only where it happens to
    hold a count.

    Returns
    -------
    ndarray, shape (m, 2)
        Half-open ranges of indices; the last may hold fewer counts, none is empty.
    """
    shown = channels(SHOWN)
    first = np.searchsorted(spectrum.channel, [shown.low, shown.high + 1])
    step = np.log(float(SHOWN.high / SHOWN.low)) / MOST_POINTS
    bins: list[tuple[int, int]] = []
    begin = end = 0
    for start, stop in spectrum.groups[
        (spectrum.groups[:, 1] > first[0]) & (spectrum.groups[:, 0] < first[1])
    ].tolist():
        if start != end:
            begin = start
        end = stop
        lower, upper = spectrum.energy(np.array([max(begin, 1), end]))
        if spectrum.counts[begin:end].sum() >= LEAST_COUNTS and np.log(upper / lower) >= step:
            bins.append((begin, end))
            begin = end
    if spectrum.counts[begin:end].sum() > 0:
        bins.append((begin, end))
    return np.array(bins, int).reshape(-1, 2)


def _background(manifest: Manifest, directory: Path, source: Spectrum) -> Spectrum | None:
    product = spectrum_product(manifest, Role.BACKGROUND)
    if product is None:
        return None
    background = read_spectrum(directory / product.name)
    if not np.array_equal(background.channel, source.channel):
        raise Permanent(f"{product.name} cannot be drawn: its channels are not those of the source")
    return background


def _points(spectrum: Spectrum, bins: Indices, area: float) -> Points:
    """Counts/s/keV in the area of the source; what holds no count has no place on a logarithmic axis."""
    counts = spectrum.summed(bins)
    edges = spectrum.energy(bins)
    seen = counts > 0
    per_count = area / spectrum.area / spectrum.exposure / np.diff(edges, axis=1)[:, 0]
    centre = edges.mean(axis=1)
    return Points(
        centre[seen],
        (counts * per_count)[seen],
        (count_errors(counts) * per_count)[:, seen],
        np.abs(edges.T - centre)[:, seen],
    )


def _draw(source: Spectrum, background: Spectrum | None, bins: Indices, out: Path) -> None:
    figure = new_figure(6.6, simulated=source.simulated)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log", nonpositive="clip")
    points = _points(source, bins, source.area)
    points.draw(axes, Look("source", SOURCE_COLOUR, "o"))
    lowest, highest = points.y.min(), points.y.max()
    if background:
        points = _points(background, picture_bins(background), source.area)
        points.draw(axes, Look("background, scaled", BACKGROUND_COLOUR, "s", filled=False))
        lowest, highest = points.y.min(initial=lowest), points.y.max(initial=highest)
    axes.set_ylim(min(lowest / 3, highest / 30), highest * 3)
    axes.set_xlim(float(SHOWN.low) * 0.93, float(SHOWN.high) * 1.07)
    axes.set_xticks([0.5, 1, 2, 5, 10])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda energy, _: f"{energy:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Energy (keV)", fontsize=FONT)
    axes.set_ylabel("count/s/keV", fontsize=FONT)
    axes.tick_params(labelsize=SMALL_FONT)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper left", ncols=2, fontsize=SMALL_FONT, frameon=False)
    save(figure, out)


def _tell(
    manifest: Manifest, product: Product, source: Spectrum, background: Spectrum | None, bins: Indices
) -> Picture:
    target = manifest.target.name if manifest.target else "the source"
    total = f"{source.summed(bins).sum():,.0f} counts in {source.exposure / 1000:.3g} ks"
    points = _points(source, bins, source.area)
    peak = int(points.y.argmax())
    merged = (
        f"For this picture only, groups are merged to {LEAST_COUNTS} counts or more where there are so many, "
        f"of source and background apart; the file keeps {product.entry.get('grouping', 'every channel')}."
    )
    scaled = (
        f" The background is scaled by area and exposure (× {_scale(source, background):.3g})."
        if background
        else " There is no background spectrum."
    )
    beside = ", with background" if background else ""
    return Picture(
        alt=f"Spectrum of {target}, {band_words(str(SHOWN))}: {total}{beside}. It is highest at "
        f"{points.x[peak]:.2g} keV with {figure_words(float(points.y[peak]), 2)} count/s/keV.",
        caption=merged + scaled + " Errors are Gehrels' below 10 counts. Not divided by the effective area.",
    )


def _scale(source: Spectrum, background: Spectrum) -> float:
    return source.area / background.area * source.exposure / background.exposure
