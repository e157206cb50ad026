"""What a reduced slice shows of its specimen, in one byte a pixel, so that slices can be pooled.

A rim of snow is seen only where there is a grain. Neighbouring slices have their grains
elsewhere, but the same rim and the same breaks: together they show what none shows alone.
"""

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._cut import mask_within
from icecoreseg.preprocessing._hull import hull_radii

_LEVELS = 127
_LOW, _HIGH = -0.25, 1.25
_GRAIN = 128  # the bit above the levels
_JUT, _LEAST_JUT = 0.04, 3.0  # of the radius, and pixels
_ENOUGH = 4  # slices, from which on one alone is not believed


def pack(ice, grains):
    """Ice fraction in seven bits, and the eighth where there is a grain.

    Parameters
    ----------
    ice : float32 array of shape (n_rows, n_columns)
    grains : bool array of shape (n_rows, n_columns)

    Returns
    -------
    uint8 array of shape (n_rows, n_columns)
    """
    levels = np.clip((ice - _LOW) * (_LEVELS / (_HIGH - _LOW)) + 0.5, 0, _LEVELS)
    return levels.astype(np.uint8) | grains.view(np.uint8) << 7


def pool(views):
    """What alike slices show together.

    Parameters
    ----------
    views : list of uint8 arrays of shape (n_rows, n_columns)
        From `pack`.

    Returns
    -------
    ice : float32 array of shape (n_rows, n_columns)
        The value that half as many slices reach as there is ice: within the rim of snow a few
        do, within that of solid ice nearly all. Of many slices at least two must.
    grains : bool array of shape (n_rows, n_columns)
        Where any slice has a grain, but for what lies far outside of all that two slices have:
        that is a fault of one slice.

    Examples
    --------
    >>> slices = np.eye(4, dtype=bool)[:, np.newaxis]
    >>> pool([pack(one.astype(np.float32), one) for one in slices[:3]])[1]
    array([[ True,  True,  True, False]])
    """
    seen = _seen(views)
    levels = [view & _LEVELS for view in views]
    fraction = _as_ice(sum(levels, np.uint16(0))[seen].mean() / len(views)) if seen.any() else 0
    rank = max(2 if len(views) >= _ENOUGH else 1, round(len(views) * fraction / 2))
    return _as_ice(_highest(levels, rank)), seen


def _as_ice(levels):
    return levels * np.float32((_HIGH - _LOW) / _LEVELS) + np.float32(_LOW)


def _highest(images, rank):
    """Pixel by pixel the value of a rank, counted from the highest."""
    top = []
    for image in images:
        for place, other in enumerate(top):
            top[place], image = np.maximum(other, image), np.minimum(other, image)
        if len(top) < rank:
            top.append(image)
    return top[-1]


def _seen(views):
    """Where any slice has a grain, but far outside of all that two slices have."""
    once, twice = np.zeros((2, *views[0].shape), dtype=np.uint8)
    for view in views:
        twice |= once & view
        once |= view
    if len(views) < _ENOUGH or not (twice & _GRAIN).any():
        return once & _GRAIN > 0
    return (once & _GRAIN > 0) & _around(twice & _GRAIN > 0)


def _around(grains):
    """Within the hull of grains, widened by what more grains may add."""
    centre = ndimage.center_of_mass(grains)
    radii = hull_radii(grains, centre)
    outline = np.concatenate([centre, radii + max(_LEAST_JUT, _JUT * radii.mean())])
    return mask_within(outline, grains.shape)
