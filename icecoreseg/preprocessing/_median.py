"""Median of a voxel's neighbourhood within the slice, leaving out what is outside.

The 3 x 3 median of whole slices is a network of minima and maxima: columns of three
are ordered once and shared by their neighbours (Smith 1996, XAPP 057), which is tens
of times faster than scipy's median_filter and equal to it. Voxels at the rim, whose
neighbourhood is incomplete, are few and are done one by one.
"""

import numpy as np
from scipy import ndimage

_STRIP_ROWS = 64
"""Rows worked on at a time, so that the temporaries stay in the processor's cache."""


def median_inside(pixels, inside, size):
    """Median of the inside voxels among the size x size around each voxel of a slice.

    Parameters
    ----------
    pixels : array of shape (n_rows, n_columns)
    inside : bool array of shape (n_rows, n_columns)
        Beyond the picture is outside.
    size : int
        Odd.

    Returns
    -------
    array of shape (n_rows, n_columns)
        With the dtype of pixels; of an even number of neighbours the lower middle value.
        Without meaning where a voxel is outside.

    Examples
    --------
    >>> pixels = np.array([[1, 2, 200], [3, 4, 200], [9, 8, 200]], dtype=np.uint8)
    >>> median_inside(pixels, pixels < 200, 3)[:, :2]
    array([[2, 2],
           [3, 3],
           [4, 4]], dtype=uint8)
    """
    if size == 3:
        median = _median_of_nine(pixels)
    else:
        median = ndimage.median_filter(pixels, size)
    rows, columns = np.nonzero(inside & ~_complete(inside, size))
    median[rows, columns] = _median_one_by_one(pixels, inside, size, rows, columns)
    return median


def _complete(inside, size):
    """Where the whole neighbourhood is inside."""
    half = size // 2
    padded = np.pad(inside, half)
    rows = padded[: inside.shape[0]].copy()
    for shift in range(1, size):
        rows &= padded[shift : shift + inside.shape[0]]
    complete = rows[:, : inside.shape[1]].copy()
    for shift in range(1, size):
        complete &= rows[:, shift : shift + inside.shape[1]]
    return complete


def _median_one_by_one(pixels, inside, size, rows, columns):
    shifts = np.indices((size, size)).reshape(2, -1) - size // 2
    near = rows[:, np.newaxis] + shifts[0], columns[:, np.newaxis] + shifts[1]
    held = tuple(np.clip(at, 0, edge - 1) for at, edge in zip(near, pixels.shape, strict=True))
    known = inside[held] & (held[0] == near[0]) & (held[1] == near[1])
    ranked = np.sort(np.where(known, pixels[held].astype(np.float64), np.inf), axis=1)
    return ranked[np.arange(len(rows)), (known.sum(axis=1) - 1) // 2].astype(pixels.dtype)


def _median_of_nine(pixels):
    """3 x 3 median of all voxels but those of the picture's edge, which are copied."""
    median = pixels.copy()
    if min(pixels.shape) < 3:
        return median
    for start in range(1, pixels.shape[0] - 1, _STRIP_ROWS):
        stop = min(start + _STRIP_ROWS, pixels.shape[0] - 1)
        low, middle, high = _ordered(*(pixels[start + n : stop + n] for n in (-1, 0, 1)))
        lows = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
        highs = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
        middles = _middle(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])
        median[start:stop, 1:-1] = _middle(lows, middles, highs)
    return median


def _ordered(a, b, c):
    """Three arrays, put in order element by element."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    b, c = np.minimum(b, c), np.maximum(b, c)
    return np.minimum(a, b), np.maximum(a, b), c


def _middle(a, b, c):
    """Median of three arrays, element by element."""
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
