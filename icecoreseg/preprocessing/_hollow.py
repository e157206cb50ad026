"""What is within the casing, and whether that is nothing but air.

Its histogram has two levels, or three with the blur of the wall, as that of a scan with
ice has. The picture tells them apart: within the wall it is as dark as around it.
"""

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._casing import find_casing
from icecoreseg.preprocessing._reduce import occupancy, reduction_factor

_AIR = 0.2
_LEAST_ICE = 0.25
_LEAST_SHARE = 0.002
_AROUND = 1.3


def holds_only_air(slices, levels):
    """Whether all that is bright in the slices is a casing around air.

    Parameters
    ----------
    slices : iterable of arrays of shape (n_rows, n_columns)
    levels : tuple (dark, bright) of float
        Typical grey values on either side of the threshold that parts the scan best.

    Returns
    -------
    bool
        False as well where it cannot be told: no slice shows a casing and what is
        around it.
    """
    found = [_holds_air(occupancy(s, reduction_factor(s.shape), levels)) for s in slices]
    return any(found) and None not in found


def _holds_air(image):
    """True for air in a casing, False for no bright thing at all, None for anything else."""
    smooth = ndimage.uniform_filter(image, 3)
    casing = find_casing(image, smooth)
    if casing is None:
        return None if (smooth > _LEAST_ICE).mean() > _LEAST_SHARE else False
    distance = casing.distance(*np.ogrid[: image.shape[0], : image.shape[1]])
    inside = smooth[distance < casing.blur_radii[0]]
    around = smooth[distance > _AROUND * casing.inner]
    if inside.size == 0 or around.size == 0:
        return None
    alike = abs(np.median(inside) - np.median(around)) < _AIR
    return True if alike and (inside > _LEAST_ICE).mean() <= _LEAST_SHARE else None


def values_in_casing(slices, levels, stride):
    """Grey values of some pixels of the slices well within the casing.

    Parameters
    ----------
    slices : iterable of arrays of shape (n_rows, n_columns)
    levels : tuple (dark, bright) of float
        As for `holds_only_air`.
    stride : callable
        ``stride(shape)``: rows, and columns, from one of them to the next.

    Returns
    -------
    array of shape (n_values,)
        Empty where no slice shows a casing.
    """
    found = [np.empty(0)]
    for pixels in slices:
        factor = reduction_factor(pixels.shape)
        casing = find_casing(occupancy(pixels, factor, levels))
        if casing is not None:
            step = stride(pixels.shape)
            rows, columns = np.ogrid[: pixels.shape[0] : step, : pixels.shape[1] : step]
            distance = casing.distance((rows + 0.5) / factor - 0.5, (columns + 0.5) / factor - 0.5)
            found.append(pixels[::step, ::step][distance < casing.blur_radii[0]])
    return np.concatenate(found)
