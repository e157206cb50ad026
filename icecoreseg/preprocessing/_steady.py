"""Outlines that stay steady along the core.

An outline is found slice by slice. Errors are mostly inward, into pores, so the radii
of neighbouring slices are combined a little above their median; a slice that stands
alone among its neighbours takes theirs.
"""

import numpy as np

HALO = 2
"""Neighbours on either side that a slice is compared with."""

_TOLERANCE = 0.04
_LEAST_TOLERANCE = 3.0  # reduced pixels: a pore or two at the rim of snow in small pictures
_HEIGHT = 0.75


def steady(outlines, pixel=1.0):
    """Combine each outline with those of its neighbours.

    Parameters
    ----------
    outlines : array of shape (n_slices, 2 + n_angles)
        Row, column and radii; NaN where a slice holds no ice.
    pixel : float
        What a pixel of the reduced slices measures, in the units of the outlines.

    Returns
    -------
    steady : array of shape (n_slices, 2 + n_angles)
        NaN where the slice itself holds no ice.
    borrowed : bool array of shape (n_slices,)
        Whether a slice was outvoted: its outline is that of its neighbours.
    changed : bool array of shape (n_slices,)
        Whether the outline differs abruptly from that of the slice above, and stays so.

    Examples
    --------
    >>> outlines = np.full((6, 5), 40.0)
    >>> outlines[3] = 50
    >>> combined, borrowed, changed = steady(outlines)
    >>> combined[:, -1].tolist(), borrowed.nonzero()[0].tolist(), changed.any().tolist()
    ([40.0, 40.0, 40.0, 40.0, 40.0, 40.0], [3], False)
    """
    windows = _windows(outlines)
    there = np.isfinite(windows[:, :, 0])
    own = outlines[:, np.newaxis]
    apart = _distance(windows - own)
    limit = np.maximum(_LEAST_TOLERANCE * pixel, _TOLERANCE * outlines[:, 2:].mean(axis=1))
    alike = there & (apart <= limit[:, np.newaxis])  # False against NaN
    borrowed = (there & ~alike).sum(axis=1) > alike.sum(axis=1)
    found = there[:, HALO]
    borrowed &= found
    chosen = np.where(borrowed[:, np.newaxis], there & ~alike, alike)
    combined = _upper(np.where(chosen[:, :, np.newaxis], windows, np.nan), chosen.sum(axis=1))
    combined[~found] = np.nan
    steps = found & there[:, HALO - 1] & ~alike[:, HALO - 1]
    changed = steps & ~borrowed & ~np.roll(borrowed, 1)
    return combined, borrowed, changed


def _distance(difference):
    """Mean distance of two lines along the radii, from the difference of their outlines.

    A line has other radii about another centre: the centre's shift is part of its place.
    """
    angles = np.linspace(0, 2 * np.pi, difference.shape[-1] - 2, endpoint=False)
    shift = difference[..., :1] * np.sin(angles) + difference[..., 1:2] * np.cos(angles)
    return np.abs(difference[..., 2:] + shift).mean(axis=-1)


def _windows(outlines):
    """Each slice with its neighbours: (n_slices, 2 HALO + 1, ...), NaN beyond the stack."""
    padded = np.pad(outlines, ((HALO, HALO), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * HALO + 1, axis=0)
    return np.moveaxis(windows, 2, 1)


def _upper(windows, n_chosen):
    """The middle value of centres, and one above the middle of five radii."""
    ranked = np.sort(windows, axis=1)  # NaN comes last
    last = np.maximum(n_chosen - 1, 0)
    every = np.arange(len(ranked))
    combined = ranked[every, (_HEIGHT * last).astype(np.intp)]
    combined[:, :2] = (ranked[every, last // 2, :2] + ranked[every, (last + 1) // 2, :2]) / 2
    return combined
