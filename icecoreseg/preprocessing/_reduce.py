"""Slices at reduced size, in units in which air is 0 and ice is 1."""

import numpy as np

REDUCED_SIZE = 512
"""Longest edge, in pixels, of the slices in which outlines are sought."""

_STRIP_ROWS = 16  # of blocks, whose sums stay in the processor's cache


def reduction_factor(shape):
    """Pixels of a slice per pixel of its reduced image, along each edge.

    Examples
    --------
    >>> reduction_factor((4096, 4096)), reduction_factor((192, 192)), reduction_factor((2, 4096))
    (8, 1, 2)
    """
    return min(-(-max(shape) // REDUCED_SIZE), *shape)


def block_mean(pixels, factor):
    """Mean over blocks of factor x factor pixels; what is left at the far edges is dropped.

    Integers are added as integers, whole rows first, which runs at memory speed.

    Parameters
    ----------
    pixels : array of shape (n_rows, n_columns)
    factor : int

    Returns
    -------
    float32 array of shape (n_rows // factor, n_columns // factor)

    Examples
    --------
    >>> block_mean(np.arange(8, dtype=np.uint8).reshape(2, 4), 2)
    array([[2.5, 4.5]], dtype=float32)
    """
    if factor == 1:
        return pixels.astype(np.float32)
    n_rows, n_columns = (edge // factor for edge in pixels.shape)
    mean = np.empty((n_rows, n_columns), dtype=np.float32)
    for first in range(0, n_rows, _STRIP_ROWS):
        strip = mean[first : first + _STRIP_ROWS]
        rows = pixels[first * factor : (first + len(strip)) * factor, : n_columns * factor]
        strip[...] = _block_sums(rows, factor) / factor**2
    return mean


def _block_sums(pixels, factor):
    wide = np.uint32 if pixels.dtype.kind == "u" else np.float64
    narrow = np.uint16 if pixels.dtype == np.uint8 and factor < 257 else wide
    rows = pixels.reshape(-1, factor, pixels.shape[1]).sum(axis=1, dtype=narrow)
    sums = rows[:, ::factor].astype(wide)
    for column in range(1, factor):
        sums += rows[:, column::factor]
    return sums


def occupancy(pixels, factor, levels):
    """Reduced slice on the scale of air 0 and ice 1, without NaN.

    NaN (what is outside already) counts as air. Values are kept within [-0.5, 3], so that
    no bright artefact outweighs the rest.
    """
    air, ice = levels
    scaled = (block_mean(pixels, factor) - air) / np.float32(ice - air)
    if pixels.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=0.0)
    return np.clip(scaled, -0.5, 3.0, out=scaled)
