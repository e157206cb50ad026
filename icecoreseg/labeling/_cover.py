"""Where in a slice the specimen lies, as tiles: the outside costs nothing, the rim little.

A core fills half of the picture of a scan. In a strip of rows it is a run of columns, all of whose
voxels are inside but for those at both ends: work that must know the mask is done there only.
"""

from itertools import pairwise

import numpy as np

from icecoreseg._validation import inside_mask

TILE = (128, 1024)
"""Rows and columns of a tile, at most: its sums stay near the cache, and other threads can
work beside calls of that length."""

NARROWEST = 128
"""Columns that are worth tiles of their own."""

SLACK = 12
"""Columns between the rim and what is taken for its inner side: filters look so far, and the rim
may be aslant."""


def cover(planes, outside):
    """Tiles that together hold the specimen in a slice, each voxel in one of them.

    Parameters
    ----------
    planes : sequence of arrays of shape (n_rows, n_columns)
        Grey levels of the slice, and of others that are looked at together with it: no tile but
        those at the rim has anything outside in any of them.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.

    Yields
    ------
    rows : slice
        A strip that is not all outside.
    runs : list of slice
        Columns of its tiles from left to right, one next to the other.

    Examples
    --------
    >>> plane = np.zeros((2, 300))
    >>> plane[:, 50:250] = plane[0, 40] = 1
    >>> for rows, runs in cover([plane], outside=0):
    ...     [(columns.start, columns.stop) for columns in runs]
    [(40, 62), (62, 238), (238, 250)]
    """
    for top in range(0, len(planes[0]), TILE[0]):
        rows = slice(top, min(top + TILE[0], len(planes[0])))
        inside = [inside_mask(plane[rows], outside) for plane in planes]
        some = np.flatnonzero(inside[0].any(axis=0))
        if some.size:
            first, last = int(some[0]), int(some[-1]) + 1
            whole = np.logical_and.reduce([part.all(axis=0) for part in inside])
            edges = sorted({first, *_longest_run(whole[first:last], first), last})
            yield rows, list(_cut(edges))


def _longest_run(whole, first):
    """Ends of the longest run of whole columns but for some `SLACK`; nothing if it is short."""
    edges = np.flatnonzero(np.diff(np.r_[False, whole, False].astype(np.int8)))
    starts, stops = edges[::2] + SLACK, edges[1::2] - SLACK
    if not edges.size or (stops - starts).max() < NARROWEST:
        return ()
    longest = np.argmax(stops - starts)
    return first + int(starts[longest]), first + int(stops[longest])


def _cut(edges):
    """Runs of columns between edges, none wider than a tile."""
    for first, last in pairwise(edges):
        for start in range(first, last, TILE[1]):
            yield slice(start, min(start + TILE[1], last))
