"""Outlines that stay steady along the core.

An outline is found slice by slice. Errors are mostly inward, into pores, and other
slices have pores elsewhere: the radii of alike neighbours are combined above their
median. A slice that stands alone among its nearest neighbours takes their outline.
"""

import numpy as np

HALO = 6
"""Neighbours on either side with which a slice is combined."""

_NEAREST = slice(HALO - 2, HALO + 3)
"""Those of them that can outvote a slice, and itself."""

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
    apart = np.abs(_about(windows, outlines[:, np.newaxis, :2]) - outlines[:, np.newaxis, 2:])
    limit = np.maximum(_LEAST_TOLERANCE * pixel, _TOLERANCE * outlines[:, 2:].mean(axis=1))
    alike = there & (apart.mean(axis=2) <= limit[:, np.newaxis])  # False against NaN
    found = there[:, HALO]
    against = (there & ~alike)[:, _NEAREST].sum(axis=1)
    borrowed = found & (against > alike[:, _NEAREST].sum(axis=1))
    nearest = np.zeros(2 * HALO + 1, dtype=bool)
    nearest[_NEAREST] = True
    chosen = np.where(borrowed[:, np.newaxis], there & ~alike & nearest, alike)
    combined = _combine(windows, chosen)
    combined[~found] = np.nan
    steps = found & there[:, HALO - 1] & ~alike[:, HALO - 1]
    changed = steps & ~borrowed & ~np.roll(borrowed, 1)
    return combined, borrowed, changed


def _about(outlines, centres):
    """Radii of outlines about other centres, to first order in the centres' shifts."""
    angles = np.linspace(0, 2 * np.pi, outlines.shape[-1] - 2, endpoint=False)
    shift = outlines[..., :2] - centres
    return outlines[..., 2:] + shift[..., :1] * np.sin(angles) + shift[..., 1:] * np.cos(angles)


def _windows(outlines):
    """Each slice with its neighbours: (n_slices, 2 HALO + 1, ...), NaN beyond the stack."""
    padded = np.pad(outlines, ((HALO, HALO), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * HALO + 1, axis=0)
    return np.moveaxis(windows, 2, 1)


def _combine(windows, chosen):
    """Of the chosen outlines: median centres, and about these the upper quartile of radii."""
    windows = np.where(chosen[:, :, np.newaxis], windows, np.nan)
    n_chosen = chosen.sum(axis=1)
    centres = _ranked(windows[..., :2], n_chosen, 0.5)
    radii = _ranked(_about(windows, centres[:, np.newaxis]), n_chosen, _HEIGHT)
    return np.concatenate([centres, radii], axis=1)


def _ranked(values, n_chosen, height):
    """Quantile over axis 1 of what is not NaN."""
    ranked = np.sort(values, axis=1)  # NaN comes last
    place = height * np.maximum(n_chosen - 1, 0)
    every, low = np.arange(len(ranked)), place.astype(np.intp)
    high = np.minimum(low + 1, np.maximum(n_chosen - 1, 0))
    part = (place - low)[:, np.newaxis]
    return (1 - part) * ranked[every, low] + part * ranked[every, high]
