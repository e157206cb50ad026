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


def cover(planes, outside, margin):
    """Tiles that together hold the specimen in a slice, each voxel in one of them.

    Parameters
    ----------
    planes : sequence of arrays of shape (n_rows, n_columns)
        Grey levels of the slice, and of others that are looked at together with it.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.
    margin : (int, int)
        Rows and columns around a tile that are looked at together with it.

    Yields
    ------
    rows : slice
        A strip that is not all outside.
    runs : list of (slice, bool)
        Columns of its tiles from left to right, one next to the other, and whether nothing is
        outside there in any of the planes, nor in the margin.

    Examples
    --------
    >>> plane = np.zeros((2, 300))
    >>> plane[:, 50:250] = plane[0, 40] = 1
    >>> for rows, runs in cover([plane], 0, (0, 5)):
    ...     [(columns.start, columns.stop, whole) for columns, whole in runs]
    [(40, 55, False), (55, 245, True), (245, 250, False)]
    """
    for top in range(0, len(planes[0]), TILE[0]):
        rows = slice(top, min(top + TILE[0], len(planes[0])))
        some = np.flatnonzero(_inside(planes[0][rows], outside, np.any))
        if some.size:
            ends = int(some[0]), int(some[-1]) + 1
            inner = _inner(planes, outside, rows, ends, margin)
            yield rows, list(_tiles(sorted({*ends, *inner}), inner))


def _inner(planes, outside, rows, ends, margin):
    """First and last + 1 column of a strip between the rims, or nothing."""
    band = slice(rows.start - margin[0], rows.stop + margin[0])
    if band.start < 0 or band.stop > len(planes[0]):  # its margin is not all there
        return ()
    columns = slice(*ends)
    whole = [_inside(plane[band, columns], outside, np.all) for plane in planes]
    return _longest_run(np.logical_and.reduce(whole), ends[0], margin[1])


def _inside(part, outside, which):
    """Whether any or all of every column is inside."""
    if part.dtype.kind == "u" and outside == 0:  # in half of the time
        return (part.max(axis=0) if which is np.any else part.min(axis=0)) > 0
    return which(inside_mask(part, outside), axis=0)


def _longest_run(whole, first, margin):
    """Ends of the longest run of whole columns but for their margin; nothing if it is short."""
    edges = np.flatnonzero(np.diff(np.r_[False, whole, False].astype(np.int8)))
    starts, stops = edges[::2] + margin, edges[1::2] - margin
    if not edges.size or (stops - starts).max() < NARROWEST:
        return ()
    longest = np.argmax(stops - starts)
    return first + int(starts[longest]), first + int(stops[longest])


def _tiles(edges, inner):
    """Runs of columns between edges, none wider than a tile, and whether they are inner ones."""
    for ends in pairwise(edges):
        for start in range(*ends, TILE[1]):
            yield slice(start, min(start + TILE[1], ends[1])), ends == inner
