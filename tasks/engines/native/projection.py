"""Detector masks on the sky: which fraction of each SKY pixel the live DET pixels cover.

A SKY pixel is carried to the detector by the two tangent projections; together they are a projective map
(a 3×3 matrix), so that straight pixel edges stay straight. Where the 3×3 DET pixels around its centre are
all live or all dead the fraction is 1 or 0; elsewhere the area is integrated exactly along the pixel's four
edges, where DET pixels that are live for a part of the time count for that part.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.engines.native.attitude import Attitude
from tasks.xtend.geometry import DET_AIM, DET_SIZE, PIXEL_DEG, SKY_CENTRE, SKY_SIZE, Floats
from tasks.xtend.nominal import Nominal

Mask = NDArray[np.bool_]
Shares = NDArray[np.bool_ | np.float32]
"""Which part of the time each DET pixel counts, 0 to 1; a mask is all or nothing."""
Coverage = NDArray[np.float32]
Integers = NDArray[np.intp]
Real = TypeVar("Real", np.float32, np.float64)

_CORNERS: Final = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
_ROWS_AT_ONCE: Final = 64
_EDGES_AT_ONCE: Final = 1 << 13
"""So few that what is worked out of them stays in a processor's cache."""
_LEVEL: Final = 1e-6
"""Edges that rise by less than this many pixels count as level (their mean height is exact enough)."""


def nominal_coverage(mask: Shares, nominal: Nominal) -> Coverage:
    """Fraction of each SKY pixel covered by a mask at the nominal attitude.

    Parameters
    ----------
    mask : array (1810, 1810), bool or float32
        True where a DET pixel counts, or the part that it counts; indexed [DETY − 1, DETX − 1].
    nominal : Nominal
        The aspect the SKY pixels are made for.

    Returns
    -------
    array (2430, 2430), float32
        0 to 1, indexed [Y − 1, X − 1].
    """
    return coverage(mask, Attitude(nominal.ra, nominal.dec, nominal.pa), nominal)


def coverage(mask: Shares, attitude: Attitude, nominal: Nominal) -> Coverage:
    """Fraction of each SKY pixel covered by a mask at any attitude; arguments as in `nominal_coverage`."""
    fraction = np.zeros((SKY_SIZE, SKY_SIZE), np.float32)
    to_det = sky_to_det_matrix(attitude, nominal)
    faces_sky = to_det[2] @ (SKY_CENTRE, SKY_CENTRE, 1) > 0
    if not (faces_sky and mask.any()):
        return fraction
    live = np.pad(mask, 2)
    alike = _neighbours(live)
    rows, columns = _reach(mask, to_det)
    x = np.arange(columns.start + 1, columns.stop + 1, dtype=float)
    for begin in range(rows.start, rows.stop, _ROWS_AT_ONCE):
        window = fraction[begin : min(begin + _ROWS_AT_ONCE, rows.stop), columns]
        y = np.arange(begin + 1, begin + len(window) + 1, dtype=float)
        nearest = _nearest(to_det, x, y)
        count = alike.ravel()[nearest]
        np.equal(count, 9, out=window)
        # numpy finds true values fast along one axis only.
        edges = np.flatnonzero((count > 0) & (count < 9))
        for first in range(0, edges.size, _EDGES_AT_ONCE):
            row, column = np.divmod(edges[first : first + _EDGES_AT_ONCE], x.size)
            near_y, near_x = np.divmod(nearest[row, column], alike.shape[1])
            window[row, column] = _overlap(live, to_det, x[column], y[row], near_x, near_y)
    return fraction


def sky_to_det_matrix(attitude: Attitude, nominal: Nominal) -> Floats:
    """The 3×3 matrix that takes (X, Y, 1) in SKY pixels to (DETX·w, DETY·w, w)."""
    scale = np.radians(PIXEL_DEG)
    cosine, sine = np.cos(np.radians(attitude.roll)), np.sin(np.radians(attitude.roll))
    to_plane = np.array([[-scale, 0, scale * SKY_CENTRE], [0, scale, -scale * SKY_CENTRE], [0, 0, 1]])
    to_pixels = np.array(
        [[-cosine / scale, sine / scale, DET_AIM], [sine / scale, cosine / scale, DET_AIM], [0, 0, 1]]
    )
    turn = _axes(attitude.ra, attitude.dec).T @ _axes(nominal.ra, nominal.dec)
    return np.asarray(to_pixels @ turn @ to_plane)


def _axes(ra: float, dec: float) -> Floats:
    """Columns: the directions east and north of a position (degrees), and the position itself."""
    a, d = np.radians(ra), np.radians(dec)
    east = [-np.sin(a), np.cos(a), 0.0]
    north = [-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)]
    centre = [np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)]
    return np.array([east, north, centre]).T


def _apply(matrix: NDArray[Real], x: NDArray[Real], y: NDArray[Real]) -> tuple[NDArray[Real], NDArray[Real]]:
    """Positions carried by a projective map."""
    w = matrix[2, 0] * x + (matrix[2, 1] * y + matrix[2, 2])
    return (
        (matrix[0, 0] * x + (matrix[0, 1] * y + matrix[0, 2])) / w,
        (matrix[1, 0] * x + (matrix[1, 1] * y + matrix[1, 2])) / w,
    )


def _reach(mask: Shares, to_det: Floats) -> tuple[slice, slice]:
    """Rows and columns of the SKY image that the mask can touch."""
    det_y, det_x = (np.flatnonzero(mask.any(axis=axis)) + 1 for axis in (1, 0))
    left, right, bottom, top = det_x[0] - 1.0, det_x[-1] + 1.0, det_y[0] - 1.0, det_y[-1] + 1.0
    to_sky = np.asarray(np.linalg.inv(to_det), np.float64)
    x, y = _apply(to_sky, np.array([left, right, left, right]), np.array([bottom, bottom, top, top]))
    low = np.clip(np.floor([y.min(), x.min()]) - 2, 0, SKY_SIZE).astype(int)
    high = np.clip(np.ceil([y.max(), x.max()]) + 1, 0, SKY_SIZE).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1])


def _neighbours(live: Shares) -> NDArray[np.uint8]:
    """How many of the 3×3 pixels around each DET pixel 0…1811 are live; `live` is padded by 2.

    It is neither 0 nor 9 where one of them is live for a part of the time.
    """
    count = _sum_of_nine(live == 1)
    partly = (live > 0) & (live < 1)
    return np.where(_sum_of_nine(partly) > 0, np.clip(count, 1, 8), count) if partly.any() else count


def _sum_of_nine(pixels: Mask) -> NDArray[np.uint8]:
    rows = pixels.astype(np.uint8)
    rows = rows[:-2] + rows[1:-1] + rows[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]


def _nearest(to_det: Floats, x: Floats, y: Floats) -> Integers:
    """Where in the unravelled `_neighbours` the centres of SKY pixels lie, shape (y.size, x.size).

    Single precision may choose a neighbour where a centre lies on a border: either will do.
    """
    det_x, det_y = _apply(
        to_det.astype(np.float32), x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
    )
    # Pixels that fall outside the detector all look at the dead border of the padded mask.
    near_x, near_y = (np.clip(np.rint(axis), 0, DET_SIZE + 1) for axis in (det_x, det_y))
    return np.asarray(near_y * np.float32(DET_SIZE + 2) + near_x, np.intp)


def _overlap(
    live: Shares, to_det: Floats, x: Floats, y: Floats, near_x: Integers, near_y: Integers
) -> Floats:
    """Exact fraction of the SKY pixels at (x, y), shape (n,), that live DET pixels cover.

    A unit square turned by any angle reaches 1.21 pixels from the DET pixel that holds its centre, so the
    3×3 pixels around that one are enough. `u`, `v` run from 0 to 3 across them. The area is the sum over the
    four edges of what lies below each, with its sign.
    """
    u, v = _apply(to_det, x + _CORNERS[:, :1], y + _CORNERS[:, 1:])
    u, v = u - (near_x - 1.5), v - (near_y - 1.5)
    end_u, end_v = np.roll(u, -1, axis=0), np.roll(v, -1, axis=0)
    run = end_u - u
    slope = np.divide(end_v - v, run, out=np.zeros_like(run), where=run != 0)
    left, right = np.minimum(u, end_u), np.maximum(u, end_u)
    # Each edge is cut where it passes from one column of DET pixels to the next.
    cuts = [left, np.clip(1.0, left, right), np.clip(2.0, left, right), right]
    heights = [v + (cut - u) * slope for cut in cuts]
    integrals = [[_ramp_integral(height - row) for row in range(3)] for height in heights]
    below = np.zeros_like(run)
    flat, width = live.ravel(), live.shape[1]
    corner = near_y * width + near_x
    for column in range(3):
        cells = [flat.take(corner + (row * width + column)).astype(float) for row in range(3)]
        ends = slice(column, column + 2)
        below += _below(cuts[column + 1] - cuts[column], heights[ends], integrals[ends], cells)
    whole = (run * (end_v + v) / 2).sum(axis=0)
    return np.asarray((np.copysign(1.0, run) * below).sum(axis=0) / whole)


def _below(
    width: Floats, heights: Sequence[Floats], integrals: Sequence[Sequence[Floats]], cells: Sequence[Floats]
) -> Floats:
    """Live area below pieces of edges within one column of cells, shape (4, n).

    `heights` are those of a piece's ends, and `integrals` the `_ramp_integral` of each row up to them.
    """
    low, high = heights
    rise = high - low
    level = np.abs(rise) < _LEVEL
    steep = sum(cell * (upper - lower) for cell, lower, upper in zip(cells, *integrals, strict=True))
    mean = np.asarray(steep / np.where(level, 1.0, rise))
    edge, place = np.divmod(np.flatnonzero(level & (width > 0)), low.shape[1])
    middle = (low[edge, place] + high[edge, place]) / 2
    mean[edge, place] = sum(cell[place] * np.clip(middle - row, 0, 1) for row, cell in enumerate(cells))
    return np.asarray(width * mean)


def _ramp_integral(t: Floats) -> Floats:
    """Integral from 0 to t of the ramp that rises from 0 at 0 to 1 at 1."""
    ramp = np.clip(t, 0, 1)
    return ramp * (t - ramp / 2)
