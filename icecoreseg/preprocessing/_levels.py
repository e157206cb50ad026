"""The grey levels of air and ice in a scan, from its histogram."""

import numpy as np
from skimage.filters import threshold_otsu

_LEAST_SEPARATION = 3.1
"""Gap between two classes, in standard deviations within them; one Gaussian has 2.65."""

_MOST_CASING = 0.15
"""Share of a picture that may be casing; a brighter class this small is suspected."""


def grey_levels(values, *, least=_LEAST_SEPARATION):
    """Grey levels of air and ice: medians of the two classes of Otsu's threshold.

    Where little air is in the picture, Otsu's threshold may part the casing from ice;
    then the dark class is parted once more.

    Parameters
    ----------
    values : array of shape (n_values,)
        Grey values from many slices of a scan.
    least : float
        Gap between two classes, in standard deviations within them; those less apart are one.

    Returns
    -------
    tuple (air, ice) of float, or None
        None where the values have one level only.

    Examples
    --------
    >>> grey_levels(np.array([20, 21, 22, 114, 115, 116]))
    (21.0, 115.0)
    >>> random = np.random.default_rng(0)
    >>> print(grey_levels(random.normal(22, 9, 5000)))
    None
    >>> ice_in_casing = random.normal(np.repeat([22, 112, 190], [40, 860, 100]), 5)
    >>> np.round(grey_levels(ice_in_casing), -1)
    array([ 20., 110.])
    """
    parts = _two_classes(values, least)
    if parts is None:
        return None
    if _may_be_casing(parts):
        parts = _two_classes(parts[0], least) or parts
    return _medians(parts)


def two_levels(values):
    """Medians of the values on either side of Otsu's threshold; None if they have one level.

    Parameters
    ----------
    values : array of shape (n_values,)
        None of them of a casing.

    Returns
    -------
    tuple (air, ice) of float, or None

    Examples
    --------
    >>> two_levels(np.repeat([22.0, 115.0], [95, 5]))
    (22.0, 115.0)
    """
    parts = _two_classes(values)
    return None if parts is None else _medians(parts)


def levels_with_casing(values):
    """Grey levels below and above Otsu's threshold, if the class above may be a casing.

    Parameters
    ----------
    values : array of shape (n_values,)

    Returns
    -------
    tuple (dark, bright) of float, or None
        None where the bright class is too large, or where there is one level only.

    Examples
    --------
    >>> levels_with_casing(np.repeat([22.0, 190.0], [90, 10]))
    (22.0, 190.0)
    >>> print(levels_with_casing(np.repeat([22.0, 115.0], [60, 40])))
    None
    """
    parts = _two_classes(values)
    return None if parts is None or not _may_be_casing(parts) else _medians(parts)


def _may_be_casing(parts):
    dark, bright = parts
    return bright.size <= _MOST_CASING * (dark.size + bright.size)


def _medians(parts):
    return tuple(float(np.median(part)) for part in parts)


def _two_classes(values, least=_LEAST_SEPARATION):
    """Finite values below and above Otsu's threshold, or None if that parts nothing."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if values.size == 0 or values.min() == values.max():
        return None
    threshold = threshold_otsu(values)
    if values.dtype.kind == "f":  # the middle of the last dark bin, of 256: take its end
        threshold += (values.max() - values.min()) / 512
    above = values > threshold
    dark, bright = values[~above], values[above]
    within = np.sqrt((dark.var() * dark.size + bright.var() * bright.size) / values.size)
    return (dark, bright) if bright.mean() - dark.mean() >= least * within else None
