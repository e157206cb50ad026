"""Directions of test lines, their weights, and the density of surface behind the counts.

Test lines in direction u meet a surface of area density f and normal n in
P_L(u) = f |n . u| points per unit length. Averaged over all directions this is half the
surface density, S_V = 2 <P_L>, and in a plane L_A = (pi/2) <P_L> (Cauchy, Crofton;
Underwood 1970). On a voxel grid only a few directions are at hand, so the average is a
weighted sum whose weights are the shares of the sphere (or circle) nearest to each.
"""

import numpy as np
from scipy.spatial import SphericalVoronoi


def step_vectors(steps, voxel_size_um):
    """Unit vectors and lengths in mm of steps on the voxel grid.

    Parameters
    ----------
    steps : sequence of tuples, (z, y, x) or (y, x)
    voxel_size_um : sequence of float
        Voxel edges, as many as a step has components.

    Returns
    -------
    units : array of shape (n_steps, n_axes)
    lengths_mm : array of shape (n_steps,)
    """
    vectors = np.asarray(steps, dtype=float) * np.asarray(voxel_size_um) * 1e-3
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors / lengths[:, np.newaxis], lengths


def direction_weights(units):
    """Share of all directions that are nearest to each of these (and their opposites).

    Parameters
    ----------
    units : array of shape (n_steps, 2) or (n_steps, 3)

    Returns
    -------
    array of shape (n_steps,)
        Adds up to 1.

    References
    ----------
    Legland, D., Kieu, K. and Devaux, M.-F. (2007), Image Anal. Stereol. 26, 83-92,
    doi:10.5566/ias.v26.p83-92; Ohser and Muecklich (2000), Statistical analysis of
    microstructures in materials science.

    Examples
    --------
    The known weights of the three kinds of neighbours in a cubic grid:

    >>> from icecoreseg.microstructure._transitions import STEPS_3D
    >>> weights = direction_weights(step_vectors(STEPS_3D, (1, 1, 1))[0])
    >>> sorted(set((weights / 2).round(7).tolist()))
    [0.0351956, 0.0369806, 0.0457779]
    """
    if units.shape[1] == 2:
        return _circle_weights(units)
    areas = SphericalVoronoi(np.concatenate([units, -units])).calculate_areas()
    return areas[: len(units)] / (2 * np.pi)


def _circle_weights(units):
    angles = np.arctan2(units[:, 0], units[:, 1]) % np.pi
    order = np.argsort(angles)
    gaps = np.diff(angles[order], append=angles[order[0]] + np.pi)
    weights = np.empty(len(units))
    weights[order] = (gaps + np.roll(gaps, 1)) / (2 * np.pi)
    return weights
