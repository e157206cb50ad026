"""Roll a ball around the ice: what it cannot reach is specimen, and where it enters is broken.

Pores and breaks are both empty, but a break is open to the outside. A ball that is larger than
the pores rolls over them, and into breaks that are wider still (alpha shapes: Edelsbrunner,
Kirkpatrick and Seidel 1983, doi 10.1109/TIT.1983.1056714). How large pores are is seen at the
places furthest from ice all around: a pore has such a place, while in a break
one gets ever further from ice on the way out.
"""

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._cut import mask_within
from icecoreseg.preprocessing._fan import ANGLES
from icecoreseg.preprocessing._hull import hull_radii
from icecoreseg.preprocessing._polar import polar

_SIZE = 128  # longest edge at which the ball rolls
_BEYOND = 8  # the part of a picture by which a cut-out specimen is taken to go on
_LARGE = 0.95  # of the pores are smaller
_LARGER = 1.5
_MORE = 0.03  # of the specimen's radius
_LEAST = 9.0  # pixels of the picture of grains: less is no break for sure
_NEARLY = 0.995  # of the ice is all of it
_NEXT = 5  # pixels across in which a place furthest from ice stands alone


def roll_ball(grains):
    """What a ball that rolls around the ice cannot reach.

    Parameters
    ----------
    grains : bool array of shape (n_rows, n_columns)
        Pixels that hold ice; some do.

    Returns
    -------
    kept : bool array of shape (n_rows, n_columns)
        The grains of the largest part that is left.
    centre : tuple (row, column)
    radii : array of shape (N_ANGLES,)
        Of that part, about its centre of mass.
    ball : float
        Radius of the ball, in pixels.
    """
    block = -(-max(grains.shape) // _SIZE)
    ice = _shrink(grains, block)
    pad = max(ice.shape) // _BEYOND + 1
    ice = np.pad(ice, pad, mode="edge")
    away = ndimage.distance_transform_edt(~ice)
    ball = max(_ball(*_without_crumbs(ice, away)), _LEAST / block)
    ice, inside = _closed(ice, away, ball)
    centre = ndimage.center_of_mass(inside)
    radii = _radii(inside, centre)
    kept = ice[pad:-pad, pad:-pad].repeat(block, axis=0).repeat(block, axis=1)
    kept = kept[: grains.shape[0], : grains.shape[1]] & grains
    centre = tuple((place - pad + 0.5) * block - 0.5 for place in centre)
    return kept, centre, radii * block - (block - 1) / 2, ball * block


def _shrink(grains, block):
    """Blocks that hold a grain."""
    shape = [-(-edge // block) for edge in grains.shape]
    padded = np.zeros([block * edge for edge in shape], dtype=bool)
    padded[: grains.shape[0], : grains.shape[1]] = grains
    rows = padded.reshape(shape[0], block, -1).any(axis=1)
    return rows.reshape(shape[0], shape[1], block).any(axis=2)


def _without_crumbs(ice, away):
    """Ice, and how far away it is, less what is not connected to it, if that is next to nothing.

    A crumb in the mouth of a break would make two pores of it, where the ice shows few others.
    """
    labels, n_pieces = ndimage.label(ice, np.ones((3, 3)))
    sizes = np.bincount(labels[ice], minlength=1)
    if n_pieces < 2 or sizes.max() < _NEARLY * sizes.sum():
        return ice, away
    ice = labels == sizes.argmax()
    return ice, ndimage.distance_transform_edt(~ice)


def _ball(ice, away):
    """Radius of a ball larger than nearly all pores within the hull of the ice."""
    centre = ndimage.center_of_mass(ice)
    hull = hull_radii(ice, centre)
    within = mask_within(np.concatenate([centre, hull]), ice.shape)
    furthest = (away == ndimage.maximum_filter(away, _NEXT)) & (away > 0) & within
    labels, n_pores = ndimage.label(furthest, np.ones((3, 3)))
    if n_pores == 0:
        return 0.0
    pores = ndimage.maximum(away, labels, np.arange(1, n_pores + 1))
    return _LARGER * np.quantile(pores, _LARGE) + _MORE * hull.mean() + 1


def _closed(ice, away, ball):
    """The largest part that a ball from outside leaves: its ice, and all of it."""
    inside = _largest(~_reached(away, ball), ice)
    return ice & inside, inside


def _reached(away, ball):
    """Whatever a ball covers that comes from beyond the picture and meets no ice."""
    labels, _ = ndimage.label(np.pad(away > ball, 1, constant_values=True))
    places = (labels == labels[0, 0])[1:-1, 1:-1]
    if not places.any():
        return places
    return ndimage.distance_transform_edt(~places) <= ball


def _largest(inside, ice):
    """The connected part that holds most ice."""
    labels, n_parts = ndimage.label(inside)
    if n_parts < 2:
        return inside
    return labels == np.bincount(labels[ice & inside]).argmax()


def _radii(inside, centre):
    """Per angle, so that the area is that of the part."""
    rows, columns = np.nonzero(inside)
    reach = np.hypot(rows - centre[0], columns - centre[1]).max()
    radii = np.arange(0.5, reach + 2)
    there = np.nan_to_num(polar(inside.astype(np.float32), *centre, radii, ANGLES))
    return np.sqrt((2 * there * radii).sum(axis=1))
