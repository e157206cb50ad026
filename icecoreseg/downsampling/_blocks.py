"""Counting ice in blocks of voxels, and deciding on labels, for slabs in memory.

A voxel's label becomes a number with a 1 in its low half if it is not air, and a 1 in
its high half if it is outside. So one sum over a block counts both, and for blocks of up to
15 voxels it is a sum of bytes. Rows are added first, because they are contiguous, and a few
at a time, so that they stay in cache.
"""

import math
from collections import defaultdict
from itertools import product

import numpy as np

from icecoreseg._validation import check_fraction_values, check_label_values
from icecoreseg.labels import ICE, OUTSIDE

STRIP_VOXELS = 2**20
"""Fine voxels that are worked on at a time."""

NEAR = 1e-5
"""Ice fractions that differ by less are equal: they were computed in different ways."""


def block_counts(slab, factor):
    """Yield the ice in every block of one coarse slice, some rows at a time.

    Parameters
    ----------
    slab : array of shape (fz, n_rows, n_columns)
        Labels, or ice fractions with NaN outside.
    factor : (int, int, int)
        Voxels per block along (z, y, x).

    Yields
    ------
    rows : slice
        Coarse rows.
    ice, inside : arrays of shape (number of rows, n_columns // fx)
        Sum of ice, and number of voxels inside.

    Raises
    ------
    ValueError
        If labels hold other values than AIR, ICE and OUTSIDE.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[[1, 1, 0, 255], [1, 0, 0, 255]]], dtype=np.uint8)
    >>> rows, ice, inside = next(block_counts(labels, (1, 2, 2)))
    >>> ice.tolist(), inside.tolist()
    ([[3, 0]], [[4, 2]])
    """
    count = _count_fractions if slab.dtype.kind == "f" else _count_labels
    n_rows = slab.shape[1] // factor[1]
    step = max(1, STRIP_VOXELS // (factor[0] * factor[1] * slab.shape[2]))
    for first in range(0, n_rows, step):
        rows = slice(first, min(n_rows, first + step))
        strip = slab[:, rows.start * factor[1] : rows.stop * factor[1]]
        yield rows, *count(strip, factor)


def _count_labels(strip, factor):
    size = math.prod(factor)
    half = next(bits for bits in (4, 8, 16) if size < 2**bits)
    total = _block_sum(_coded(strip, half), factor)
    outside = total >> half
    return (total & (2**half - 1)) - outside, size - outside


def _count_fractions(strip, factor):
    ice, inside = _read(check_fraction_values(strip, name="labels"))
    wide = inside.astype(np.min_scalar_type(math.prod(factor)))
    return _block_sum(ice, factor), _block_sum(wide, factor)


def _coded(strip, half):
    """Labels as numbers with a bit for "not air" and, `half` higher, one for "outside"."""
    if strip.dtype.itemsize > 1 or (strip.view(np.uint8) + np.uint8(1)).max() > 2:
        strip = check_label_values(strip, name="labels").astype(np.uint8)
    codes = strip.view(np.uint8)
    if half == 4:
        return codes & np.uint8(0x11)
    wide = codes.astype(f"u{half // 4}")
    return (wide & 1) | ((wide >> 7) << half)


def _block_sum(values, factor):
    """Sum over blocks of (fz, fy, fx): whole rows first, because they are contiguous."""
    rows = values[0, :: factor[1]].copy()
    for dz in range(factor[0]):
        for dy in range(factor[1]):
            if dz or dy:
                rows += values[dz, dy :: factor[1]]
    if factor[2] == 2 and rows.dtype == np.uint8:  # add both bytes of a 16-bit number
        pairs = rows.view(np.uint16)
        return (pairs + (pairs >> 8)).astype(np.uint8)
    total = rows[:, :: factor[2]].copy()
    for dx in range(1, factor[2]):
        total += rows[:, dx :: factor[2]]
    return total


def fractions(slab, factor):
    """Ice fraction of every block of one coarse slice, NaN where most of it is outside."""
    result = np.empty(_coarse_shape(slab, factor), dtype=np.float32)
    for rows, ice, inside in block_counts(slab, factor):
        result[rows] = ice / np.maximum(inside, np.float32(1))
        result[rows][_mostly_outside(inside, factor)] = np.nan
    return result


def decide(slab, factor, threshold):
    """Label of every block of one coarse slice, and where it is a tie.

    Parameters
    ----------
    slab : array of shape (fz, n_rows, n_columns)
        Labels or ice fractions.
    factor : (int, int, int)
        Voxels per block.
    threshold : float
        A block of a larger ice fraction is ice.

    Returns
    -------
    labels : array of shape (n_rows // fy, n_columns // fx), uint8
        AIR where there is a tie.
    tied : array of shape (n_tied,)
        Flat indices of the blocks whose ice fraction is the threshold.
    """
    labels = np.empty(_coarse_shape(slab, factor), dtype=np.uint8)
    tied = []
    for rows, ice, inside in block_counts(slab, factor):
        is_tied = _compare(ice, inside, threshold, math.prod(factor), labels[rows])
        outside = _mostly_outside(inside, factor)
        if outside.any():
            is_tied &= ~outside
            labels[rows][outside] = OUTSIDE
        tied.append(np.flatnonzero(is_tied) + rows.start * labels.shape[1])
    return labels, np.concatenate(tied)


def _compare(ice, inside, threshold, size, labels):
    """Write ICE where the fraction is above the threshold, else AIR; return where it is equal."""
    near = NEAR * size
    is_ice = labels.view(bool)  # AIR is 0, ICE is 1
    if ice.dtype.kind == "u" and inside.min() == size:
        limit = math.floor(threshold * size + near)
        np.greater(ice, limit, out=is_ice)
        return ice == (limit if limit >= threshold * size - near else size + 1)
    excess = ice - inside * np.float32(threshold)
    np.greater(excess, near, out=is_ice)
    return (excess >= -near) ^ is_ice


def surrounding_fraction(slab, factor, blocks, weights):
    """Ice fraction of blocks together with the voxels around them in their own slices.

    Parameters
    ----------
    slab, factor
        See `decide`.
    blocks : array of shape (n_blocks,)
        Flat indices into the coarse slice.
    weights : tuple of float
        What a voxel counts 0, 1, 2, ... voxels away from the block; along y times along x.

    Returns
    -------
    array of shape (n_blocks,), float32
    """
    blocks = np.unravel_index(blocks, _coarse_shape(slab, factor))
    corner = [index * f for index, f in zip(blocks, factor[1:], strict=True)]
    reach = len(weights) - 1
    edges = zip(corner, factor[1:], slab.shape[1:], strict=True)
    inner = [(index >= reach) & (index < edge - f - reach + 1) for index, f, edge in edges]
    inner = inner[0] & inner[1]
    if inner.all():
        return _sum_around(slab, factor, corner, weights)
    result = np.empty(len(inner), dtype=np.float32)
    result[inner] = _sum_around(slab, factor, [index[inner] for index in corner], weights)
    void = np.nan if slab.dtype.kind == "f" else OUTSIDE
    pad = [(0, 0), (reach, reach), (reach, reach)]
    near_edge = [index[~inner] + reach for index in corner]
    padded = np.pad(slab, pad, constant_values=void)
    result[~inner] = _sum_around(padded, factor, near_edge, weights)
    return result


def _sum_around(slab, factor, corner, weights):
    """Weighted ice fraction of blocks, given their first rows and columns, all within the slab."""
    row, column = corner
    ice = np.zeros(len(row), dtype=np.float32)
    inside = np.zeros(len(row), dtype=np.float32)
    first = row * slab.shape[2] + column
    for weight, steps in _steps_by_weight(factor, weights).items():
        count = np.min_scalar_type(len(slab) * len(steps))
        n_ice = np.zeros(len(row), dtype=np.float32 if slab.dtype.kind == "f" else count)
        n_inside = np.zeros(len(row), dtype=count)
        for plane, (dy, dx) in product(slab, steps):
            is_ice, is_inside = _read(plane.ravel().take(first + (dy * slab.shape[2] + dx)))
            n_ice += is_ice
            n_inside += is_inside
        ice += np.float32(weight) * n_ice
        inside += np.float32(weight) * n_inside
    return ice / inside


def _steps_by_weight(factor, weights):
    """Steps (dy, dx) from a block's first voxel to it and its surroundings, by their weight."""
    reach = len(weights) - 1
    steps = defaultdict(list)
    for step in product(*(range(-reach, f + reach) for f in factor[1:])):
        away = (max(-d, d - f + 1, 0) for d, f in zip(step, factor[1:], strict=True))
        steps[math.prod(weights[d] for d in away)].append(step)
    return steps


def _read(voxels):
    """(ice, inside) of labels, as bytes, or of fractions."""
    if voxels.dtype.kind == "f":
        inside = ~np.isnan(voxels)
        return np.where(inside, voxels, 0).astype(np.float32), inside.view(np.uint8)
    return (voxels == ICE).view(np.uint8), (voxels != OUTSIDE).view(np.uint8)


def _coarse_shape(slab, factor):
    return tuple(n // f for n, f in zip(slab.shape[1:], factor[1:], strict=True))


def _mostly_outside(inside, factor):
    return inside < -(-math.prod(factor) // 2)
