"""Deciding on the labels of blocks of voxels, from the ice that is counted in them."""

import math

import numpy as np

from icecoreseg.downsampling._counting import block_counts
from icecoreseg.labels import OUTSIDE

NEAR = 1e-5
"""Ice fractions that differ by less are equal: they were computed in different ways."""


def fractions(slab, factor):
    """Ice fraction of every block of one coarse slice, NaN where most of it is outside."""
    result = np.empty(_coarse_shape(slab, factor), dtype=np.float32)
    for rows, ice, inside in block_counts(slab, factor):
        result[rows] = ice / np.maximum(inside, np.float32(1))
        result[rows][_mostly_outside(inside, factor)] = np.nan
    return result


def decide(slab, factor, threshold, *, find_ties=True):
    """Label of every block of one coarse slice, and where it is a tie.

    Parameters
    ----------
    slab : array of shape (fz, n_rows, n_columns)
        Labels or ice fractions.
    factor : (int, int, int)
        Voxels per block.
    threshold : float
        A block of a larger ice fraction is ice.
    find_ties : bool
        Whether anybody asks for them.

    Returns
    -------
    labels : array of shape (n_rows // fy, n_columns // fx), uint8
        AIR where there is a tie.
    tied : array of shape (n_tied,)
        Flat indices, rising, of the blocks whose ice fraction is the threshold; empty if nobody
        asks.
    """
    labels = np.empty(_coarse_shape(slab, factor), dtype=np.uint8)
    tied = [np.empty(0, dtype=np.intp)]
    for rows, ice, inside in block_counts(slab, factor):
        outside = _mostly_outside(inside, factor)
        compare = _compare_fractions if ice.dtype.kind == "f" else _compare_counts
        ties = np.empty(ice.shape, dtype=bool) if find_ties else None
        compare(ice, inside, threshold, math.prod(factor), labels[rows], ties)
        if np.any(outside):
            labels[rows][outside] = OUTSIDE
        if find_ties:
            tied.append(np.flatnonzero(ties & ~np.asarray(outside)) + rows.start * labels.shape[1])
    return labels, np.concatenate(tied)


def _compare_counts(ice, inside, threshold, size, labels, ties):
    """Write ICE where the fraction is above the threshold, else AIR, and where it is equal.

    All blocks are taken to be inside, which is a comparison of whole numbers; the few that
    the outside cuts are looked at again.
    """
    near = NEAR * size
    limit = math.floor(threshold * size + near)
    np.greater(ice, limit, out=labels.view(bool))  # AIR is 0, ICE is 1
    if ties is not None:
        np.equal(ice, limit if limit >= threshold * size - near else size + 1, out=ties)
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


def _coarse_shape(slab, factor):
    return tuple(n // f for n, f in zip(slab.shape[1:], factor[1:], strict=True))


def _mostly_outside(inside, factor):
    """Where more than half of a block is outside; False if none is."""
    return inside < -(-math.prod(factor) // 2)
