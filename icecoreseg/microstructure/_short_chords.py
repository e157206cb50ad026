"""What pairs of neighbouring voxels miss: chords shorter than a step, extrapolated to none.

Neighbours a distance h apart see the crossings P(h) = P(0) (1 - b h - c h^2 ...) per
length of test line. A smooth surface has b = 0 and c small (1 / 12 r^2 for a ball of
radius r); where grains meet in sharp crevices, b is the density of chords that vanish
there, and pairs one voxel apart miss 6 % of the surface of overlapping balls 16 voxels
wide. Both follow from counts along the axes. Let "." be a pair of equal voxels and "|" a
transition. Pairs two voxels apart miss P(1) - P(2) = n("||") crossings per voxel, three
apart P(1) - P(3) = (2 / 3) n("at least two | of three"). Flat layers of three voxels and
more hold no such pattern, wherever the frame cuts them, so that nothing is added there.
"""

import numpy as np

from icecoreseg.labels import ICE, OUTSIDE
from icecoreseg.microstructure._bits import count_bits, pack_bits, shift_bits
from icecoreseg.microstructure._transitions import BLOCK_VOXELS, neighbours

REACH = 3
"""Voxels that a pattern spans beyond the first."""

_AXIS_STEPS = np.eye(3, dtype=int)


def count_short_chords(y, *, fresh=0):
    """Transitions along each axis, and how often they follow on one another.

    Parameters
    ----------
    y : uint8 array of shape (n_slices, n_rows, n_columns)
        Labels.
    fresh : int
        How many slices at the start were already counted among themselves.

    Returns
    -------
    array of shape (3, 3), int64
        For z, y, x: transitions; two in a row; at least two of three in a row. Patterns
        that reach out of the stack or the specimen do not count.

    Examples
    --------
    A grain of one voxel, and one of two:

    >>> import numpy as np
    >>> y = np.array([0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0], np.uint8).reshape(1, 1, 12)
    >>> count_short_chords(y)[2].tolist()
    [4, 1, 3]
    """
    counts = np.zeros((3, 3), dtype=np.int64)
    thickness = max(1, BLOCK_VOXELS // max(1, y[0].size))
    for start in range(fresh, len(y), thickness):
        overlap = min(start, REACH)
        ice, inside = _pack(y[start - overlap : start + thickness])
        for axis in range(3):
            counts[axis] += _count_patterns(ice, inside, axis, overlap)
    return counts


def unseen_rate(counts, rates, edges_mm, weights, lengths_mm):
    """P(0) - P(h), averaged over the directions of the test lines, in mm-1.

    Parameters
    ----------
    counts : array of shape (3, 3)
        From `count_short_chords`.
    rates, edges_mm : arrays of shape (3,)
        Crossings per length along z, y, x, and the voxel's edges.
    weights, lengths_mm : arrays of shape (n_steps,)
        Of all directions.
    """
    single, double, most = np.asarray(counts, dtype=float).T
    share = np.divide(rates, single, out=np.zeros(3), where=single > 0)
    to_two, to_three = share * double, share * most * 2 / 3
    square = (to_three - 2 * to_two) / 2
    linear = to_two - 3 * square
    slope, bend = np.mean(linear / edges_mm), np.mean(square / edges_mm**2)
    return slope * (weights @ lengths_mm) + bend * (weights @ lengths_mm**2)


def _pack(y):
    """Ice and inside; the latter as one slice that holds for all, where nothing is outside."""
    if y.max(initial=0) > ICE:
        return pack_bits(y == ICE), pack_bits(y != OUTSIDE)
    return pack_bits(y), pack_bits(np.ones((1, *y.shape[1:]), dtype=np.uint8))


def _count_patterns(ice, inside, axis, overlap):
    """One row of `count_short_chords`: patterns inside that end beyond the overlap."""
    near, far = _sides(ice, axis, 1)
    first = (near ^ far) & _both(inside, axis, 1)
    a, b = _in_a_row(first, axis, 2)
    double = a & b
    a, b, c = _in_a_row(first, axis, 3)
    most = ((a & (b | c)) | (b & c)) & _both(inside, axis, REACH)
    patterns = first, double, most
    starts = [max(0, overlap - 1 - k) if axis == 0 else overlap for k in range(3)]
    return [count_bits(p[start:]) for p, start in zip(patterns, starts, strict=True)]


def _sides(words, axis, step):
    if axis == 2:
        return words, shift_bits(words, step)
    return neighbours(words, step * _AXIS_STEPS[axis])


def _both(inside, axis, step):
    if axis == 0 and len(inside) == 1:
        return inside
    near, far = _sides(inside, axis, step)
    return near & far


def _in_a_row(words, axis, n):
    """As many arrays of one shape: the bits of each voxel, of the next along the axis..."""
    if axis == 2:
        return [shift_bits(words, k) for k in range(n)]
    size = max(0, words.shape[axis] - n + 1)
    return [words[(slice(None),) * axis + (slice(k, k + size),)] for k in range(n)]
