"""Deciding on the labels of blocks of voxels, from the ice that is counted in them."""

import math

import numpy as np

from icecoreseg.downsampling._counting import block_counts
from icecoreseg.downsampling._planes import iterate_planes

NEAR = 1e-5
"""Ice fractions that differ by less are equal: they were computed in different ways."""


def fractions(slab, factor):
    """Ice fraction of every block of one coarse slice, NaN where most of it is outside."""
    result = np.empty(coarse_shape(slab, factor), dtype=np.float32)
    for planes in iterate_planes(slab, factor):
        ice, inside = block_counts(planes)
        result[planes.rows] = ice / np.maximum(inside, np.float32(1))
        result[planes.rows][_mostly_outside(inside, factor)] = np.nan
    return result


def decide(planes, threshold, labels, *, find_ties=True):
    """Write the label of every block of some rows, and find those that are a tie.

    Parameters
    ----------
    planes : Planes
        Of labels or ice fractions.
    threshold : float
        A block of a larger ice fraction is ice.
    labels : array of shape (n_rows, n_columns), uint8
        The result; AIR where there is a tie.
    find_ties : bool
        Whether anybody asks for them.

    Returns
    -------
    tied : array of shape (n_tied,)
        Flat indices, rising, of the blocks whose ice fraction is the threshold; empty if nobody
        asks.
    """
    ice, inside = block_counts(planes)
    compare = _compare_fractions if ice.dtype.kind == "f" else _compare_counts
    ties = np.zeros(ice.shape, dtype=bool) if find_ties else None
    compare(ice, inside, threshold, math.prod(planes.factor), labels, ties)
    if np.ndim(inside):
        outside = _mostly_outside(inside, planes.factor)
        labels |= np.negative(outside.view(np.uint8))  # in OUTSIDE every bit is set
        ties = ties > outside if find_ties else None
    return np.flatnonzero(ties) if find_ties else np.empty(0, dtype=np.intp)


def _compare_counts(ice, inside, threshold, size, labels, ties):
    """Write ICE where the fraction is above the threshold, else AIR, and where it is equal.

    All blocks are taken to be inside, which is a comparison of whole numbers; the few that
    the outside cuts are looked at again.
    """
    least = least_ice(threshold, size)
    np.greater_equal(ice, least, out=labels.view(bool))  # AIR is 0, ICE is 1
    if ties is not None:
        is_tie = least_ice(threshold, size, ties_are_ice=True) < least
        np.equal(ice, least - 1 if is_tie else size + 1, out=ties)
    if np.ndim(inside):
        cut = np.flatnonzero((inside < size) & (inside > 0))
        few, few_ties = np.empty(len(cut), dtype=np.uint8), np.empty(len(cut), dtype=bool)
        some = ice.ravel()[cut], inside.ravel()[cut]
        _compare_fractions(*some, threshold, size, few, few_ties)
        labels.flat[cut] = few
        if ties is not None:
            ties.flat[cut] = few_ties


def _compare_fractions(ice, inside, threshold, size, labels, ties):
    """The same for any numbers of ice and inside."""
    near = NEAR * size
    excess = ice - inside * np.float32(threshold)
    np.greater(excess, near, out=labels.view(bool))
    if ties is not None:
        np.less_equal(np.abs(excess), near, out=ties)


def least_ice(threshold, size, *, ties_are_ice=False):
    """Voxels of ice that make a block ICE which is inside, of so many voxels.

    Examples
    --------
    >>> least_ice(0.5, 8), least_ice(0.5, 8, ties_are_ice=True), least_ice(0.5, 27)
    (5, 4, 14)
    """
    near = NEAR * size
    if ties_are_ice:
        return math.ceil(threshold * size - near)
    return math.floor(threshold * size + near) + 1


def coarse_shape(slab, factor):
    return tuple(n // f for n, f in zip(slab.shape[1:], factor[1:], strict=True))


def _mostly_outside(inside, factor):
    """Where more than half of a block is outside; False if none is."""
    return inside < -(-math.prod(factor) // 2)
