"""The outline of the specimen: the closed line that parts tissue from emptiness best.

Snow is mostly air, so no threshold shows its outline. First comes the convex hull of all
ice, which a loose fragment does not widen and a pore at the rim does not dent. From
there the line may depart inwards: in polar coordinates it is a radius per angle, and the
best one holds as much ice and as little air as can be, which is the two-level model of
Chan and Vese (2001, doi 10.1109/83.902291): inside the mean ice fraction is f, outside
0, so that a pixel with ice fraction t speaks for the inside with ``t - f / 2``. It is
found exactly, by dynamic programming. Departing costs so much that the line does not
enter pores, but follows breaks that are much wider.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from icecoreseg.preprocessing._casing import find_casing
from icecoreseg.preprocessing._fan import ANGLES, N_ANGLES, Fan
from icecoreseg.preprocessing._hull import find_grains, hull_radii, largest_group, round_out

_COARSE_STEPS = 120
_BAND = 5.0
_FINE_STEPS = (0.2, 0.5)
_LEAST_TISSUE = 0.002
_LOOSE = 1.5  # pores between a fragment and the specimen


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
    grains = find_grains(smooth, casing)
    if _too_few(grains, casing):
        return NO_OUTLINE
    centre = ndimage.center_of_mass(grains)
    centre = _centroid(centre, hull_radii(grains, centre))
    hull = hull_radii(grains, centre)
    offsets = np.linspace(0, hull.max() + 3, _COARSE_STEPS)
    coarse = Fan(smooth, casing, centre, np.zeros(N_ANGLES), offsets, rays=2)
    pore = coarse.pore_length(coarse.fraction_within(hull), hull)
    hull = hull_radii(largest_group(grains, _LOOSE * pore + 2), centre)
    fraction = coarse.fraction_within(hull)
    pore = coarse.pore_length(fraction, hull)
    base = _within(casing, centre, round_out(hull, fraction, pore))
    radii = coarse.best_radii(fraction, pore, base)
    step = float(np.clip(radii.mean() / 400, *_FINE_STEPS))
    low, high = (radii - base).min() - _BAND, (radii - base).max() + _BAND
    fine = Fan(image, casing, centre, base, np.arange(low, high, step))
    return Outline(*centre, fine.best_radii(fraction, pore, base).astype(np.float32))


def _too_few(grains, casing):
    """Whether there is next to no ice, away from the blur of the wall."""
    rows, columns = np.nonzero(grains)
    if casing is not None:
        clear = casing.distance(rows, columns) < casing.blur_radii[0]
        rows = rows[clear]
    return rows.size < max(4, _LEAST_TISSUE * grains.size)


def _within(casing, centre, radii):
    """Radii cut off at the inner wall of the casing."""
    if casing is None:
        return radii
    rows, columns = centre[0] + radii * np.sin(ANGLES), centre[1] + radii * np.cos(ANGLES)
    return radii - np.maximum(casing.distance(rows, columns) - casing.inner, 0)


def _centroid(centre, radii):
    """Of the area within radii about a centre."""
    area, arm = (radii**2).sum(), radii**3 * 2 / 3
    return (
        centre[0] + (arm * np.sin(ANGLES)).sum() / area,
        centre[1] + (arm * np.cos(ANGLES)).sum() / area,
    )
