"""Region files of ds9, read with HEASoft's logic, on the sky pixels of any event list.

The `regions` package is not used for this: it takes an angle without unit as degrees where HEASoft takes it
as pixels, accepts shapes and frames that HEASoft answers with the whole field, and leaves out what it does
not know. Here whatever HEASoft does not read, or reads as something else, is an error that names the line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from astropy.coordinates import Angle
from astropy.wcs import WCS
from numpy.typing import ArrayLike

from tasks.core.errors import BadInput
from tasks.xtend.shapes import Mask, PixelShape

Frame = Literal["sky", "pixel"]

_FRAMES: Final[dict[str, Frame]] = {"fk5": "sky", "icrs": "sky", "image": "pixel", "physical": "pixel"}
_SHAPE = re.compile(r"([-+]?)\s*([a-z]+)\s*\(([^()]*)\)", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_SEXAGESIMAL = re.compile(r"[-+]?\d+:\d+:\d+(?:\.\d*)?", re.ASCII)
_FORMAT = re.compile(r"#\s*format:", re.IGNORECASE)
_SIZES: Final = {"circle": 1, "annulus": 2, "ellipse": 2, "box": 2}
_WITH_ANGLE: Final = ("ellipse", "box")
_DEGREES_PER: Final = {'"': 1 / 3600, "'": 1 / 60, "d": 1.0}


@dataclass(frozen=True)
class Shape:
    """A shape as the file has it: in pixels, or in degrees on the sky.

    Parameters
    ----------
    kind, include, angle
        As in `PixelShape`.
    frame : {"sky", "pixel"}
        What positions and sizes are in: degrees (FK5, ICRS), or unbinned sky pixels.
    x, y, sizes : tuple of float
        As in `PixelShape`, in the frame's unit.
    text : str
        The line of the file.
    """

    kind: str
    include: bool
    frame: Frame
    x: tuple[float, ...]
    y: tuple[float, ...]
    sizes: tuple[float, ...]
    angle: float
    text: str

    def on(self, wcs: WCS | None) -> PixelShape:
        """In pixels; sizes are measured along the declination towards the equator, as in HEASoft."""
        if self.frame == "pixel":
            return PixelShape(self.kind, self.include, self.x, self.y, self.sizes, self.angle)
        if wcs is None:
            raise BadInput(f"{self.text}: the event list has no sky coordinates, so give pixels (physical)")
        x, y = wcs.wcs_world2pix(np.array(self.x), np.array(self.y), 1)
        reach = np.array(self.sizes) * (1 if self.y[0] < 0 else -1)
        end = wcs.wcs_world2pix(np.full(len(self.sizes), self.x[0]), self.y[0] + reach, 1)
        if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(end).all()):
            raise BadInput(f"{self.text}: lies on the other side of the sky from the event list")
        sizes = np.hypot(end[0] - x[0], end[1] - y[0])
        px, py, pixels = (tuple(values.tolist()) for values in (x, y, sizes))
        return PixelShape(self.kind, self.include, px, py, pixels, self.angle)


@dataclass(frozen=True)
class Region:
    """Shapes in the order of the file, which matters.

    Inclusions are OR-ed. An exclusion takes away from the inclusions before it and not from later ones.
    Exclusions before the first inclusion stand for the whole field without them, from which nothing later
    takes away.

    Parameters
    ----------
    name : str
        Name of the file, for messages and histories.
    system : str
        The coordinate system's word.
    shapes : tuple of Shape
        At least one.
    """

    name: str
    system: str
    shapes: tuple[Shape, ...]

    def pixel_shapes(self, wcs: WCS | None) -> tuple[PixelShape, ...]:
        """The shapes in unbinned sky pixels."""
        return tuple(shape.on(wcs) for shape in self.shapes)

    @property
    def whole_field_first(self) -> bool:
        """Whether the whole field is included before the first shape."""
        return not self.shapes[0].include

    def contains(self, x: ArrayLike, y: ArrayLike, wcs: WCS | None) -> Mask:
        """Which points lie inside.

        Parameters
        ----------
        x, y : array_like
            Unbinned sky pixels, of shapes that broadcast.
        wcs : astropy.wcs.WCS or None
            Celestial WCS of the unbinned sky pixels (1-based).

        Raises
        ------
        BadInput
            When the region needs sky coordinates and there are none.
        """
        px, py = np.asarray(x, float), np.asarray(y, float)
        field = np.full(np.broadcast_shapes(px.shape, py.shape), self.whole_field_first)
        inside = np.zeros_like(field)
        included = False
        for shape in self.pixel_shapes(wcs):
            included |= shape.include
            if shape.include:
                inside |= shape.contains(px, py)
            elif included:
                inside &= ~shape.contains(px, py)
            else:
                field &= ~shape.contains(px, py)
        return np.asarray(inside | field)

    def bounding_box(self, wcs: WCS | None) -> tuple[float, float, float, float] | None:
        """Least x, greatest x, least y, greatest y of the inclusions in pixels; None for the whole field."""
        if self.whole_field_first:
            return None
        bounds = np.array([shape.bounds() for shape in self.pixel_shapes(wcs) if shape.include])
        low, high = bounds.min(axis=0), bounds.max(axis=0)
        return float(low[0]), float(high[1]), float(low[2]), float(high[3])

    def components(self, wcs: WCS | None) -> Iterator[tuple[int, PixelShape]]:
        """Shapes with the number of the inclusion they belong to, as a REGION table lists them.

        An exclusion is repeated for every inclusion before it; number 0 is the whole field.
        """
        groups: list[list[PixelShape]] = [[]]
        for shape in self.pixel_shapes(wcs):
            if shape.include:
                groups.append([shape])
            else:
                for members in groups[1:] or groups:
                    members.append(shape)
        for number, members in enumerate(groups):
            yield from ((number, shape) for shape in members)

    def text(self) -> tuple[str, ...]:
        """The region as lines: coordinate system, then shapes."""
        return (self.system, *(shape.text for shape in self.shapes))


def read_region(path: Path) -> Region:
    """The region in a ds9 file.

    Circles, annuli, ellipses, boxes and polygons, one a line, in fk5 or icrs (degrees, or sexagesimal with
    colons; sizes in arcsec, arcmin or degrees, with their mark) or in image, physical or unnamed
    coordinates, which all mean unbinned sky pixels.

    Raises
    ------
    BadInput
        When the file is missing, empty, or holds anything else; it names file and line.
    """
    try:
        lines = path.read_bytes().decode().split("\n")
    except OSError as exc:
        raise BadInput(f"the region file {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadInput(f"the region file {path} is no text") from exc
    region = _parse(path.name, lines)
    if not region.shapes:
        raise BadInput(f"the region file {path} holds no shape")
    return region


def _parse(name: str, lines: Sequence[str]) -> Region:
    system = ""
    shapes: list[Shape] = []
    for number, line in enumerate(lines, start=1):
        try:
            for part in _statements(line, last=number == len(lines)):
                if part.isalnum():
                    system = _system(part.lower(), system, bool(shapes))
                else:
                    shapes.append(_shape(part, _FRAMES[system or "physical"]))
        except ValueError as exc:
            raise BadInput(f"{name}, line {number}: {line.strip()!r}: {exc}") from exc
    return Region(name, system or "physical", tuple(shapes))


def _statements(line: str, *, last: bool) -> list[str]:
    """What a line says besides comments and ds9's display settings: a system, a shape, or both."""
    if line[:4].lower() == "glob":
        return []
    if _FORMAT.match(line):
        raise ValueError("a format in a comment, which HEASoft obeys: name the coordinate system instead")
    said, comment, _ = line.partition("#")
    text = said.strip()
    if last and said and not comment and not said.endswith(")"):
        raise ValueError("HEASoft does not read a last line that does not end: put a line break after it")
    system, mark, shape = text.partition(";")
    if not mark:
        return [text] if text else []
    if not system.isalnum() or not shape.strip() or ";" in shape:
        raise ValueError("HEASoft reads one shape on a line, alone or after a coordinate system and ;")
    return [system, shape.strip()]


def _system(word: str, before: str, has_shapes: bool) -> str:
    if word not in _FRAMES:
        raise ValueError("not a coordinate system that is understood: use fk5, icrs, physical or image")
    if word != before and (before or has_shapes):
        raise ValueError("a second coordinate system in one file")
    return word


def _shape(text: str, frame: Frame) -> Shape:
    match = _SHAPE.fullmatch(text)
    if not match:
        raise ValueError("not a shape that is understood")
    sign, kind = match[1], match[2].lower()
    values = [value.strip() for value in match[3].split(",")]
    include = sign != "-"
    if kind == "polygon":
        if len(values) < 6 or len(values) % 2:
            raise ValueError("a polygon needs three or more pairs of figures")
        x, y = _positions(values, frame)
        return Shape(kind, include, frame, x, y, (), 0.0, text)
    if kind not in _SIZES:
        raise ValueError(f"the shape {kind} is not understood: use circle, annulus, ellipse, box or polygon")
    end = 2 + _SIZES[kind]
    if len(values) not in (end, end + (kind in _WITH_ANGLE)):
        raise ValueError(f"{kind} with {len(values)} figures is not understood")
    sizes = tuple(_size(value, frame) for value in values[2:end])
    _check_sizes(kind, sizes)
    angle = _plain(values[-1]) if len(values) > end else 0.0
    x, y = _positions(values[:2], frame)
    return Shape(kind, include, frame, x, y, sizes, angle, text)


def _positions(values: Sequence[str], frame: Frame) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for first, second in zip(values[::2], values[1::2], strict=True):
        if (":" in first) != (":" in second):
            raise ValueError(f"{first},{second}: HEASoft reads both as degrees or both as sexagesimal")
    x = tuple(_position(value, frame, hours=True) for value in values[::2])
    return x, tuple(_position(value, frame, hours=False) for value in values[1::2])


def _check_sizes(kind: str, sizes: Sequence[float]) -> None:
    if kind == "annulus":
        if not 0 <= sizes[0] < sizes[1]:
            raise ValueError("the radii of an annulus must grow")
    elif min(sizes) <= 0:
        raise ValueError(f"the size of a {kind} must be positive")


def _plain(value: str) -> float:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{value!r} is no number that is understood here")
    return float(value)


def _position(value: str, frame: Frame, *, hours: bool) -> float:
    """A coordinate in pixels or degrees; sexagesimal right ascensions are in hours."""
    if frame == "pixel":
        return _plain(value)
    degrees = _degrees(value, hours=hours)
    if not (0 <= degrees <= 360 if hours else -90 <= degrees <= 90):
        raise ValueError(f"{value} is no {'right ascension' if hours else 'declination'}")
    return degrees


def _degrees(value: str, *, hours: bool) -> float:
    if _SEXAGESIMAL.fullmatch(value):
        return float(Angle(value, "hourangle" if hours else "deg").deg)
    return _plain(value[:-1] if value.endswith("d") else value)


def _size(value: str, frame: Frame) -> float:
    """A size in pixels or degrees."""
    unit = value[-1:]
    if frame == "pixel":
        if unit in _DEGREES_PER:
            raise ValueError(f"the size {value} is an angle, but the coordinates are pixels")
        return _plain(value)
    if unit not in _DEGREES_PER:
        raise ValueError(f"the size {value} has no unit, and HEASoft takes it as pixels: give \", ' or d")
    return _plain(value[:-1]) * _DEGREES_PER[unit]
