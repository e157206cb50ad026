"""Counting the ice in blocks of voxels, for slabs in memory.

Labels are bytes of 0 and 1 as long as nothing is outside, and their sum over a block is the ice
in it. Where something is outside a label becomes a number with a 1 in its low half if it is
not air, and a 1 in its high half if it is outside, so that one sum counts both; for blocks of up
to 15 voxels that is a sum of bytes. Slices and rows are added first, because they are contiguous,
and a few at a time, so that they stay in cache: that nothing is outside is seen after the
first sum, when the labels are there.
"""

import math

import numpy as np

from icecoreseg._validation import check_fraction_values, check_label_values
from icecoreseg.labels import AIR, ICE, OUTSIDE

STRIP_VOXELS = 2**20
"""Fine voxels that are worked on at a time."""


def strips(slab, factor):
    """Yield slices of the coarse rows that are worked on at a time."""
    n_rows = slab.shape[1] // factor[1]
    step = max(1, STRIP_VOXELS // (factor[0] * factor[1] * max(1, slab.shape[2])))
    for first in range(0, n_rows, step):
        yield slice(first, min(n_rows, first + step))


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
    ice : array of shape (number of rows, n_columns // fx)
        Sum of ice.
    inside : array of the same shape, or int
        Number of voxels inside; one number if these are all.

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
    for rows in strips(slab, factor):
        yield rows, *count(slab[:, rows.start * factor[1] : rows.stop * factor[1]], factor)


def read_voxels(voxels):
    """(ice, inside) of labels, as bytes, or of fractions; inside is None if all voxels are."""
    if voxels.dtype.kind == "f":
        inside = ~np.isnan(voxels)
        return np.where(inside, voxels, 0).astype(np.float32), inside.view(np.uint8)
    if voxels.dtype == np.uint8 and voxels.max(initial=AIR) <= ICE:
        return voxels, None
    return (voxels == ICE).view(np.uint8), (voxels != OUTSIDE).view(np.uint8)


def _count_labels(strip, factor):
    size = math.prod(factor)
    if strip.dtype.itemsize > 1:
        strip = check_label_values(strip, name="labels").astype(np.uint8)
    codes = strip.view(np.uint8)
    total = _block_sum(codes, factor, np.min_scalar_type(size))
    if codes.max(initial=AIR) <= ICE:
        return total, size
    half = next(bits for bits in (4, 8, 16, 32) if size < 2**bits)
    total = _block_sum(_coded(codes, half), factor)
    outside = total >> half
    return (total & (2**half - 1)) - outside, size - outside


def _count_fractions(strip, factor):
    ice, inside = read_voxels(check_fraction_values(strip, name="labels"))
    wide = inside.astype(np.min_scalar_type(math.prod(factor)))
    return _block_sum(ice, factor), _block_sum(wide, factor)


def _coded(codes, half):
    """Labels as numbers with a bit for "not air" and, `half` higher, one for "outside"."""
    signed = codes.view(np.int8)  # in which OUTSIDE is -1
    if signed.max() > 1 or signed.min() < -1:
        check_label_values(codes, name="labels")
    if half == 4:
        return codes & np.uint8(0x11)
    wide = codes.astype(f"u{half // 4}")
    return (wide & 1) | ((wide >> 7) << half)


def _block_sum(values, factor, dtype=None):
    """Sum over blocks of (fz, fy, fx), in numbers of a dtype or of the values' own."""
    dtype = dtype or values.dtype
    planes = _sum(values, dtype)
    n_rows, n_columns = planes.shape[0] // factor[1], planes.shape[1]
    rows = _sum(planes.reshape(n_rows, factor[1], n_columns).swapaxes(0, 1), dtype)
    if factor[2] == 2 and rows.dtype == np.uint8:  # add both bytes of a 16-bit number
        pairs = rows.view(np.uint16)
        pairs *= np.uint16(0x101)
        return np.right_shift(pairs, 8, out=pairs)
    return _sum(np.moveaxis(rows.reshape(n_rows, -1, factor[2]), 2, 0), dtype)


def _sum(parts, dtype):
    """Sum of some arrays, one after the other: ``sum(axis=0)`` is many times slower."""
    if len(parts) == 1:
        return parts[0].astype(dtype, order="C")
    total = np.add(parts[0], parts[1], dtype=dtype, order="C")
    for part in parts[2:]:
        total += part
    return total
