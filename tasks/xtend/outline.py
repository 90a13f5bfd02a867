"""The outline of what was exposed: polygons around the pixels of a map that are not zero.

The gaps between the CCDs are bridged, as is anything else narrower than 42″; holes inside a polygon and
specks are left out.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_BRIDGED: Final = 42.0
"""In arcsec: the widest gap between CCDs, of 17 pixels, and what the pointing's wander leaves of it."""
_TOLERANCE: Final = 10.0
"""In arcsec: an outline keeps this close to the edges of the pixels."""
_SMALLEST: Final = 0.01
"""Share of the exposed area below which a piece is a speck."""


def outline(exposed: NDArray[np.bool_], pixel_arcsec: float) -> tuple[Points, ...]:
    """Polygons around the exposed pixels of an image, the largest first.

    Parameters
    ----------
    exposed : ndarray of bool, shape (ny, nx)
        Which pixels are.
    pixel_arcsec : float
        Size of a pixel.

    Returns
    -------
    tuple of ndarray, shape (n, 2)
        Corners (x, y) of each polygon, counter-clockwise where x grows to the right and y upwards, in
        pixels as FITS counts them: the centre of the first one is (1, 1). Empty when nothing is exposed.
    """
    reach = max(1, round(_BRIDGED / pixel_arcsec / 2))
    margin = 2 * reach
    closed = ~_grown(~_grown(np.pad(exposed, margin), reach), reach)
    loops = sorted(_loops(closed), key=area, reverse=True)
    # Holes run the other way round.
    kept = [loop for loop in loops if area(loop) >= _SMALLEST * closed.sum()]
    return tuple(_simple(loop, _TOLERANCE / pixel_arcsec) - margin + 0.5 for loop in kept if len(loop))


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Every pixel that is set or has one that is within reach; the margin is wide enough for this."""
    for axis in (0, 1):
        mask = np.logical_or.reduce([np.roll(mask, step, axis) for step in range(-reach, reach + 1)])
    return mask


def area(polygon: Points) -> float:
    """The area inside a polygon; negative when its corners run clockwise."""
    x, y = polygon.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _loops(mask: NDArray[np.bool_]) -> list[Points]:
    """The borders between set pixels and others, as closed lines with the set ones on their left."""
    pending: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for start, end in _edges(mask):
        pending.setdefault(start, []).append(end)
    loops = []
    while pending:
        first = next(iter(pending))
        corner, loop = first, []
        while True:
            loop.append(corner)
            ends = pending[corner]
            following = ends.pop()
            if not ends:
                del pending[corner]
            corner = following
            if corner == first:
                break
        loops.append(np.array(loop, float))
    return loops


def _edges(mask: NDArray[np.bool_]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Each side that a set pixel shares with one that is not; corners (x, y) are counted from zero."""
    found = []
    around = np.pad(mask, 1)
    inside = around[1:-1, 1:-1]
    # The neighbour, and the two ends of the side towards it.
    sides = (
        (around[:-2, 1:-1], (0, 0), (1, 0)),
        (around[1:-1, 2:], (1, 0), (1, 1)),
        (around[2:, 1:-1], (1, 1), (0, 1)),
        (around[1:-1, :-2], (0, 1), (0, 0)),
    )
    for neighbour, (fromx, fromy), (tox, toy) in sides:
        for y, x in np.argwhere(inside & ~neighbour).tolist():
            found.append(((x + fromx, y + fromy), (x + tox, y + toy)))
    return found


def _simple(loop: Points, tolerance: float) -> Points:
    """Fewer corners, none of the others farther away than the tolerance (Douglas and Peucker)."""
    far = int(np.argmax(np.hypot(*(loop - loop[0]).T)))
    closed = np.vstack([loop, loop[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, far, -1]] = True
    todo = [(0, far), (far, len(closed) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        distance = _distance(closed[first + 1 : last], closed[first], closed[last])
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            todo += [(first, middle), (middle, last)]
    return closed[:-1][keep[:-1]]


def _distance(points: Points, start: Points, end: Points) -> Points:
    """How far points are from a straight line between two others."""
    along = end - start
    length = float(np.hypot(*along))
    if length == 0:
        return np.asarray(np.hypot(*(points - start).T))
    offset = points - start
    return np.asarray(np.abs(along[0] * offset[:, 1] - along[1] * offset[:, 0]) / length)
