"""What lies around a block, in its own slices: the judge of blocks that are a tie.

The weight of a voxel falls off with its distance from the block, along y times along x. Sums
along y are made for whole rows, which are contiguous; along x only where there is a tie. Weights
are whole numbers, so that the sums of labels are exact in few bits.
"""

import numpy as np

from icecoreseg.downsampling._counting import read_voxels, strips
from icecoreseg.labels import OUTSIDE


def surrounding_fraction(slab, factor, blocks, weights):
    """Ice fraction of blocks together with the voxels around them in their own slices.

    Parameters
    ----------
    slab : array of shape (fz, n_rows, n_columns)
        Labels, or ice fractions with NaN outside.
    factor : (int, int, int)
        Voxels per block.
    blocks : array of shape (n_blocks,)
        Flat indices into the coarse slice, rising.
    weights : tuple of int
        What a voxel counts 0, 1, 2, ... voxels away from the block; along y times along x.

    Returns
    -------
    array of shape (n_blocks,), float32
        0 where all is outside.

    Examples
    --------
    A block of air, with ice beside it on one of four sides, which is all of the picture there:

    >>> labels = np.array([[[0, 0, 1], [0, 0, 1]]], dtype=np.uint8)
    >>> surrounding_fraction(labels, (1, 2, 1), np.array([1]), (1, 1)).tolist()
    [0.3333333432674408]
    """
    _, fy, fx = factor
    row, column = np.divmod(blocks, slab.shape[2] // fx)
    result = np.empty(len(blocks), dtype=np.float32)
    for rows in strips(slab, factor):
        here = slice(*np.searchsorted(row, (rows.start, rows.stop)))
        if here.start < here.stop:
            fine = slice(rows.start * fy, rows.stop * fy)
            corners = row[here] - rows.start, column[here] * fx
            result[here] = _weighted_fraction(slab, fine, factor, corners, weights)
    return result


def _weighted_fraction(slab, rows, factor, corners, weights):
    """Ice fraction around blocks of some rows, given their coarse rows and fine columns."""
    ice, inside = read_voxels(_with_margin(slab, rows, len(weights) - 1))
    taps = [_taps(f, weights) for f in factor[1:]]
    ice = _sum_around(ice, taps, factor[1], corners)
    if inside is None:
        return ice / np.float32(len(slab) * sum(taps[0]) * sum(taps[1]))
    n_inside = _sum_around(inside, taps, factor[1], corners)
    return ice / np.maximum(n_inside, np.float32(1))


def _with_margin(slab, rows, reach):
    """Some rows of a slab with `reach` voxels more on every side, outside beyond the picture."""
    low, high = rows.start - reach, rows.stop + reach
    part = slab[:, max(0, low) : high]
    beyond = max(0, -low), high - max(0, low) - part.shape[1]
    void = np.nan if slab.dtype.kind == "f" else OUTSIDE
    return np.pad(part, [(0, 0), beyond, (reach, reach)], constant_values=void)


def _taps(factor, weights):
    """Weights across a block and its margins.

    Examples
    --------
    >>> _taps(2, (7, 4, 1))
    [1, 4, 7, 7, 4, 1]
    """
    return [*weights[:0:-1], *[weights[0]] * factor, *weights[1:]]


def _sum_around(values, taps, factor, corners):
    """Weighted sums of values of shape (fz, n_rows, n_columns) with margins, block by block."""
    along_y, along_x = taps
    rows = _sum_rows(values, along_y, factor)
    row, column = corners
    first = row * rows.shape[1] + column
    total = np.zeros(len(first), dtype=_type_for(values, sum(along_y) * sum(along_x)))
    for step, weight in enumerate(along_x):
        found = rows.ravel().take(first + step)
        total += np.multiply(found, weight, dtype=total.dtype)
    return total


def _sum_rows(values, taps, factor):
    """Weighted sums of planes and rows, for every coarse row; equal weights are added first."""
    dtype = _type_for(values, sum(taps))
    plane = values.sum(axis=0, dtype=dtype)
    n_rows = (len(plane) - len(taps)) // factor + 1
    total = np.zeros((n_rows, plane.shape[1]), dtype=dtype)
    for weight in set(taps):
        first, *others = (
            plane[step::factor][:n_rows] for step, tap in enumerate(taps) if tap == weight
        )
        total += sum(others, start=first) * dtype.type(weight)
    return total


def _type_for(values, weight):
    """The smallest type that holds sums of values of shape (fz, ...) of that weight."""
    return (
        np.dtype(np.float32)
        if values.dtype.kind == "f"
        else np.min_scalar_type(len(values) * weight)
    )
