"""What all previews share: the sheet they are drawn on, its colours, and what is told about a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tasks.library.manifest import Manifest

Floats = NDArray[np.float64]

WIDTH_INCHES: Final = 9.0
DOTS_PER_INCH: Final = 100
# Shown 360 px wide on a phone, 16 pt of this sheet are still 9 px tall.
FONT: Final = 16
SMALL_FONT: Final = 14

# Okabe and Ito's colours: told apart with every kind of colour vision. Shapes differ as well.
SOURCE_COLOUR: Final = "#0072B2"
BACKGROUND_COLOUR: Final = "#D55E00"
NET_COLOUR: Final = "#000000"
WARNING_COLOUR: Final = "#A00000"


@dataclass(frozen=True)
class Picture:
    """What a page says of a picture: a text in its place, and the words below it."""

    alt: str
    caption: str


class Draw(Protocol):
    """How each of the previews is drawn."""

    def __call__(self, manifest: Manifest, directory: Path, out: Path) -> Picture:
        """Draw a picture of a dataset.

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
            When there is nothing to be drawn.
        Permanent
            When a file cannot be read.
        """


@dataclass(frozen=True)
class Look:
    """How one kind of points is drawn.

    Parameters
    ----------
    label, colour, marker : str
        As the legend and matplotlib call them.
    size : float
        Of the marker, in points.
    filled : bool
        Whether the marker is filled with its colour or with white.
    bar : float
        Width of the error bars, in points; wide ones are drawn pale.
    """

    label: str
    colour: str
    marker: str
    size: float = 5
    filled: bool = True
    bar: float = 1.2


@dataclass(frozen=True)
class Points:
    """Measured values with errors, as they are drawn.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Positions on the axes.
    errors : ndarray, shape (2, n)
        Lengths of the bars downwards and upwards.
    reach : ndarray, shape (2, n), or None
        Lengths of the bars to the left and to the right, where bins are wide.
    """

    x: Floats
    y: Floats
    errors: Floats
    reach: Floats | None = None

    def draw(self, axes: Axes, look: Look) -> None:
        """Draw the points, unjoined."""
        axes.errorbar(
            self.x,
            self.y,
            yerr=self.errors,
            xerr=self.reach,
            label=look.label,
            color=look.colour,
            ecolor=to_rgba(look.colour, 0.35 if look.bar > 2 else 1),
            marker=look.marker,
            linestyle="none",
            markerfacecolor=look.colour if look.filled else "white",
            markersize=look.size,
            elinewidth=look.bar,
        )


def new_figure(height_inches: float, *, simulated: bool) -> Figure:
    """An empty sheet, 900 dots wide, with the renderer that needs no display; simulated data are marked."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    if simulated:
        figure.text(0.99, 0.99, "SIMULATED", ha="right", va="top", fontsize=SMALL_FONT, color=WARNING_COLOUR)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the picture as PNG."""
    figure.savefig(path, format="png", facecolor="white")
