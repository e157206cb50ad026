"""What lies around a block, in its own slices: the judge of blocks that are a tie.

The weight of a voxel falls off with its distance from the block, along y times along x. Sums
along y are made for whole rows, which are contiguous; along x only where there is a tie. Weights
are whole numbers, so that the sums of labels are exact in few bits.
"""

import numpy as np

from icecoreseg.downsampling._codes import decode
from icecoreseg.downsampling._planes import add_up


def surrounding_fraction(planes, blocks, weights):
    """Ice fraction of blocks together with the voxels around them in their own slices.

    Parameters
    ----------
    planes : Planes
        With a margin of ``len(weights) - 1``.
    blocks : array of shape (n_blocks,)
        Flat indices of blocks of these rows.
    weights : tuple of int
        What a voxel counts 0, 1, 2, ... voxels away from the block; along y times along x.

    Returns
    -------
    array of shape (n_blocks,), float32
        0 where all is outside.

    Examples
    --------
    A block of air, with ice beside it on one of four sides, which is all of the picture there:

    >>> from icecoreseg.downsampling._planes import iterate_planes
    >>> labels = np.array([[[0, 0, 1], [0, 0, 1]]], dtype=np.uint8)
    >>> planes = next(iterate_planes(labels, (1, 2, 1), margin=1))
    >>> surrounding_fraction(planes, np.array([1]), (1, 1)).tolist()
    [0.3333333432674408]
    """
    if not len(blocks):
        return np.empty(0, dtype=np.float32)
    fz, fy, fx = planes.factor
    along_y, along_x = (_taps(f, weights) for f in (fy, fx))
    n_columns = (planes.sums[0].shape[1] - 2 * planes.margin) // fx
    row = blocks // n_columns
    column = blocks - row * n_columns
    left = int(column.min())
    window = slice(left * fx, int(column.max()) * fx + len(along_x))
    first = row * (window.stop - window.start) + (column - left) * fx
    rows, most = _sum_along_y(planes, window, along_y), fz * sum(along_y) * sum(along_x)
    ice, inside = (_sum_along_x(one, first, along_x, most) for one in rows)
    return ice.astype(np.float32, copy=False) / np.maximum(inside, 1).astype(np.float32)


def _taps(factor, weights):
    """Weights across a block and its margins.

    Examples
    --------
    >>> _taps(2, (7, 4, 1))
    [1, 4, 7, 7, 4, 1]
    """
    return [*weights[:0:-1], *[weights[0]] * factor, *weights[1:]]


def _sum_along_y(planes, columns, taps):
    """(ice, inside): weighted sums of rows, for every row of blocks; equal weights first."""
    n_rows, n_slices = planes.rows.stop - planes.rows.start, planes.factor[0]
    shape = n_rows, columns.stop - columns.start
    dtype = _type_for(planes.sums[0], n_slices * sum(taps))
    totals = [planes.scratch(name, shape, dtype) for name in ("ice around", "inside around")]
    for total in totals:
        total[...] = 0
    for weight in sorted(set(taps)):
        steps = [step for step, tap in enumerate(taps) if tap == weight]
        for total, part in zip(totals, _add_rows(planes, columns, steps), strict=True):
            part = part.astype(dtype, copy=False)
            part *= dtype.type(weight)
            total += part
    return [total.reshape(-1) for total in totals]


def _add_rows(planes, columns, steps):
    """(ice, inside) of rows that begin at these steps, for every row of blocks."""
    n_slices, height, _ = planes.factor
    shape = planes.rows.stop - planes.rows.start, columns.stop - columns.start
    dtype = planes.sums[0].dtype
    held = [planes.scratch(f"rows around {number}", shape, dtype) for number in (0, 1)]
    for plane, out in zip(planes.sums, held, strict=False):
        add_up([plane[step::height, columns][: shape[0]] for step in steps], out)
    return held if len(planes.sums) > 1 else decode(held[0], n_slices * len(steps), held[1])


def _sum_along_x(rows, first, taps, most):
    """Weighted sums, up to `most`, of what begins at some places."""
    total = np.zeros(len(first), dtype=_type_for(rows, most))
    for step, weight in enumerate(taps):
        found = rows[step:].take(first).astype(total.dtype, copy=False)
        found *= total.dtype.type(weight)
        total += found
    return total


def _type_for(values, most):
    return values.dtype if values.dtype.kind == "f" else np.min_scalar_type(most)
