"""Counting the ice in blocks of voxels.

Rows are added first, because they are contiguous.
"""

import math

import numpy as np

from icecoreseg.downsampling._codes import decode
from icecoreseg.downsampling._planes import add_up


def block_counts(planes):
    """The ice in every block of some rows.

    Parameters
    ----------
    planes : Planes
        Of labels or ice fractions.

    Returns
    -------
    ice : array of shape (n_rows, n_columns)
        Sum of ice; valid until the next planes are asked for.
    inside : array of the same shape, or int
        Number of voxels inside; one number if these are all.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg.downsampling._planes import iterate_planes
    >>> labels = np.array([[[1, 1, 0, 255], [1, 0, 0, 255]]], dtype=np.uint8)
    >>> ice, inside = block_counts(next(iterate_planes(labels, (1, 2, 2))))
    >>> ice.tolist(), inside.tolist()
    ([[3, 0]], [[4, 2]])
    """
    size = math.prod(planes.factor)
    sums = [_block_sum(plane, n, planes) for n, plane in enumerate(planes.sums)]
    if planes.full:
        return sums[0], size
    if len(sums) > 1:
        return sums
    codes = sums[0].astype(planes.sums[0].dtype)
    return decode(codes, size, np.empty_like(codes))


def _block_sum(plane, number, planes):
    """Sum over blocks of (fy, fx)."""
    (_, fy, fx), around = planes.factor, planes.margin
    inner = plane[around : len(plane) - around, around : plane.shape[1] - around]
    parts = [inner[row::fy] for row in range(fy)]
    rows = add_up(parts, planes.scratch(f"rows {number}", parts[0].shape, plane.dtype))
    if fx == 2 and rows.dtype == np.uint8:  # add both bytes of a 16-bit number
        pairs = rows.view(np.uint16)
        pairs *= np.uint16(0x101)
        return np.right_shift(pairs, 8, out=pairs)
    columns = [rows[:, column::fx] for column in range(fx)]
    return add_up(columns, planes.scratch(f"blocks {number}", columns[0].shape, plane.dtype))
