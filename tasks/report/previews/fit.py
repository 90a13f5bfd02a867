"""The preview of a fit: data without background, the model through them, and what is left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from pydantic import ValidationError

from tasks.core.errors import NoData, Permanent
from tasks.library.manifest import Kind, Manifest, Role
from tasks.library.spectral.result import Curve, FitResult
from tasks.report.choice import spectrum_product
from tasks.report.previews.canvas import (
    BACKGROUND_COLOUR,
    FONT,
    SMALL_FONT,
    SOURCE_COLOUR,
    Floats,
    Picture,
    new_figure,
    save,
)
from tasks.report.previews.files import says_simulated
from tasks.report.words import band_words

CLEAR: Final = 3.0
"""Groups are merged until the model is so many times their error: the data themselves would choose what
sticks out."""
WIDEST: Final = 0.1
"""None is merged beyond this share of its energy."""
NARROWEST: Final = 0.01
"""Narrower ones cannot be told apart in the picture."""
_LEAST_KEV: Final = 0.05
"""Where the axis begins at the least: a channel 0 begins at no energy, which has no place on it."""
_TICKS: Final = (0.2, 0.3, 0.5, 0.7, 1, 2, 3, 5, 7, 10, 15)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of channels as they are drawn.

    Parameters
    ----------
    low, high : ndarray, shape (n,)
        Energies in keV.
    rate, error, model : ndarray, shape (n,)
        Counts/s/keV.
    """

    low: Floats
    high: Floats
    rate: Floats
    error: Floats
    model: Floats


def draw_fit(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the fit of a dataset. A `Draw`.

    There is none without a fit, or when it holds nothing to be drawn.
    """
    products = manifest.find(Kind.FIT)
    if not products:
        raise NoData("there is no fit")
    result = _read(directory / products[0].name)
    if result.curve is None or not result.curve.rate:
        raise NoData("the fit holds nothing to be drawn")
    spectrum = spectrum_product(manifest, Role.SOURCE)
    simulated = spectrum is not None and says_simulated(directory / spectrum.name)
    _draw(result.curve, out, simulated=simulated)
    return _tell(manifest, result)


def merged(curve: Curve) -> Groups:
    """Groups merged until they are clear, or wide enough.

    Rates are those of the whole width, and errors add in squares.
    """
    low, high, rate, error, model = (
        np.asarray(values, float) for values in (curve.low, curve.high, curve.rate, curve.error, curve.model)
    )
    width = high - low
    starts, begin = [0], 0
    for end in range(1, low.size):
        taken = slice(begin, end)
        span = high[end - 1] / max(low[begin], _LEAST_KEV) - 1
        clear = (model * width)[taken].sum() >= CLEAR * np.hypot.reduce((error * width)[taken])
        if span >= WIDEST or (clear and span >= NARROWEST):
            starts.append(end)
            begin = end
    whole = np.add.reduceat(width, starts)
    return Groups(
        low=low[starts],
        high=high[[*np.array(starts[1:], int) - 1, -1]],
        rate=np.add.reduceat(rate * width, starts) / whole,
        error=np.sqrt(np.add.reduceat((error * width) ** 2, starts)) / whole,
        model=np.add.reduceat(model * width, starts) / whole,
    )


def _read(path: Path) -> FitResult:
    try:
        return FitResult.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise Permanent(f"{path.name} cannot be drawn: {exc}") from exc
    except ValidationError as exc:
        raise Permanent(f"{path.name} cannot be drawn: it holds no fit") from exc


def _draw(curve: Curve, out: Path, *, simulated: bool) -> None:
    groups = merged(curve)
    figure = new_figure(7.4, simulated=simulated)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1.15)})
    figure.set_layout_engine("constrained", h_pad=0.02, hspace=0.0)
    _data_and_model(upper, groups, curve)
    _residuals(lower, groups)
    for axes in (upper, lower):
        axes.tick_params(labelsize=SMALL_FONT)
        axes.grid(alpha=0.3)
    lower.set_xscale("log")
    lowest, highest = max(groups.low[0], _LEAST_KEV) * 0.97, groups.high[-1] * 1.03
    lower.set_xlim(lowest, highest)
    lower.set_xticks([tick for tick in _TICKS if lowest <= tick <= highest])
    lower.xaxis.set_major_formatter(FuncFormatter(lambda energy, _: f"{energy:g}"))
    lower.xaxis.set_minor_locator(NullLocator())
    lower.xaxis.set_minor_formatter(NullFormatter())
    lower.set_xlabel("Energy (keV)", fontsize=FONT)
    figure.align_ylabels()
    handles, labels = upper.get_legend_handles_labels()
    # Data before the model.
    figure.legend(
        handles[::-1], labels[::-1], loc="outside upper left", ncols=2, fontsize=SMALL_FONT, frameon=False
    )
    save(figure, out)


def _data_and_model(axes: Axes, groups: Groups, curve: Curve) -> None:
    _points(axes, groups, groups.rate, groups.error, "source without background")
    edges = np.column_stack([curve.low, curve.high]).ravel()
    axes.plot(edges, np.repeat(curve.model, 2), color=BACKGROUND_COLOUR, linewidth=2, label="model", zorder=3)
    shown = np.concatenate([groups.rate[groups.rate > 0], groups.model[groups.model > 0]])
    if shown.size:
        axes.set_yscale("log", nonpositive="clip")
        axes.set_ylim(max(shown.min() / 2, shown.max() * 1e-5), shown.max() * 2)
    axes.set_ylabel("count/s/keV", fontsize=FONT)


def _residuals(axes: Axes, groups: Groups) -> None:
    known = groups.error > 0
    left = np.where(known, groups.rate - groups.model, np.nan) / np.where(known, groups.error, 1.0)
    _points(axes, groups, left, np.where(known, 1.0, np.nan), None)
    axes.axhline(0.0, color=BACKGROUND_COLOUR, linewidth=2, zorder=3)
    reach = max(4.0, 1.1 * float(np.nanmax(np.abs(left), initial=0.0)) + 1)
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("(data − model)\n/ error", fontsize=SMALL_FONT)


def _points(axes: Axes, groups: Groups, y: Floats, error: Floats, label: str | None) -> None:
    centre = np.sqrt(np.maximum(groups.low, _LEAST_KEV) * groups.high)
    axes.errorbar(
        centre,
        y,
        xerr=[centre - groups.low, groups.high - centre],
        yerr=error,
        linestyle="none",
        marker="o",
        markersize=3,
        elinewidth=1.2,
        color=SOURCE_COLOUR,
        label=label,
    )


def _tell(manifest: Manifest, result: FitResult) -> Picture:
    target = manifest.target.name if manifest.target else "the source"
    return Picture(
        alt=f"Spectrum of {target} with the model {result.model}, {band_words(result.band)}, and residuals: "
        f"{result.statistic.name} {result.statistic.value:.1f} for {result.dof} degrees of freedom.",
        caption=f"For this picture only, groups are merged until the model is {CLEAR:g} times their "
        f"error or they are {100 * WIDEST:g} % wide. The background is subtracted; errors are those of the "
        "counts. Not divided by the effective area.",
    )
