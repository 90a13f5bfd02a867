"""Detector masks on the sky: which fraction of each SKY pixel the live DET pixels cover.

A SKY pixel is carried to the detector by the two tangent projections; together they are a projective map
(a 3×3 matrix), so that straight pixel edges stay straight. Where the 3×3 DET pixels around its centre are
all alike the fraction is 0 or 1; elsewhere the area is integrated exactly along the pixel's four edges.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.engines.native.attitude import Attitude
from tasks.xtend.geometry import DET_AIM, DET_SIZE, PIXEL_DEG, SKY_CENTRE, SKY_SIZE, Floats, Nominal

Mask = NDArray[np.bool_]
Coverage = NDArray[np.float32]

_CORNERS: Final = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
_EDGES_AT_ONCE: Final = 1 << 17
"""Bounds the memory that a mask of many edges takes."""
_LEVEL: Final = 1e-6
"""Edges that rise by less than this many pixels count as level (their mean height is exact enough)."""


def nominal_coverage(mask: Mask, nominal: Nominal) -> Coverage:
    """Fraction of each SKY pixel covered by a mask at the nominal attitude.

    Parameters
    ----------
    mask : array (1810, 1810)
        True where a DET pixel counts; indexed [DETY − 1, DETX − 1].
    nominal : Nominal
        The aspect the SKY pixels are made for.

    Returns
    -------
    array (2430, 2430), float32
        0 to 1, indexed [Y − 1, X − 1].
    """
    return coverage(mask, Attitude(nominal.ra, nominal.dec, nominal.pa), nominal)


def coverage(mask: Mask, attitude: Attitude, nominal: Nominal) -> Coverage:
    """Fraction of each SKY pixel covered by a mask at any attitude; arguments as in `nominal_coverage`."""
    fraction = np.zeros((SKY_SIZE, SKY_SIZE), np.float32)
    to_det = sky_to_det_matrix(attitude, nominal)
    faces_sky = to_det[2] @ (SKY_CENTRE, SKY_CENTRE, 1) > 0
    if not (faces_sky and mask.any()):
        return fraction
    live = np.pad(mask, 2)
    rows, columns = _reach(mask, to_det)
    y, x = np.arange(rows.start, rows.stop) + 1.0, np.arange(columns.start, columns.stop) + 1.0
    # Pixels that fall outside the detector all look at the dead border of the padded mask.
    nearest = [
        np.clip(np.rint(det), 0, DET_SIZE + 1).astype(np.intp)
        for det in _apply(to_det, x[None, :], y[:, None])
    ]
    alike = _neighbours(live)[nearest[1], nearest[0]]
    window = (alike == 9).astype(np.float32)
    edges = np.nonzero((alike > 0) & (alike < 9))
    for begin in range(0, edges[0].size, _EDGES_AT_ONCE):
        row, column = (index[begin : begin + _EDGES_AT_ONCE] for index in edges)
        near_x, near_y = nearest[0][row, column], nearest[1][row, column]
        window[row, column] = _overlap(live, to_det, x[column], y[row], near_x, near_y)
    fraction[rows, columns] = window
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


def _apply(matrix: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Positions carried by a projective map."""
    w = matrix[2, 0] * x + (matrix[2, 1] * y + matrix[2, 2])
    return (
        (matrix[0, 0] * x + (matrix[0, 1] * y + matrix[0, 2])) / w,
        (matrix[1, 0] * x + (matrix[1, 1] * y + matrix[1, 2])) / w,
    )


def _reach(mask: Mask, to_det: Floats) -> tuple[slice, slice]:
    """Rows and columns of the SKY image that the mask can touch."""
    det_y, det_x = (np.flatnonzero(mask.any(axis=axis)) + 1 for axis in (1, 0))
    left, right, bottom, top = det_x[0] - 1.0, det_x[-1] + 1.0, det_y[0] - 1.0, det_y[-1] + 1.0
    to_sky = np.asarray(np.linalg.inv(to_det), np.float64)
    x, y = _apply(to_sky, np.array([left, right, left, right]), np.array([bottom, bottom, top, top]))
    low = np.clip(np.floor([y.min(), x.min()]) - 2, 0, SKY_SIZE).astype(int)
    high = np.clip(np.ceil([y.max(), x.max()]) + 1, 0, SKY_SIZE).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1])


def _neighbours(live: Mask) -> NDArray[np.uint8]:
    """How many of the 3×3 pixels around each DET pixel 0…1811 are live; `live` is padded by 2."""
    rows = live.astype(np.uint8)
    rows = rows[:-2] + rows[1:-1] + rows[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]


def _overlap(
    live: Mask, to_det: Floats, x: Floats, y: Floats, near_x: NDArray[np.intp], near_y: NDArray[np.intp]
) -> Floats:
    """Exact fraction of the SKY pixels at (x, y) that live DET pixels cover.

    A unit square turned by any angle reaches 1.21 pixels from the DET pixel that holds its centre, so the
    3×3 pixels around that one are enough. `u`, `v` run from 0 to 3 across them.
    """
    corners = [_apply(to_det, x + dx, y + dy) for dx, dy in _CORNERS]
    u = [corner[0] - (near_x - 1.5) for corner in corners]
    v = [corner[1] - (near_y - 1.5) for corner in corners]
    covered, whole = np.zeros(x.size), np.zeros(x.size)
    for start, end in ((0, 1), (1, 2), (2, 3), (3, 0)):
        whole -= (u[end] - u[start]) * (v[end] + v[start]) / 2
    for column in range(3):
        cells = [live[near_y + row, near_x + column] for row in range(3)]
        for start, end in ((0, 1), (1, 2), (2, 3), (3, 0)):
            covered -= _under_edge(u[start], v[start], u[end], v[end], column, cells)
    return covered / whole


def _under_edge(u1: Floats, v1: Floats, u2: Floats, v2: Floats, column: int, cells: list[Mask]) -> Floats:
    """Signed live area below the edge (u1, v1)–(u2, v2) within one column of cells."""
    run = u2 - u1
    slope = np.divide(v2 - v1, run, out=np.zeros_like(run), where=run != 0)
    a, b = np.clip(u1, column, column + 1), np.clip(u2, column, column + 1)
    low, high = v1 + (a - u1) * slope, v1 + (b - u1) * slope
    rise = high - low
    level = np.abs(rise) < _LEVEL
    height = np.zeros_like(run)
    for row, cell in enumerate(cells):
        between = (_ramp_integral(high - row) - _ramp_integral(low - row)) / np.where(level, 1.0, rise)
        height += cell * np.where(level, np.clip((low + high) / 2 - row, 0, 1), between)
    return (b - a) * height


def _ramp_integral(t: Floats) -> Floats:
    """Integral from 0 to t of the ramp that rises from 0 at 0 to 1 at 1."""
    ramp = np.clip(t, 0, 1)
    return ramp * (t - ramp / 2)
