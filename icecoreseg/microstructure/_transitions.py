"""Counting where ice turns to air between neighbouring voxels.

All surfaces, boundary lengths and intercepts of this package come from one count: of the
pairs of voxels a step apart, how many hold ice on one side and air on the other. Only
pairs with **both voxels inside the specimen** are looked at, so neither the specimen's
outline nor the image frame can count as ice surface.

Voxels at the rim lack partners, so some surface is not seen. How much depends on where it
lies: none, if a ball of ice floats inside, and none if a bubble does; as much as of all
voxels, if the structure goes on across the rim. So the share that is lost is taken as the
geometric mean of the shares of ice voxels and of air voxels that lack a partner, which is
right in all three cases.
"""

import numpy as np

from icecoreseg._ice import as_labels
from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import is_lazy
from icecoreseg.labels import ICE, OUTSIDE
from icecoreseg.microstructure._bits import count_bits, pack_bits, shift_bits

BLOCK_VOXELS = 2**22
"""Voxels compared at a time: their bits stay in the cache."""

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


def neighbour_windows(shape, step):
    """Two tuples of slices: the voxels that have a neighbour one step away, and these.

    Parameters
    ----------
    shape, step : tuple of int, one per axis

    Examples
    --------
    >>> neighbour_windows((5, 9), (1, -2))
    ((slice(0, 4, None), slice(2, 9, None)), (slice(1, 5, None), slice(0, 7, None)))
    """
    near, far = [], []
    for n, offset in zip(shape, step, strict=True):
        near.append(slice(max(0, -offset), max(0, min(n, n - offset))))
        far.append(slice(max(0, offset), max(0, min(n, n + offset))))
    return tuple(near), tuple(far)


def neighbours(y, step):
    """Two views of an array that hold each voxel and its neighbour one step away.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = neighbours(np.arange(6).reshape(2, 3), (1, -1))
    >>> a.tolist(), b.tolist()
    ([[1, 2]], [[3, 4]])
    """
    near, far = neighbour_windows(y.shape, step)
    return y[near], y[far]


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


def count_transitions(y, steps, *, fresh=0, with_pairs=True):
    """Ice-air transitions, pairs, and ice in them, for voxels of an array a step apart.

    Counted on images of one bit per voxel: every direction is then a few logical operations
    on an eighth of the bytes.

    Parameters
    ----------
    y : uint8 array of shape (n_rows, n_columns) or (n_slices, n_rows, n_columns)
        Labels.
    steps : sequence of tuples of int, one per axis
        The first is not negative.
    fresh : int
        How many slices at the start were already counted among themselves.
    with_pairs : bool
        False leaves the pairs and their ice at 0, for those who need transitions only.

    Returns
    -------
    array of shape (n_steps, 3), int64
        Transitions; pairs with both voxels inside; ice voxels in these, each counted once
        for every pair.

    Examples
    --------
    >>> import numpy as np
    >>> count_transitions(np.array([[1, 1, 0, 255]], dtype=np.uint8), [(0, 1)]).tolist()
    [[1, 2, 3]]
    """
    counts = np.zeros((len(steps), 3), dtype=np.int64)
    thickness = max(1, BLOCK_VOXELS // max(1, y[0].size))
    reach = max(step[0] for step in steps) if len(steps) else 0
    for start in range(fresh, len(y), thickness):
        overlap = min(start, reach)
        block = y[start - overlap : start + thickness]
        counts += _count_block(block, steps, overlap, with_pairs)
    return counts


def _count_block(y, steps, overlap, with_pairs):
    """Rows as `count_transitions`; only pairs whose far voxel is beyond the overlap."""
    if y.max(initial=0) > ICE:
        sides, n_columns = _sides_with_outside(y, steps), None
    else:
        sides, n_columns = _sides_without_outside(y, steps), y.shape[-1]
    counts = []
    for step in steps:
        first = max(0, overlap - int(step[0]))
        window = (*step[:-1], 0)  # along the columns, one side is shifted already
        near, far = sides[abs(int(step[-1]))][:: 1 if step[-1] >= 0 else -1]
        near, far = ([part[first:] for part in side] for side in (near, far))
        near = [neighbours(part, window)[0] for part in near]
        far = [neighbours(part, window)[1] for part in far]
        if n_columns is None:
            counts.append(_count_inside(*near, *far, with_pairs))
            continue
        n_pairs = near[1].size * max(0, n_columns - abs(int(step[-1])))
        n_ice = int(near[1].sum() + far[1].sum())
        counts.append((count_bits(near[0] ^ far[0]), n_pairs, n_ice))
    return np.array(counts, dtype=np.int64)


def _count_inside(near, inside_near, far, inside_far, with_pairs):
    inside = inside_near & inside_far
    differ = count_bits((near ^ far) & inside)
    if not with_pairs:
        return differ, 0, 0
    return differ, count_bits(inside), count_bits(near & inside) + count_bits(far & inside)


def _sides_with_outside(y, steps):
    """For each shift along the columns: (ice, inside) of the voxels, and of those so far on."""
    near = pack_bits(y == ICE), pack_bits(y != OUTSIDE)
    return {s: (near, tuple(shift_bits(part, s) for part in near)) for s in _shifts(steps)}


def _sides_without_outside(y, steps):
    """For each shift: (ice, ice per row) of the voxels with a partner, and of these partners.

    All pairs count, so that their number and their ice need no look at every pair.
    """
    ice, along = pack_bits(y), {"axis": -1, "keepdims": True}
    per_row = np.einsum("...i->...", np.bitwise_count(ice).astype(np.int64))[..., np.newaxis]
    sides = {}
    for shift in _shifts(steps):
        n_kept = max(0, y.shape[-1] - shift)
        kept = pack_bits(np.broadcast_to(np.arange(y.shape[-1]) < n_kept, y.shape[-2:]))
        near = ice & kept if shift else ice, per_row - y[..., n_kept:].sum(dtype=np.int64, **along)
        far = shift_bits(ice, shift), per_row - y[..., :shift].sum(dtype=np.int64, **along)
        sides[shift] = near, far
    return sides


def _shifts(steps):
    return {abs(int(step[-1])) for step in steps}


def count_phases(y):
    """Ice voxels and voxels inside of a uint8 label array, as array of shape (2,)."""
    if y.max(initial=0) <= ICE:
        return np.array([np.count_nonzero(y), y.size])
    return np.array([np.count_nonzero(y == ICE), np.count_nonzero(y != OUTSIDE)])


def correct_for_rim(counts, phases):
    """Replace the pairs by those that would have seen all of the surface.

    Parameters
    ----------
    counts : array of shape (..., n_steps, 3)
        From `count_transitions`.
    phases : array of shape (..., 2)
        Ice voxels and voxels inside.

    Returns
    -------
    array of shape (..., n_steps, 2), float64
        Transitions, and pairs to divide them by; 0 pairs where nothing was seen.
    """
    counts = np.asarray(counts, dtype=float)
    ice, inside = (np.asarray(phases, dtype=float)[..., i, np.newaxis] for i in (0, 1))
    transitions, pairs, ice_seen = np.moveaxis(counts, -1, 0)
    ice_kept = _ratio(ice_seen, 2 * ice)
    air_kept = _ratio(2 * pairs - ice_seen, 2 * (inside - ice))
    lost = np.sqrt(np.clip(1 - ice_kept, 0, 1) * np.clip(1 - air_kept, 0, 1))
    effective = np.where(pairs > 0, inside * (1 - lost), 0)
    return np.stack([transitions, effective], axis=-1)


def _ratio(part, whole):
    return np.divide(part, whole, out=np.ones(np.broadcast(part, whole).shape), where=whole > 0)


def stack_transitions(y, steps=STEPS_3D):
    """Transitions and effective pairs of a whole stack, for steps of at most one slice.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels; numpy, or dask (then read slab by slab).
    steps : sequence of (z, y, x)

    Returns
    -------
    array of shape (n_steps, 2), float64
    """
    counts, phases = 0, 0
    for fresh, slab in overlapping_slabs(y):
        counts = counts + count_transitions(slab, steps, fresh=fresh)
        phases = phases + count_phases(slab[fresh:])
    return correct_for_rim(counts, phases)


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
