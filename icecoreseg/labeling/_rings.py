"""Rings: the mark of a scanner, which a mixture takes for a phase where there is only one."""

import numpy as np

from icecoreseg._validation import inside_mask

GREATEST_RINGS = 0.3
"""Part of a slice's variance in rings from which on a phase may be nothing but rings."""

ROWS, COLUMNS = 96, 1024
"""Rows and columns of a slice that are looked at, at least."""


RIM = 3
"""Voxels along the rim of the specimen that do not count."""


def ring_share(values, outside=np.nan):
    """Part of the variance of a slice that rings about its middle explain, and no others.

    A reconstruction turns about the middle of its slices. Large pores lie on circles by chance,
    as well about any other point: what these explain is taken off.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
        Grey levels; a sample of them is looked at.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.

    Returns
    -------
    float
        At most 1; 0 where hardly anything is inside.

    Examples
    --------
    >>> rows, columns = np.mgrid[-40:41, -40:41]
    >>> noise = np.random.default_rng(0).normal(size=rows.shape)
    >>> radius = np.hypot(rows, columns)
    >>> noise[radius > 40] = np.nan
    >>> bool(ring_share(np.sin(radius) + noise / 2) > 0.5)
    True
    >>> bool(ring_share(noise) > 0.1)
    False
    """
    rows, columns, grey = _away_from_the_rim(values, outside)
    if grey.size < 64 or np.ptp(grey) == 0:
        return 0.0
    grey = grey - grey.mean()
    middle = (np.array(values.shape) - 1) / 2
    offsets = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1]]) * (middle / 4)
    shares = [_explained(np.hypot(rows - y, columns - x), grey) for y, x in middle + offsets]
    return float(shares[0] - np.mean(shares[1:]))


def _away_from_the_rim(values, outside):
    """Rows, columns and grey levels of a sample of voxels: blur makes the rim a ring of its own."""
    steps = [max(1, n // least) for n, least in zip(values.shape, (ROWS, COLUMNS), strict=True)]

    def shifted(down, right):
        moved = zip((down, right), values.shape, steps, strict=True)
        return values[tuple(slice(RIM + m, max(0, n - RIM + m), step) for m, n, step in moved)]

    around = [(0, 0), (RIM, 0), (-RIM, 0), (0, RIM), (0, -RIM)]
    inside = np.logical_and.reduce([inside_mask(shifted(*step), outside) for step in around])
    rows, columns = np.nonzero(inside)
    return rows * steps[0] + RIM, columns * steps[1] + RIM, shifted(0, 0)[inside].astype(float)


def _explained(radius, grey):
    """Part of the variance in the means of rings one voxel wide."""
    ring = np.rint(radius).astype(np.int32)
    count = np.maximum(np.bincount(ring), 1)
    return (np.bincount(ring, grey) ** 2 / count).sum() / (grey @ grey)
