"""Gaussian smoothing that knows where the specimen ends."""

import numpy as np
from scipy.ndimage import correlate1d


def smooth_inside(values, inside, sigma, *, truncate=2.0):
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
    truncate : float
        Half width of the kernel in standard deviations; it is at least one voxel.

    Returns
    -------
    array of the same shape, float32
        Smoothed inside; meaningless outside.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.full((1, 5, 5), 7.0)
    >>> values[:, 3:] = np.nan
    >>> smooth_inside(values, ~np.isnan(values), (0, 1, 1))[0, :3, 0].round(5).tolist()
    [7.0, 7.0, 7.0]
    """
    smoothed = np.where(inside, values, 0).astype(np.float32)
    weight = inside.astype(np.float32)
    for axis, width in enumerate(sigma):
        if width > 0:
            kernel = gaussian_kernel(width, truncate)
            smoothed = correlate1d(smoothed, kernel, axis=axis, mode="constant")
            weight = correlate1d(weight, kernel, axis=axis, mode="constant")
    return np.divide(smoothed, weight, out=smoothed, where=inside)


def gaussian_kernel(sigma, truncate):
    """Weights of a sampled Gaussian, summing to one, shape (2 * kernel_radius + 1,)."""
    radius = kernel_radius(sigma, truncate)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


def kernel_radius(sigma, truncate=2.0):
    """Half width of the kernel in voxels: how far the smoothing looks."""
    return max(1, round(truncate * sigma)) if sigma > 0 else 0
