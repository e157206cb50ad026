"""Counting where ice turns to air between neighbouring voxels.

All surfaces, boundary lengths and intercepts of this package come from one count: of the
pairs of voxels a step apart, how many hold ice on one side and air on the other. Only
pairs with **both voxels inside the specimen** are looked at, so neither the specimen's
outline nor the image frame can count as ice surface, and dividing by the number of such
pairs makes the densities free of edge effects.
"""

import numpy as np

from icecoreseg._ice import as_labels
from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import is_lazy
from icecoreseg.labels import ICE, OUTSIDE

BLOCK_VOXELS = 2**20
"""Voxels compared at a time: temporaries stay in the cache."""

STEPS_2D = ((0, 1), (1, 0), (1, 1), (1, -1))
"""The four neighbour directions (y, x) of a slice."""

STEPS_3D = tuple(
    (dz, dy, dx)
    for dz in (0, 1)
    for dy in (-1, 0, 1)
    for dx in (-1, 0, 1)
    if (dz, dy, dx) > (0, 0, 0)
)
"""The thirteen neighbour directions (z, y, x) of a volume."""


def neighbours(y, step):
    """Two views of an array that hold each voxel and its neighbour one step away.

    Parameters
    ----------
    y : array of any shape
    step : tuple of int, one per axis

    Examples
    --------
    >>> import numpy as np
    >>> a, b = neighbours(np.arange(6).reshape(2, 3), (1, -1))
    >>> a.tolist(), b.tolist()
    ([[1, 2]], [[3, 4]])
    """
    near, far = [], []
    for n, offset in zip(y.shape, step, strict=True):
        near.append(slice(max(0, -offset), max(0, min(n, n - offset))))
        far.append(slice(max(0, offset), max(0, min(n, n + offset))))
    return y[tuple(near)], y[tuple(far)]


def count_transitions(y, steps):
    """Ice-air transitions and pairs inside, of all voxels of an array a step apart.

    Parameters
    ----------
    y : uint8 array of any shape
        Labels.
    steps : sequence of tuples of int, one per axis

    Returns
    -------
    array of shape (n_steps, 2), int64
        Transitions and pairs.

    Examples
    --------
    >>> import numpy as np
    >>> count_transitions(np.array([[1, 1, 0, 255]], dtype=np.uint8), [(0, 1)]).tolist()
    [[1, 2]]
    """
    counts = np.zeros((len(steps), 2), dtype=np.int64)
    count_block = _count_block_with_void if y.max() > ICE else _count_full_block
    for i, step in enumerate(steps):
        for near, far in blocks(*neighbours(y, step)):
            counts[i] += count_block(near, far)
    return counts


def _count_full_block(near, far):
    return np.count_nonzero(near != far), near.size


def _count_block_with_void(near, far):
    # Among 0, 1 and 255 only ice and air differ by exactly the lowest bit.
    transitions = np.count_nonzero((near ^ far) == 1)
    return transitions, np.count_nonzero((near != OUTSIDE) & (far != OUTSIDE))


def blocks(near, far):
    """Cut two views of one shape into pieces of about `BLOCK_VOXELS`."""
    if near.size == 0:
        return
    layer = near[0].size
    if near.ndim > 2 and layer > BLOCK_VOXELS:
        for pair in zip(near, far, strict=True):
            yield from blocks(*pair)
        return
    step = max(1, BLOCK_VOXELS // layer)
    for start in range(0, len(near), step):
        yield near[start : start + step], far[start : start + step]


def stack_transitions(y, steps=STEPS_3D):
    """Transitions and pairs of a whole stack, for steps of at most one slice.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels; numpy, or dask (then read slab by slab).
    steps : sequence of (z, y, x)

    Returns
    -------
    array of shape (n_steps, 2), int64
    """
    slabs = overlapping_slabs(y)
    return sum(fresh_transitions(slab, fresh, steps) for fresh, slab in slabs)


def fresh_transitions(slab, fresh, steps=STEPS_3D):
    """Counts of a slab whose first `fresh` slices were already counted among themselves."""
    steps = np.asarray(steps)
    flat = steps[:, 0] == 0
    counts = np.zeros((len(steps), 2), dtype=np.int64)
    counts[flat] = count_transitions(slab[fresh:], steps[flat])
    counts[~flat] = count_transitions(slab, steps[~flat])
    return counts


def overlapping_slabs(y, overlap=1):
    """Yield (number of slices seen before, uint8 label slab); the whole, if it is in memory."""
    if not is_lazy(y):
        yield 0, as_labels(y)
        return
    joined = None
    for _, slab in iterate_slabs(y):
        slab = as_labels(slab)
        joined = slab if joined is None else np.concatenate([joined[-overlap:], slab])
        yield joined.shape[0] - slab.shape[0], joined
