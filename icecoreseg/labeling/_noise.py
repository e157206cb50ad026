"""How much to smooth: as the noise of the scan asks for, and no more.

Smoothing takes noise away, and thin structures with it. White noise goes with little smoothing;
noise that is correlated between neighbours, as reconstruction leaves it, needs more. Both are
read off a few slices as they are.
"""

import numpy as np

from icecoreseg._validation import check_grey_values, inside_mask
from icecoreseg.labeling._quality import noise_share
from icecoreseg.labeling.histogram import slice_histogram
from icecoreseg.labeling.mixture import fit_mixture

N_SLICES = 8
LEAST, MOST, USUAL = 0.5, 1.25, 1.15
"""Standard deviations in voxels: the range, and what suits a stack that tells nothing."""

N_STRIPS, STRIP = 16, 64
"""Strips of rows of a slice in which neighbours are compared, and rows of each, at most."""


def check_smoothing(smoothing):
    """A parameter `smoothing` as three standard deviations (z, y, x), or None if it is "auto"."""
    if isinstance(smoothing, str) and smoothing == "auto":
        return None
    problem = f"smoothing must be 'auto', None or non-negative, got {smoothing!r}."
    try:
        given = np.asarray(0.0 if smoothing is None else smoothing, dtype=float)
        sigma = np.broadcast_to(given, (3,))
    except (TypeError, ValueError) as error:
        raise ValueError(problem) from error
    if not (np.isfinite(sigma).all() and (sigma >= 0).all()):
        raise ValueError(problem)
    return tuple(sigma.tolist())


def choose_smoothing(X, outside):
    """Standard deviation of the Gaussian that suits the noise of a stack.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack, numpy or dask; at most `N_SLICES` slices are looked at.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.

    Returns
    -------
    float
        ``0.5 + 1.1 n (1 + 3 (1 - w))`` with the noise n in contrasts and the white part w of
        it, between 0.5 and 1.25 and in steps of 0.05. The formula is empirical.

    Examples
    --------
    White noise of a tenth of the contrast, and the same noise blurred:

    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> rng = np.random.default_rng(0)
    >>> ice = rng.integers(0, 2, (4, 4, 4)).repeat(12, 1).repeat(12, 2)
    >>> white = rng.normal(size=ice.shape)
    >>> blurred = gaussian_filter(white, 1)
    >>> noises = white, blurred / blurred.std()
    >>> [choose_smoothing(40 + 60 * ice + 6 * noise, np.nan) for noise in noises]
    [0.6, 0.75]
    """
    numbers = np.unique(np.linspace(0, X.shape[0] - 1, N_SLICES + 2).astype(int)[1:-1])
    planes = (np.asarray(X[number]) for number in numbers)
    found = [noise for noise in (_noise(plane, outside) for plane in planes) if noise is not None]
    if not found:
        return USUAL
    noise, white = np.median(found, axis=0)
    sigma = LEAST + 1.1 * noise * (1 + 3 * max(0.0, 1 - white / noise))
    return float(np.clip(np.round(20 * sigma) / 20, LEAST, MOST).round(2))


def _noise(plane, outside):
    """(standard deviation of all noise, of that between neighbours) in contrasts, or None."""
    check_grey_values(plane, outside)
    inside = inside_mask(plane, outside)
    histogram = slice_histogram(plane[inside])
    if np.count_nonzero(histogram.counts) < 2:
        return None
    mixture = fit_mixture(histogram, tol=1e-6)
    variance = noise_share(histogram, mixture) * mixture.variances[0]
    white = _noise_between_neighbours(plane, inside)
    if white is None or variance <= 0:
        return None
    return np.array([variance**0.5, white]) / np.ptp(mixture.means)


def _noise_between_neighbours(plane, inside):
    """Standard deviation of white noise, from the Laplacian: edges are few, so the median holds."""
    laplacian = np.concatenate([_laplacian(plane[r], inside[r]) for r in _strips(inside)])
    if laplacian.size == 0:
        return None
    return np.median(np.abs(laplacian)) / 0.6745 / 20**0.5


def _strips(inside):
    """Rows of a slice that are looked at: evenly spread over those that hold specimen."""
    rows = np.flatnonzero(inside.any(axis=1))
    if len(rows) <= N_STRIPS * STRIP:
        return [slice(None)]
    starts = np.linspace(rows[0], rows[-1] + 1 - STRIP, N_STRIPS).astype(int).tolist()
    return [slice(start, start + STRIP) for start in starts]


def _laplacian(plane, inside):
    """Of all voxels whose neighbours are inside too."""
    here, cross = _cross(np.where(inside, plane, 0).astype(np.float32))
    sure, around = _cross(inside.astype(np.uint8))
    return (cross - 4 * here)[(sure == 1) & (around == 4)]


def _cross(plane):
    """(the plane without its border, the sum of the four neighbours)."""
    vertical = plane[2:, 1:-1] + plane[:-2, 1:-1]
    return plane[1:-1, 1:-1], vertical + plane[1:-1, 2:] + plane[1:-1, :-2]
