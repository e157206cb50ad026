"""A picture in polar coordinates."""

import numpy as np
from scipy.sparse import csr_array

_SAMPLES = 2**13
"""Worked on at a time, so that the temporaries stay in the processor's cache."""


def polar(image, row, column, radii, angles):
    """Image values at ``row + radii * sin(angles)``, ..., linear between pixels.

    Parameters
    ----------
    image : float32 array of shape (n_rows, n_columns)
        Finite.
    row, column : float
        The centre.
    radii : array of shape (n_radii,) or (n_angles, n_radii)
    angles : array of shape (n_angles,)
        From the column axis towards the rows.

    Returns
    -------
    float32 array of shape (n_angles, n_radii)
        NaN beyond the picture.

    Examples
    --------
    >>> polar(np.float32([[0, 1], [2, 3]]), 0, 0, np.array([0, 0.5, 1.5]), np.array([0.0]))
    array([[0. , 0.5, nan]], dtype=float32)
    """
    values = np.empty((angles.size, radii.shape[-1]), dtype=np.float32)
    radii = np.broadcast_to(radii, values.shape)
    n_together = max(1, _SAMPLES // radii.shape[1])
    for first in range(0, angles.size, n_together):
        part = slice(first, first + n_together)
        values[part] = _bilinear(image, *places(row, column, radii[part], angles[part]))
    return values


def places(row, column, radii, angles):
    """Rows and columns of what `polar` looks at: arrays of shape (n_angles, n_radii)."""
    rows = row + np.sin(angles)[:, np.newaxis] * radii
    return rows, column + np.cos(angles)[:, np.newaxis] * radii


def bilinear_matrix(shape, rows, columns):
    """Where places are within pictures, and how to look there at once in many of one shape.

    Parameters
    ----------
    shape : tuple (n_rows, n_columns)
    rows, columns : arrays of one shape

    Returns
    -------
    there : bool array of that shape
    matrix : sparse float32 array of shape (n_there, n_rows * n_columns)

    Examples
    --------
    >>> there, matrix = bilinear_matrix((2, 2), np.array([0, 0.5, 2]), np.array([0.5, 1, 0]))
    >>> there.tolist(), (matrix @ np.float32([0, 1, 2, 3])).tolist()
    ([True, True, False], [0.5, 2.0])
    """
    there = _within(shape, rows, columns)
    rows, columns = rows[there], columns[there]
    upper, left = rows.astype(np.intp), columns.astype(np.intp)
    lower, right = np.minimum(upper + 1, shape[0] - 1), np.minimum(left + 1, shape[1] - 1)
    down, across = rows - upper, columns - left
    weights = (1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across
    pixels = [row * shape[1] + column for row in (upper, lower) for column in (left, right)]
    each = np.tile(np.arange(rows.size), 4)
    entries = np.concatenate(weights).astype(np.float32), (each, np.concatenate(pixels))
    return there, csr_array(entries, shape=(rows.size, shape[0] * shape[1]))


def _within(shape, rows, columns):
    return (rows >= 0) & (rows <= shape[0] - 1) & (columns >= 0) & (columns <= shape[1] - 1)


def _bilinear(image, rows, columns):
    """Several times faster than scipy's `map_coordinates`, and equal to it but for rounding."""
    upper, left = rows.astype(np.intp), columns.astype(np.intp)
    down, across = (rows - upper).astype(np.float32), (columns - left).astype(np.float32)
    place = upper * image.shape[1] + left
    above = _mix(image, place, across)
    below = _mix(image, place + image.shape[1], across)  # weighs 0 behind the last row
    there = _within(image.shape, rows, columns)
    return np.where(there, above + down * (below - above), np.float32(np.nan))


def _mix(image, place, across):
    """Between pixels and their right neighbours."""
    left = image.take(place, mode="clip")
    return left + across * (image.take(place + 1, mode="clip") - left)
