"""The line of a shape in a ds9 region file, as HEASoft reads it.

The `regions` package turns the figures of a shape into positions, sizes and an angle. What it would read
otherwise than HEASoft is settled here, line by line, before it sees a shape (regions 0.12):

- it skips unknown shapes, and any in physical or unnamed coordinates, with a warning at most; a shape is
  handed over alone, in image or fk5 coordinates, and exactly one region has to come back;
- it knows no order: inclusions and exclusions are kept as a list;
- it takes a size without unit as degrees, HEASoft as pixels; it drops surplus figures of a circle, makes
  several annuli of one, takes a polygon of two points, wraps right ascensions, lets include=0 in a comment
  exclude, and reads units, times (1h2m3s) and spellings (1_0, nan) that HEASoft does not;
- it refuses an ellipse or a box without angle, an angle that ends with a point and an inner radius of 0.

Its `contains` is strict where HEASoft's edges are inside, and its circles on the sky become pixels with the
scale at their centre where HEASoft measures along the declination: both are done here and in `shapes`.
Frames are never transformed, as HEASoft does not tell ICRS from FK5.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tasks.xtend.shapes import Frame, Shape

_HANDED_OVER: Final[dict[Frame, str]] = {"sky": "fk5", "pixel": "image"}
_SHAPE = re.compile(r"([-+]?)\s*([a-z]+)\s*\(([^()]*)\)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_SEXAGESIMAL = re.compile(r"[-+]?\d+:[0-5]?\d:[0-5]?\d(?:\.\d*)?", re.ASCII)
_SIZES: Final = {
    "circle": ("radius",),
    "annulus": ("inner_radius", "outer_radius"),
    "ellipse": ("width", "height"),
    "box": ("width", "height"),
}
_WITH_ANGLE: Final = ("ellipse", "box")
_UNITS: Final = "\"'d"


def read_shape(text: str, frame: Frame) -> Shape:
    """The shape that a line without its comment holds.

    Raises
    ------
    ValueError
        When HEASoft does not read the line, or reads it as something else; the message says why.
    """
    match = _SHAPE.fullmatch(text)
    if not match:
        raise ValueError("not a shape that is understood")
    sign, kind = match[1], match[2].lower()
    points, sizes, angle = _figures(kind, [value.strip() for value in match[3].split(",")])
    _check_points(points, frame)
    for size in sizes:
        _check_size(size, frame)
    for value in angle:
        _check_number(value)
    x, y, lengths, degrees = _read(kind, points, sizes, angle, frame)
    if not np.isfinite([*x, *y, *lengths, degrees]).all():
        raise ValueError("a figure is too great")
    return Shape(kind, sign != "-", frame, x, y, lengths, degrees, text)


def _read(
    kind: str, points: Sequence[str], sizes: Sequence[str], angle: Sequence[str], frame: Frame
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], float]:
    """Positions, sizes and angle, from figures that HEASoft reads."""
    if kind == "annulus" and float(sizes[0].rstrip(_UNITS)) == 0:
        x, y, lengths, degrees = _read("circle", points, sizes[1:], angle, frame)
        return x, y, (0.0, *lengths), degrees
    figures = [*(point.removesuffix("d") for point in points), *sizes]
    if kind in _WITH_ANGLE:
        figures.append(f"{angle[0] if angle else 0}d")
    region = _region(f"{kind}({','.join(figures)})", frame)
    degrees = float(region.angle.to_value("deg")) if kind in _WITH_ANGLE else 0.0
    return *_positions(region, frame), _lengths(region, kind, frame), degrees


def _figures(kind: str, values: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The figures of positions, of sizes and of the angle, where there is one."""
    if kind == "polygon":
        if len(values) < 6 or len(values) % 2:
            raise ValueError("a polygon needs three or more pairs of figures")
        return values, [], []
    if kind not in _SIZES:
        raise ValueError(f"the shape {kind} is not understood: use circle, annulus, ellipse, box or polygon")
    end = 2 + len(_SIZES[kind])
    if len(values) not in (end, end + (kind in _WITH_ANGLE)):
        raise ValueError(f"{kind} with {len(values)} figures is not understood")
    return values[:2], values[2:end], values[end:]


def _check_points(values: Sequence[str], frame: Frame) -> None:
    for first, second in zip(values[::2], values[1::2], strict=True):
        if (":" in first) != (":" in second):
            raise ValueError(f"{first},{second}: HEASoft reads both as degrees or both as sexagesimal")
        for value in (first, second):
            if frame == "pixel" or not _SEXAGESIMAL.fullmatch(value):
                _check_number(value.removesuffix("d") if frame == "sky" else value)
        if frame == "sky":
            whole, limit = float(first.rstrip(_UNITS).split(":")[0]), 23 if ":" in first else 360
            if first.startswith("-") or whole > limit:
                raise ValueError(f"{first} is no right ascension")


def _check_size(value: str, frame: Frame) -> None:
    marked = value.endswith(tuple(_UNITS))
    if frame == "pixel" and marked:
        raise ValueError(f"the size {value} is an angle, but the coordinates are pixels")
    if frame == "sky" and not marked:
        raise ValueError(f"the size {value} has no unit, and HEASoft takes it as pixels: give \", ' or d")
    _check_number(value[:-1] if marked else value)


def _check_number(value: str) -> None:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{value!r} is no number that is understood here")


def _region(line: str, frame: Frame) -> Any:
    """The one region that the `regions` package reads."""
    from regions import Regions

    try:
        found = Regions.parse(f"{_HANDED_OVER[frame]}\n{line}", format="ds9")
    except ValueError as exc:
        limits = "declinations lie within 90 degrees, sizes are positive, radii of an annulus must grow"
        raise ValueError(f"{exc} ({limits})") from exc
    if len(found) != 1:
        raise ValueError(f"the regions package reads {len(found)} regions from it")
    return found[0]


def _positions(region: Any, frame: Frame) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """In degrees, or in pixels counted from 1, which `regions` counts from 0."""
    points = region.vertices if hasattr(region, "vertices") else region.center
    both = (points.ra.deg, points.dec.deg) if frame == "sky" else (points.x + 1, points.y + 1)
    x, y = (tuple(np.atleast_1d(values).tolist()) for values in both)
    return x, y


def _lengths(region: Any, kind: str, frame: Frame) -> tuple[float, ...]:
    """In degrees or pixels; `regions` has the full axes of an ellipse."""
    values = (getattr(region, name) for name in _SIZES.get(kind, ()))
    part = 2 if kind == "ellipse" else 1
    return tuple(float(value.to_value("deg") if frame == "sky" else value) / part for value in values)
