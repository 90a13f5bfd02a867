"""A picture of the sky: coordinates, colours, regions and target, whatever its pixels hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS
from matplotlib import patheffects
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from tasks.core.errors import Outcome
from tasks.library.manifest import Manifest, Role, Target
from tasks.report.choice import region_products
from tasks.report.previews.canvas import FONT, SMALL_FONT, Floats, new_figure, save
from tasks.report.previews.files import keyword
from tasks.report.previews.overlay import Shapes, read_shapes

_STYLES: Final[dict[Role, tuple[str, Literal["-", "--", ":"]]]] = {
    Role.SOURCE: ("#FFFFFF", "-"),
    Role.BACKGROUND: ("#E69F00", "--"),
    Role.CALIBRATION: ("#CC79A7", ":"),
}
_NO_DATA_COLOUR: Final = "#D0D0D0"
_OUTLINE = [patheffects.withStroke(linewidth=4, foreground="black")]
_FLATTEST: Final = 0.45
"""Height over width of the frame at the least: a strip keeps its surroundings."""
_AXES_INCHES: Final = 6.6
"""Width that the axes have beside their labels and the colour bar."""
_NEAREST_TICKS: Final = 0.055
"""Ticks of the colour bar keep this part of the width of the frame apart."""


@dataclass(frozen=True)
class Sky:
    """The image's coordinates, those of the unbinned SKY pixels, and how many of them a pixel spans."""

    wcs: WCS
    unbinned: WCS
    binning: int


@dataclass(frozen=True)
class Marks:
    """What is drawn on the sky besides pixels.

    Parameters
    ----------
    shapes : mapping
        Outlines by role, in pixels of the image.
    target : Target or None
        The position to mark.
    problems : sequence of str
        Which outlines could not be drawn, and why.
    """

    shapes: Mapping[Role, Shapes]
    target: Target | None
    problems: Sequence[str]


@dataclass(frozen=True)
class Colours:
    """How values become colours.

    Parameters
    ----------
    norm : Normalize
        Values → 0 to 1.
    ticks : sequence of float
        Values worth a tick, ascending; those that would touch are left out.
    label : str
        What the values are, with their unit.
    """

    norm: Normalize
    ticks: Sequence[float]
    label: str


def sky_of(path: Path, keywords: Mapping[str, Any], binning: int) -> Sky:
    """The coordinates of a product.

    Raises
    ------
    Permanent
        When a keyword is missing.
    """
    wcs, unbinned = WCS(naxis=2), WCS(naxis=2)
    reference = np.array([keyword(path, keywords, name) for name in ("CRPIX1", "CRPIX2")])
    step = np.array([keyword(path, keywords, name) for name in ("CDELT1", "CDELT2")])
    centre = [keyword(path, keywords, name) for name in ("CRVAL1", "CRVAL2")]
    for item, pixel, delta in (
        (wcs, reference, step),
        # The pixel of a binned image that holds SKY pixel x is (x − (1 + binning)/2)/binning + 1.
        (unbinned, (reference - 1) * binning + (1 + binning) / 2, step / binning),
    ):
        item.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        item.wcs.crpix, item.wcs.cdelt, item.wcs.crval = pixel, delta, centre
        item.wcs.radesys, item.wcs.equinox = "FK5", 2000.0
    return Sky(wcs, unbinned, binning)


def marks_of(manifest: Manifest, directory: Path, sky: Sky) -> Marks:
    """The regions of a dataset on an image, and its target."""
    shapes, problems = {}, []
    for product in region_products(manifest):
        try:
            shapes[product.role] = read_shapes(directory / product.name, sky.unbinned, sky.binning)
        except Outcome as exc:
            problems.append(f"Not drawn: {exc}.")
    return Marks(shapes, manifest.target, problems)


def draw_sky(
    pixels: Floats, exposed: Any, sky: Sky, marks: Marks, colours: Colours, title: str, out: Path, *,
    simulated: bool,
) -> list[str]:  # fmt: skip
    """Draw an image of the sky.

    Parameters
    ----------
    pixels : ndarray, shape (n, n)
        NaN where there is nothing.
    exposed : ndarray of bool, shape (n, n)
        What the frame must hold besides the marks.
    sky, marks, colours
        Where, with what on it, and how.
    title : str
        Above the image.
    out : Path
        The PNG to write.
    simulated : bool
        Whether to say so.

    Returns
    -------
    list of str
        What is marked, in the words of the legend.
    """
    extent = _extent(exposed, _marked(marks, sky))
    aspect = (extent[3] - extent[2]) / (extent[1] - extent[0])
    figure = new_figure(_AXES_INCHES * aspect + 1.8, simulated=simulated)
    axes = figure.add_subplot(projection=sky.wcs)
    axes.set_facecolor(_NO_DATA_COLOUR)
    _show(figure, axes, pixels, colours, _NEAREST_TICKS / aspect)
    handles = [*_draw_shapes(axes, marks.shapes), *_draw_target(axes, marks.target)]
    _frame(axes, extent)
    figure.suptitle(title, fontsize=FONT, x=0.01, ha="left")
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, fontsize=SMALL_FONT, frameon=False
        )
    save(figure, out)
    return [str(handle.get_label()) for handle in handles]


def marked_words(marks: Sequence[str]) -> str:
    """What is marked, as the end of a picture's text."""
    return f" Marked: {', '.join(marks)}." if marks else ""


def _show(figure: Figure, axes: WCSAxes, pixels: Floats, colours: Colours, apart: float) -> None:
    shown = axes.imshow(pixels, origin="lower", cmap="viridis", norm=colours.norm, interpolation="nearest")
    bar = figure.colorbar(shown, ax=axes, shrink=0.92, pad=0.02, aspect=30)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    bar.set_label(colours.label, fontsize=FONT)
    bar.set_ticks(_spaced(colours, apart))
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=SMALL_FONT)


def _plain(value: float) -> str:
    """A tick's label: as a plain figure where it is short."""
    return f"{value:g}" if value == 0 or 1e-3 <= value < 1e5 else f"{value:.0e}".replace("e-0", "e-")


def _spaced(colours: Colours, apart: float) -> list[float]:
    """The ticks whose labels do not touch: they are that part of the bar apart."""
    kept: list[float] = []
    for tick in colours.ticks:
        place = float(colours.norm(tick))
        if place <= 1 and (not kept or place - float(colours.norm(kept[-1])) >= apart):
            kept.append(tick)
    return kept


def _draw_shapes(axes: WCSAxes, shapes: Mapping[Role, Shapes]) -> Iterator[Line2D]:
    marks = {role: list(item.included) for role, item in shapes.items()}
    cut_out = [shape for item in shapes.values() for shape in item.excluded]
    marks[Role.CALIBRATION] = [*marks.get(Role.CALIBRATION, ()), *cut_out]
    labels = {Role.SOURCE: "source", Role.BACKGROUND: "background", Role.CALIBRATION: "excluded"}
    for role, (colour, line) in _STYLES.items():
        for shape in marks.get(role, ()):
            artist = shape.as_artist(
                facecolor="none", edgecolor=colour, linestyle=line, linewidth=2, fill=False
            )
            artist.set_path_effects(_OUTLINE)
            axes.add_artist(artist)
        if marks.get(role):
            yield Line2D(
                [], [], color=colour, linestyle=line, linewidth=2, label=labels[role], path_effects=_OUTLINE
            )


def _draw_target(axes: WCSAxes, target: Target | None) -> Iterator[Line2D]:
    if target is not None:
        (cross,) = axes.plot(
            [target.ra],
            [target.dec],
            "+",
            transform=axes.get_transform("fk5"),
            color="#FFFFFF",
            markersize=13,
            markeredgewidth=2,
            path_effects=_OUTLINE,
            label="target",
            linestyle="none",
        )
        yield cross


def _marked(marks: Marks, sky: Sky) -> Floats:
    """Pixels that the frame must hold besides the exposed ones, shape (n, 2)."""
    shapes = [shape for item in marks.shapes.values() for shape in (*item.included, *item.excluded)]
    boxes = [shape.bounding_box for shape in shapes]
    corners = [corner for box in boxes for corner in ((box.ixmin, box.iymin), (box.ixmax, box.iymax))]
    if marks.target is not None:
        corners.append(sky.wcs.wcs_world2pix(marks.target.ra, marks.target.dec, 0))
    marked: Floats = np.array(corners, float).reshape(-1, 2)
    return np.compress(np.isfinite(marked).all(axis=1), marked, axis=0)


def _extent(exposed: Any, marked: Floats) -> tuple[float, float, float, float]:
    """The frame around everything exposed or marked: never higher than wide, nor much flatter."""
    points = np.concatenate([np.argwhere(exposed)[:, ::-1], marked])
    low, high = points.min(axis=0), points.max(axis=0)
    halves = (high - low) / 2 * 1.06 + 2
    width = max(halves)
    height = max(halves[1], _FLATTEST * width)
    (x, y) = (low + high) / 2
    return float(x - width), float(x + width), float(y - height), float(y + height)


def _frame(axes: WCSAxes, extent: tuple[float, float, float, float]) -> None:
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    for axis, name in zip(axes.coords, ("RA (J2000)", "Dec (J2000)"), strict=True):
        axis.set_axislabel(name, fontsize=FONT)
        axis.set_ticklabel(size=SMALL_FONT, exclude_overlapping=True, simplify=False)
        axis.set_ticks(number=4)
        axis.grid(color="white", alpha=0.25, linestyle="solid")
