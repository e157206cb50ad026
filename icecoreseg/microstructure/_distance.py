"""Exact squared Euclidean distances up to a bound, by small steps in small integers.

The squared distance is a sum over the axes, so each axis takes its turn: the minimum over
all k of g(x + k) + k^2. Since k^2 = 1 + 3 + ... + (2 k - 1), that minimum is built by
steps to the next voxel that cost 1, 3, 5..., as many as the bound (Huang and Mitchell
1994, IEEE Trans. Pattern Anal. Mach. Intell. 16, 443-448). All of it happens in bytes, in
the cache, as long as the bound is at most 15 voxels.
"""

import numpy as np

TILE_VOXELS = 2**19
BYTE_BOUND = 15


def bounded_squared_distance(sources, bound):
    """Squared distance in voxels to the nearest source, exact where it is at most bound^2.

    Parameters
    ----------
    sources : bool array of shape (n_slices, n_rows, n_columns)
    bound : int
        Largest distance of interest, in voxels.

    Returns
    -------
    uint8 or uint16 array of the same shape
        Values above ``bound ** 2`` mean "farther".

    Raises
    ------
    ValueError
        If the bound is above 250 voxels.

    Examples
    --------
    >>> import numpy as np
    >>> sources = np.zeros((1, 1, 6), bool)
    >>> sources[..., 0] = True
    >>> bounded_squared_distance(sources, 3).tolist()
    [[[0, 1, 4, 9, 10, 10]]]
    """
    if bound > 250:
        raise ValueError(f"Distances up to {bound} voxels do not fit 16 bits; the bound is 250.")
    dtype = np.uint8 if bound <= BYTE_BOUND else np.uint16
    far = dtype(bound**2 + 1)
    distance = np.where(sources, dtype(0), far)
    for axis in (2, 1, 0):
        for tile in _tiles(distance, axis):
            _relax(tile, axis, bound)
    return distance


def _tiles(volume, axis):
    """Views that are whole along one axis and small otherwise."""
    n_slices, n_rows, n_columns = volume.shape
    if axis == 0:
        step = max(1, TILE_VOXELS // (n_slices * n_columns))
        for start in range(0, n_rows, step):
            yield volume[:, start : start + step]
        return
    step = max(1, TILE_VOXELS // (n_rows * n_columns))
    for start in range(0, n_slices, step):
        yield volume[start : start + step]


def _relax(tile, axis, bound):
    """Let every voxel take what its neighbours along the axis offer, `bound` times."""
    lines = np.ascontiguousarray(np.moveaxis(tile, axis, 0))
    offer = np.empty_like(lines)
    for k in range(min(bound, len(lines) - 1)):
        np.minimum(lines[2:], lines[:-2], out=offer[1:-1])
        offer[0], offer[-1] = lines[1], lines[-2]
        offer += tile.dtype.type(2 * k + 1)
        np.minimum(lines, offer, out=lines)
    tile[...] = np.moveaxis(lines, 0, axis)
