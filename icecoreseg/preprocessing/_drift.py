"""Levels along the core: steady against single slices, free to drift and to step."""

import numpy as np

HALO = 4
"""Neighbours on either side that a slice's levels are held against."""

_DEPARTS = 4.0
_NORMAL_MAD = 0.6745


def along_z(levels, tolerance):
    """Each level as measured, unless it departs from its neighbours: then their median.

    A level departs by more than `tolerance` and more than four times what neighbours
    usually depart from their median (Hampel's identifier), so that drifts and steps are
    followed, but no single slice.

    Parameters
    ----------
    levels : array of shape (n_slices, n_levels)
        NaN where a level is not known.
    tolerance : float

    Returns
    -------
    array of shape (n_slices, n_levels)
        NaN where no slice of a window knows the level.

    Examples
    --------
    >>> drift = np.arange(9.0)[:, np.newaxis]
    >>> drift[6] = 99
    >>> along_z(drift, 1).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 7.0, 8.0]
    """
    padded = np.pad(levels, ((HALO, HALO), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * HALO + 1, axis=0)
    middle = _median(windows)
    usual = _median(np.abs(windows - middle[..., np.newaxis])) / _NORMAL_MAD
    departs = ~(np.abs(levels - middle) <= np.maximum(tolerance, _DEPARTS * usual))
    return np.where(departs, middle, levels)


def _median(windows):
    """Lower median over the last axis of what is not NaN."""
    n_known = np.isfinite(windows).sum(axis=-1, keepdims=True)
    place = np.maximum(n_known - 1, 0) // 2
    return np.take_along_axis(np.sort(windows, axis=-1), place, axis=-1)[..., 0]  # NaN is last


def complete(levels, trust, reference):
    """Both levels of each slice: what is not known, or hardly, moves with the other phase.

    Air is expected to be brighter or darker by the same factor as ice (by the same
    shift, where air is negative), and departs from that as far as its level is trusted.

    Parameters
    ----------
    levels : array of shape (n_slices, 2)
        Of air and ice; NaN where not known.
    trust : array of shape (n_slices,)
        In the level of air, from 0 to 1.
    reference : tuple (air, ice) of float
        Levels of the whole stack.

    Returns
    -------
    array of shape (n_slices, 2)
        The reference itself where neither is known.

    Examples
    --------
    >>> levels = np.array([[30, 120], [30, 120], [30, np.nan]])
    >>> complete(levels, np.array([1.0, 0.5, 1.0]), (20.0, 100.0)).tolist()
    [[30.0, 120.0], [27.0, 120.0], [30.0, 110.0]]
    """
    (air, ice), (low, high) = levels.T, reference
    expected = ice * (low / high) if 0 <= low < high else ice - (high - low)
    expected = np.where(np.isfinite(expected), expected, air)
    air = np.where(np.isfinite(air), expected + trust * (air - expected), expected)
    ice = np.where(np.isfinite(ice), ice, air + (high - low))
    return np.where(np.isfinite(ice)[:, np.newaxis], np.stack([air, ice], axis=1), reference)
