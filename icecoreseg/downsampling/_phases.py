"""Blocks of labels of which none is outside: their ice is counted in bytes, two at a time.

The same as `decide` of the same blocks, in two thirds of the time. Looking for other values takes a
sixth of that; sums could not show them, because OUTSIDE and ICE add up to AIR in a byte.
"""

import math

import numpy as np

from icecoreseg._memory import aligned
from icecoreseg.downsampling._planes import add_up
from icecoreseg.labels import ICE

STRIP_VOXELS = 2**20
"""Fine voxels that are worked on at a time: they and their sums stay in the second cache."""

MOST_VOXELS = 254
"""Voxels of a block whose ice, and one more, a byte can count."""


def label_phases(slab, factor, least, labels):
    """Label the blocks of one coarse slice, if its fine ones hold AIR and ICE only.

    Parameters
    ----------
    slab : array of shape (fz, n_rows, n_columns)
        Labels, or ice fractions.
    factor : (int, int, int)
        Voxels per block along (z, y, x).
    least : int
        Voxels of ice that make a block ICE.
    labels : array of shape (n_rows // fy, n_columns // fx), uint8
        The result.

    Returns
    -------
    bool
        Whether all is labelled. If not, the blocks are of another kind: not two columns wide,
        too large, no bytes, or with voxels outside.

    Examples
    --------
    >>> import numpy as np
    >>> slab = np.array([[[1, 1, 0, 0], [1, 0, 0, 1]]], dtype=np.uint8)
    >>> labels = np.empty((1, 2), dtype=np.uint8)
    >>> label_phases(slab, (1, 2, 2), 3, labels), labels.tolist()
    (True, [[1, 0]])
    >>> label_phases(255 * slab, (1, 2, 2), 3, labels)
    False
    """
    if factor[2] != 2 or math.prod(factor) > MOST_VOXELS or slab.dtype not in (np.bool, np.uint8):
        return False
    height, n_rows = factor[1], _rows_at_once(slab, factor)
    held, codes = aligned((n_rows, slab.shape[2]), np.uint8), slab.view(np.uint8)
    for first in range(0, len(labels), n_rows):
        some = labels[first : first + n_rows]
        part = codes[:, first * height : (first + n_rows) * height]
        if slab.dtype != bool and np.maximum.reduce(part, axis=None) > ICE:
            return False
        rows = [plane[row::height] for plane in part for row in range(height)]
        _compare(add_up(rows, held[: len(some)]), least, some.view(bool))
    return True


def _rows_at_once(slab, factor):
    """Coarse rows of a strip."""
    n_rows = STRIP_VOXELS // (factor[0] * factor[1] * slab.shape[2])
    return min(max(1, n_rows), slab.shape[1] // factor[1])


def _compare(sums, least, is_ice):
    """Write whether both bytes of a pair make up the least.

    Times 0x101, a number of 16 bits has their sum in its upper byte.
    """
    pairs = sums.view(np.uint16)
    pairs *= np.uint16(0x101)
    np.greater_equal(pairs, np.uint16(least << 8), out=is_ice)
