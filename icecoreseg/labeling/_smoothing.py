"""Smoothing that knows where the specimen ends, and gives back the edges it blurs.

A Gaussian takes the noise away and with it the small grains; an *unsharp mask* - adding
the difference to a wider Gaussian - raises what both the smoothing and the scanner's own
point spread have damped. Together they are a band-limited deconvolution, made of
nothing but Gaussians.
"""

from itertools import product

import numpy as np

TILE = 256
"""Edge of the squares that a slice is cut into, so that temporaries stay in cache."""


def smooth_inside(values, inside, sigma, *, sharpening=0.0, inner=None):
    """Normalised Gaussian smoothing: outside voxels have no weight.

    Smoothing an image whose outside was set to zero pulls the rim of the specimen
    towards black, a thin ring of false air. Here the smoothed values are divided by the
    smoothed mask, so that a constant specimen stays constant up to its rim.

    Parameters
    ----------
    values : array of shape (n_slices, n_rows, n_columns)
        Grey levels.
    inside : array of the same shape, bool
        True inside the specimen.
    sigma : (float, float, float)
        Standard deviations (z, y, x) in voxels; 0 leaves an axis alone.
    sharpening : float
        Weight a of the unsharp mask: ``(1 + a) G(sigma) - a G(2 sigma)``.
    inner : slice, optional
        The slices to smooth; the others are only their neighbours.

    Returns
    -------
    array of shape (number of inner slices, n_rows, n_columns), float32
        Smoothed inside; zero or meaningless outside.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.full((1, 5, 5), 7.0)
    >>> values[:, 3:] = np.nan
    >>> smooth_inside(values, ~np.isnan(values), (0, 1, 1))[0, :3, 0].round(5).tolist()
    [7.0, 7.0, 7.0]
    """
    first, stop, _ = (inner or slice(None)).indices(len(values))
    terms = [(1 + sharpening, [gaussian_kernel(s) for s in sigma])]
    if sharpening:
        terms.append((-sharpening, [gaussian_kernel(2 * s) for s in sigma]))
    margin = smoothing_reach(sigma, sharpening)
    smoothed = np.zeros((stop - first, *values.shape[1:]), dtype=np.float32)
    for row, column in product(*(range(0, edge, TILE) for edge in values.shape[1:])):
        target = smoothed[:, row : row + TILE, column : column + TILE]
        corner = (first, row, column)
        mask = _window(inside, corner, target.shape, margin)
        if mask[tuple(slice(m, m + n) for m, n in zip(margin, target.shape, strict=True))].any():
            grey = _window(values, corner, target.shape, margin)
            target[:] = _smooth_window(grey, mask, terms, margin)
    return smoothed


def smoothing_reach(sigma, sharpening):
    """How many voxels the smoothing looks beyond a voxel, along (z, y, x)."""
    return tuple(len(gaussian_kernel((2 if sharpening else 1) * s)) // 2 for s in sigma)


def gaussian_kernel(sigma):
    """Weights of a Gaussian cut off at two standard deviations, float32, sum one."""
    radius = max(1, round(2 * sigma)) if sigma > 0 else 0
    if radius == 0:
        return np.ones(1, dtype=np.float32)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def _window(stack, corner, shape, margin):
    """Part of a stack with a margin on all sides; zero (False) beyond the stack."""
    window = np.zeros([n + 2 * m for n, m in zip(shape, margin, strict=True)], dtype=stack.dtype)
    source, target = [], []
    for start, n, m, edge in zip(corner, shape, margin, stack.shape, strict=True):
        low, high = max(0, start - m), min(edge, start + n + m)
        source.append(slice(low, high))
        target.append(slice(low - start + m, high - start + m))
    window[tuple(target)] = stack[tuple(source)]
    return window


def _smooth_window(grey, mask, terms, margin):
    """Sum of weighted, normalised smoothings; the margin is cut away.

    Where the whole window lies inside, the smoothed mask is one number. It is computed in
    the same order of additions as the mask's, so that both ways agree to the last bit.
    """
    whole = mask.all()
    grey = np.where(mask, grey, 0).astype(np.float32, copy=False)
    weight = np.ones([2 * m + 1 for m in margin], np.float32) if whole else mask.astype(np.float32)
    total = 0
    for factor, kernels in terms:
        smoothed = _correlate(grey, kernels, margin)
        norm = _correlate(weight, kernels, margin)
        np.divide(smoothed, norm, out=smoothed, where=norm > 0)
        smoothed *= np.float32(factor)
        total = smoothed + total
    return total


def _correlate(block, kernels, margin):
    for axis in range(3):
        block = _correlate_axis(block, kernels[axis], margin[axis], axis)
    return block


def _correlate_axis(block, kernel, margin, axis):
    """Correlate with a symmetric kernel along an axis, which loses its margins."""
    n, radius = block.shape[axis] - 2 * margin, len(kernel) // 2

    def shifted(step):
        start = margin + step
        return block[(slice(None),) * axis + (slice(start, start + n),)]

    total = shifted(0) * kernel[radius]
    for step in range(1, radius + 1):
        pair = shifted(step) + shifted(-step)
        pair *= kernel[radius + step]
        total += pair
    return total
