"""The preview of an image: sky coordinates, regions and target drawn on it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS
from matplotlib import patheffects
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from tasks.core.errors import NoData, Outcome
from tasks.library.manifest import Kind, Manifest, Product, Role
from tasks.report.choice import image_product, region_products
from tasks.report.previews.canvas import FONT, SMALL_FONT, Floats, Picture, new_figure, save
from tasks.report.previews.files import is_simulated, keyword, read_image
from tasks.report.previews.overlay import Shapes, read_shapes
from tasks.report.words import band_words, sentence
from tasks.xtend.geometry import PIXEL_ARCSEC

_STYLES: Final[dict[Role, tuple[str, Literal["-", "--"]]]] = {
    Role.SOURCE: ("#FFFFFF", "-"),
    Role.BACKGROUND: ("#E69F00", "--"),
    Role.CALIBRATION: ("#CC79A7", "-"),
}
_NO_DATA_COLOUR: Final = "#D0D0D0"
_OUTLINE = [patheffects.withStroke(linewidth=4, foreground="black")]


@dataclass(frozen=True)
class _Sky:
    """The image's coordinates, those of the unbinned SKY pixels, and how many of them a pixel sums."""

    wcs: WCS
    unbinned: WCS
    binning: int


def draw_image(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the main image of a dataset.

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
        When there is no image, or no pixel of it has a value.
    Permanent
        When the file cannot be read.
    """
    product = image_product(manifest)
    if product is None:
        raise NoData("there is no image of a band above 0.6 keV")
    pixels, keywords = read_image(directory / product.name)
    largest = float(np.nanmax(pixels, initial=0.0))
    if not largest > 0:
        raise NoData(f"no pixel of the {_words(product)} holds a count")
    sky = _sky(directory / product.name, keywords, int(product.entry["binning"]))
    shapes, problems = _shapes(manifest, directory, sky)
    figure = new_figure(8.4, simulated=is_simulated(keywords))
    axes = figure.add_subplot(projection=sky.wcs)
    _show(figure, axes, pixels, largest, _unit(product, keywords))
    handles = [*_draw_shapes(axes, shapes), *_draw_target(axes, manifest)]
    _frame(axes, _extent(pixels, product, _marked(manifest, shapes, sky)))
    figure.suptitle(sentence(_words(product)), fontsize=FONT)
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, fontsize=SMALL_FONT, frameon=False
        )
    save(figure, out)
    return _tell(manifest, product, handles, problems)


def _sky(path: Path, keywords: Mapping[str, Any], binning: int) -> _Sky:
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
    return _Sky(wcs, unbinned, binning)


def _shapes(manifest: Manifest, directory: Path, sky: _Sky) -> tuple[dict[Role, Shapes], list[str]]:
    shapes, problems = {}, []
    for product in region_products(manifest):
        try:
            shapes[product.role] = read_shapes(directory / product.name, sky.unbinned, sky.binning)
        except Outcome as exc:
            problems.append(f"Not drawn: {exc}.")
    return shapes, problems


def _show(figure: Figure, axes: WCSAxes, pixels: Floats, largest: float, unit: str) -> None:
    positive = pixels[pixels > 0]
    knee = min(float(np.percentile(positive, 90)), largest / 3)
    norm = AsinhNorm(linear_width=knee, vmin=0.0, vmax=largest)
    axes.set_facecolor(_NO_DATA_COLOUR)
    shown = axes.imshow(pixels, origin="lower", cmap="viridis", norm=norm, interpolation="nearest")
    bar = figure.colorbar(shown, ax=axes, shrink=0.85, pad=0.02, aspect=30)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    bar.set_label(unit, fontsize=FONT)
    bar.set_ticks(_colour_ticks(knee, largest))
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=SMALL_FONT)


def _colour_ticks(knee: float, largest: float) -> list[float]:
    """Zero, then 1, 2 and 5 times powers of ten from where the scale is no longer linear."""
    exponents = range(math.floor(math.log10(knee)), math.floor(math.log10(largest)) + 1)
    steps = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    return [0.0, *(step for step in steps if knee <= step <= largest)]


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


def _draw_target(axes: WCSAxes, manifest: Manifest) -> Iterator[Line2D]:
    if manifest.target is not None:
        position = [manifest.target.ra], [manifest.target.dec]
        (cross,) = axes.plot(
            *position,
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


def _marked(manifest: Manifest, shapes: Mapping[Role, Shapes], sky: _Sky) -> Floats:
    """Pixels that the frame must hold besides the exposed ones, shape (n, 2): target, source, background."""
    boxes = [
        shape.bounding_box
        for role in (Role.SOURCE, Role.BACKGROUND)
        if role in shapes
        for shape in shapes[role].included
    ]
    corners = [corner for box in boxes for corner in ((box.ixmin, box.iymin), (box.ixmax, box.iymax))]
    if manifest.target is not None:
        corners.append(sky.wcs.wcs_world2pix(manifest.target.ra, manifest.target.dec, 0))
    marked: Floats = np.array(corners, float).reshape(-1, 2)
    return np.compress(np.isfinite(marked).all(axis=1), marked, axis=0)


def _extent(pixels: Floats, product: Product, marked: Floats) -> tuple[float, float, float, float]:
    """A square around everything exposed (finite in a rate image, with counts in others) or marked."""
    seen = np.isfinite(pixels) if product.kind == Kind.RATE_IMAGE else pixels > 0
    points = np.concatenate([np.argwhere(seen)[:, ::-1], marked])
    low, high = points.min(axis=0), points.max(axis=0)
    half = (high - low).max() / 2 * 1.06 + 2
    (x, y) = (low + high) / 2
    return x - half, x + half, y - half, y + half


def _frame(axes: WCSAxes, extent: tuple[float, float, float, float]) -> None:
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    for axis, name in zip(axes.coords, ("RA (J2000)", "Dec (J2000)"), strict=True):
        axis.set_axislabel(name, fontsize=FONT)
        axis.set_ticklabel(size=SMALL_FONT, exclude_overlapping=True)
        axis.set_ticks(number=4)
        axis.grid(color="white", alpha=0.25, linestyle="solid")


def _unit(product: Product, keywords: Mapping[str, Any]) -> str:
    unit = keywords.get("BUNIT", "count/s" if product.kind == Kind.RATE_IMAGE else "count")
    return f"{unit} per pixel of {PIXEL_ARCSEC * product.entry['binning']:.1f}″"


def _words(product: Product) -> str:
    kind = "rate image" if product.kind == Kind.RATE_IMAGE else "counts image"
    return f"{kind}, {band_words(product.entry['band'])}"


def _tell(manifest: Manifest, product: Product, handles: list[Line2D], problems: list[str]) -> Picture:
    marks = [str(handle.get_label()) for handle in handles]
    target = manifest.target.name if manifest.target else "the field"
    drawn = f" Marked: {', '.join(marks)}." if marks else ""
    rate = product.kind == Kind.RATE_IMAGE
    how = (
        "Counts divided by exposure, not corrected for vignetting"
        if rate
        else "Counts, not divided by exposure"
    )
    grey = "; grey is not exposed, or masked" if rate else ""
    return Picture(
        alt=sentence(f"{_words(product)} of {target} on the sky with RA and Dec axes.{drawn}"),
        caption=" ".join([f"{how}; asinh colour scale{grey}.", *problems]),
    )
