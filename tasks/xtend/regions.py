"""Region files of ds9, read with HEASoft's logic, on the sky pixels of any event list.

HEASoft takes a file that it cannot read as the whole field, and its shapes in their order. So a line that it
does not read, or reads as something else, is an error that names the line, and the order is kept.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from astropy.wcs import WCS
from numpy.typing import ArrayLike

from tasks.core.errors import BadInput
from tasks.xtend.shape_lines import read_shape
from tasks.xtend.shapes import Frame, Mask, PixelShape, Shape

__all__ = ["Region", "Shape", "read_region"]

_FRAMES: Final[dict[str, Frame]] = {"fk5": "sky", "icrs": "sky", "image": "pixel", "physical": "pixel"}
_FORMAT = re.compile(r"#\s*format:", re.IGNORECASE)


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
                    shapes.append(read_shape(part, _FRAMES[system or "physical"]))
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
