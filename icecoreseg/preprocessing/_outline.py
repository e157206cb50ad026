"""The outline of the specimen: the closed line that parts tissue from emptiness best.

Snow is mostly air, so no threshold shows its outline. In polar coordinates the outline
is a radius per angle; the best one holds as much ice and as little air as can be, which
is the two-level model of Chan and Vese (2001, doi 10.1109/83.902291): inside the mean
ice fraction is f, outside 0, so that a pixel with ice fraction t speaks for the inside
with ``t - f / 2``. First the best ellipse is found, then the best deviation from it,
exactly, by dynamic programming. Deviating costs so much that the line does not enter
pores, but follows breaks that are much wider.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._casing import find_casing
from icecoreseg.preprocessing._fan import ANGLES, N_ANGLES, Fan

_COARSE_STEPS = 120
_BAND = 5.0
_FINE_STEPS = (0.2, 0.5)
_LEAST_TISSUE = 0.002


class Outline(NamedTuple):
    """Centre and radii in pixels of the reduced slice; all NaN where there is no ice."""

    row: float
    column: float
    radii: np.ndarray


NO_OUTLINE = Outline(np.nan, np.nan, np.full(N_ANGLES, np.nan))


def find_outline(image):
    """The outline of the specimen in one reduced slice.

    Parameters
    ----------
    image : float32 array of shape (n_rows, n_columns)
        On the scale of air 0 and ice 1; casing may be brighter.

    Returns
    -------
    Outline
    """
    casing = find_casing(image)
    smooth = ndimage.uniform_filter(image, 3)
    rows, columns = np.nonzero(_tissue(smooth, casing))
    if rows.size < max(4, _LEAST_TISSUE * image.size):
        return NO_OUTLINE
    centre = (rows.mean(), columns.mean()) if casing is None else (casing.row, casing.column)
    for _ in range(2):
        reach = np.hypot(rows - centre[0], columns - centre[1])
        offsets = np.linspace(0, reach.max() + 3, _COARSE_STEPS)
        coarse = Fan(smooth, casing, centre, np.zeros(N_ANGLES), offsets)
        radii = np.full(N_ANGLES, 0.9 * np.quantile(reach[:: 1 + reach.size // 4096], 0.9))
        fraction = coarse.fraction_within(radii)
        pore = coarse.pore_length(fraction, radii)
        base = coarse.best_ellipse(fraction, pore, radii)
        radii = coarse.best_radii(fraction, pore, base)
        middle = _centroid(centre, radii)
        if not coarse.shows_all or np.hypot(*np.subtract(middle, centre)) < 1:
            break  # a cut-out of a core has its middle elsewhere
        centre = middle
    fraction, pore = coarse.fraction_within(base), coarse.pore_length(fraction, base)
    step = float(np.clip(radii.mean() / 400, *_FINE_STEPS))
    low, high = (radii - base).min() - _BAND, (radii - base).max() + _BAND
    fine = Fan(image, casing, centre, base, np.arange(low, high, step))
    base = fine.best_ellipse(fraction, pore, base)
    return Outline(*centre, fine.best_radii(fraction, pore, base).astype(np.float32))


def _tissue(smooth, casing):
    """Pixels that hold ice for sure, within the casing."""
    tissue = smooth > 0.5
    if casing is not None:
        rows, columns = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
        tissue &= casing.distance(rows, columns) < casing.blur_radii[0]
    return tissue


def _centroid(centre, radii):
    """Of the area within radii about a centre."""
    area, arm = (radii**2).sum(), radii**3 * 2 / 3
    return (
        centre[0] + (arm * np.sin(ANGLES)).sum() / area,
        centre[1] + (arm * np.cos(ANGLES)).sum() / area,
    )
