"""Write an outside value around an outline, row by row."""

from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline

from icecoreseg.preprocessing._fan import ANGLES

_FINER = 4


def corners(outline, margin):
    """Corners (row, column) of the closed polygon of an outline, `margin` pixels inside it.

    Parameters
    ----------
    outline : array of shape (2 + n_angles,)
        Row and column of the centre, and radii.
    margin : float

    Returns
    -------
    array of shape (4 * n_angles, 2)
        Between the angles the outline runs as a periodic cubic spline.
    """
    spline, directions = _between_angles()
    arms = np.maximum(spline @ outline[2:].astype(np.float64) - margin, 0)
    return outline[:2] + arms[:, np.newaxis] * directions


@cache
def _between_angles():
    """The spline through radii, which is linear in them, as a matrix; unit vectors of the arms."""
    every = np.eye(ANGLES.size)
    turn = np.append(ANGLES, 2 * np.pi)
    spline = CubicSpline(turn, np.vstack([every, every[:1]]), bc_type="periodic")
    angles = np.linspace(0, 2 * np.pi, _FINER * ANGLES.size, endpoint=False)
    return spline(angles), np.stack([np.sin(angles), np.cos(angles)], axis=1)


def row_runs(polygon, shape):
    """Runs of pixels whose centres lie inside a polygon.

    Parameters
    ----------
    polygon : array of shape (n_corners, 2)
        Row and column of the corners, in order.
    shape : tuple
        Rows and columns of the picture.

    Returns
    -------
    rows, starts, stops : arrays of shape (n_runs,)
        ``image[row, start:stop]`` is inside; runs are sorted by row and column.

    Examples
    --------
    >>> square = np.array([[0.5, 0.5], [0.5, 3.5], [2.5, 3.5], [2.5, 0.5]])
    >>> [part.tolist() for part in row_runs(square, (4, 4))]
    [[1, 2], [1, 1], [4, 4]]
    """
    from_corner, to_corner = polygon, np.roll(polygon, -1, axis=0)
    upper = np.minimum(from_corner[:, 0], to_corner[:, 0])
    lower = np.maximum(from_corner[:, 0], to_corner[:, 0])
    first = np.clip(np.ceil(upper), 0, shape[0]).astype(np.intp)
    n_crossed = np.clip(np.ceil(lower), 0, shape[0]).astype(np.intp) - first
    edge = np.repeat(np.arange(len(polygon)), n_crossed)
    rows = np.arange(edge.size) - np.repeat(np.cumsum(n_crossed) - n_crossed, n_crossed)
    rows += first[edge]
    (y0, x0), (y1, x1) = from_corner[edge].T, to_corner[edge].T
    columns = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], np.clip(np.ceil(columns[order]), 0, shape[1]).astype(np.intp)
    return rows[::2], columns[::2], columns[1::2]


def mask_within(outline, shape, margin=0.0):
    """Boolean mask of one slice, True inside an outline; all False for an outline of NaN.

    Examples
    --------
    >>> disc = np.append([9.5, 9.5], np.full(ANGLES.size, 8.0))
    >>> int(mask_within(disc, (20, 20)).sum())  # pi 8^2 = 201
    208
    """
    mask = np.ones(shape, dtype=bool)
    fill_outside(mask, outline, margin, False)
    return mask


def area_within(outline, shape):
    """Pixels of a picture inside an outline; 0 for an outline of NaN.

    Examples
    --------
    >>> disc = np.append([9.5, 9.5], np.full(ANGLES.size, 8.0))
    >>> area_within(disc, (20, 20)), area_within(disc, (20, 10))
    (208, 104)
    """
    if not np.isfinite(outline[0]):
        return 0
    _, starts, stops = row_runs(corners(outline, 0.0), shape)
    return int((stops - starts).sum())


def fill_outside(pixels, outline, margin, value):
    """Write a value around an outline, in place; everywhere for an outline of NaN.

    Pixels are contiguous, row after row, so that what lies between the run of one row and
    that of the next is one piece. It is filled several times faster than through a mask.
    """
    flat = pixels.reshape(-1)
    if not np.isfinite(outline[0]):
        flat[:] = value
        return
    rows, starts, stops = row_runs(corners(outline, margin), pixels.shape)
    before = rows * pixels.shape[1]
    gap_starts, gap_stops = [0, *(before + stops).tolist()], [*(before + starts).tolist(), None]
    for start, stop in zip(gap_starts, gap_stops, strict=True):
        flat[start:stop] = value


def next_level(outside, dtype):
    """The grey level nearest to the outside value: the one above, if there is one."""
    if dtype.kind == "f":
        return np.nextafter(dtype.type(outside), dtype.type(np.inf))
    return outside + 1 if outside < np.iinfo(dtype).max else outside - 1


def move_off(pixels, outside):
    """Move voxels that have the outside value to the nearest grey level, in place.

    Examples
    --------
    >>> pixels = np.array([0, 1, 255], dtype=np.uint8)
    >>> move_off(pixels, 255)
    >>> move_off(pixels, 0)
    >>> pixels.tolist()
    [1, 1, 254]
    """
    level, found = next_level(outside, pixels.dtype), pixels == outside
    if pixels.dtype.kind == "f":
        pixels[found] = level
    elif level > outside:  # several times faster than to pick voxels
        pixels += found
    else:
        pixels -= found.view(np.uint8)
