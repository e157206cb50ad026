"""Fragments in the gap: small pieces that lie further out than a specimen would leave empty.

Take a piece away that belongs to a specimen, and the hull of the rest is hardly smaller: in the
strip that was lost there were other grains, or it was smaller than pores are. A fragment
in the gap instead holds up a hull with next to no ice in it.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from icecoreseg.preprocessing._hull import row_ends

_EMPTY = 0.07  # of the area that a piece adds to the hull it fills itself, or it is a fragment
_PORES = 0.7  # that area, in discs as large as large pores
_CORNERS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])  # upper left, upper right, lower ones


def without_fragments(amount, pore):
    """What is left of the ice without fragments.

    Parameters
    ----------
    amount : array of shape (n_rows, n_columns)
        Area of ice in each pixel, in pixels.
    pore : float
        Radius of large pores, in pixels.

    Returns
    -------
    bool array of shape (n_rows, n_columns)

    Examples
    --------
    >>> disc = np.hypot(*np.mgrid[-20:21, -20:21]) < 12.5
    >>> scan = disc.copy()
    >>> scan[20, 38] = True
    >>> bool((without_fragments(scan.astype(float), pore=2) == disc).all())
    True
    """
    ice = amount > 0
    labels, n_pieces = ndimage.label(ice, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), weights=amount.ravel())
    sizes[sizes.argmax()] = np.inf  # the specimen itself
    loose = [n_pieces > 1]
    while any(loose):
        corners, pixels = _hull(ice)
        whole, owners = _area(corners), labels[pixels]
        pieces = np.unique(owners)
        at_most = whole - np.array([_area(corners[owners != piece]) for piece in pieces])
        pieces = pieces[_is_loose(sizes[pieces], at_most, pore)]
        added = [whole - _area(_hull(ice & (labels != piece))[0]) for piece in pieces]
        loose = _is_loose(sizes[pieces], np.array(added), pore)
        ice &= ~np.isin(labels, pieces[loose])
    return ice


def _is_loose(sizes, added, pore):
    """Whether pieces of some sizes add so much area to the hull that they are no part of it."""
    return (added > _PORES * np.pi * pore**2) & (sizes < _EMPTY * added)


def _hull(ice):
    """Corners of the convex hull of some pixels, in order, and the pixels at them."""
    rows, first, last = row_ends(ice)
    pixels = np.column_stack([np.tile(rows, 4), np.tile(np.concatenate([first, last]), 2)])
    points = pixels + np.repeat(_CORNERS, rows.size, axis=0)
    order = ConvexHull(points).vertices
    return points[order], tuple(pixels[order].T)


def _area(corners):
    """Area of a polygon."""
    rows, columns = np.concatenate([corners, corners[:1]]).T
    return abs(rows[:-1] @ columns[1:] - columns[:-1] @ rows[1:]) / 2
