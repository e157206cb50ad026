"""Anisotropy of the structure, from mean intercept lengths in thirteen directions."""

from typing import Any

import numpy as np

from icecoreseg._ice import slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_voxel_size
from icecoreseg.labels import AIR, ICE
from icecoreseg.microstructure._directions import direction_weights, step_vectors
from icecoreseg.microstructure._transitions import STEPS_3D
from icecoreseg.microstructure.density import fraction_of
from icecoreseg.microstructure.intercepts import crossing_rates


def intercept_tensor(y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE) -> dict[str, Any]:
    """Ellipsoid of mean intercept lengths: the fabric tensor of the structure.

    The lengths l(u) = 2 phi / P_L(u) of thirteen directions u are fitted by
    1 / l(u)^2 = u . M u; the semi-axes of the ellipsoid are 1 / sqrt(eigenvalues of M).

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    phase : {ICE, AIR}

    Returns
    -------
    dict
        ``lengths_mm``: the three semi-axes, longest first; ``axes``: array of shape (3, 3),
        one unit vector (z, y, x) per row; ``degree_of_anisotropy``: 1 - shortest / longest,
        0 for isotropic structures; ``vertical_over_horizontal``: intercept along the core
        over the geometric mean across it, above 1 where the structure is stretched upright;
        ``inclination_deg``: angle of the longest axis to the core axis, 0 to 90.

    Raises
    ------
    ValueError
        If there is no boundary along some direction.

    References
    ----------
    Harrigan, T. P. and Mann, R. W. (1984), J. Mater. Sci. 19, 761-767,
    doi:10.1007/BF00540446. In polar firn the anisotropy is largest in the upper metres
    (Hoerhold et al. 2009, J. Glaciol. 55, 625-630).

    Examples
    --------
    Balls stretched twofold along z:

    >>> import numpy as np
    >>> z, y, x = np.mgrid[-40:41, -24:25, -24:25]
    >>> tensor = intercept_tensor((z / 2) ** 2 + y**2 + x**2 < 15**2, voxel_size_um=50)
    >>> round(tensor["vertical_over_horizontal"], 1), round(tensor["inclination_deg"])
    (2.0, 0)
    """
    check_choice(phase, (AIR, ICE), name="phase")
    edges_um = check_voxel_size(voxel_size_um)
    rates = crossing_rates(y, edges_um)
    if not (rates > 0).all():
        raise ValueError("Some directions cross no ice surface: the intercepts have no ellipsoid.")
    ice = float(fraction_of(slice_amounts(y).sum(axis=0)))
    inverse_lengths = rates / (2 * (ice if phase == ICE else 1 - ice))
    units, _ = step_vectors(STEPS_3D, edges_um)
    tensor = fit_quadric(units, inverse_lengths**2, direction_weights(units))
    if np.linalg.eigvalsh(tensor)[0] <= 0:
        raise ValueError("The intercepts fit no ellipsoid: too few, or of too odd a structure.")
    return _describe(tensor)


def fit_quadric(units, values, weights):
    """Symmetric 3 x 3 matrix M with u . M u nearest to the values, by weighted least squares."""
    z, y, x = units.T
    design = np.column_stack([z * z, y * y, x * x, 2 * z * y, 2 * z * x, 2 * y * x])
    root = np.sqrt(weights)
    zz, yy, xx, zy, zx, yx = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0]
    return np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]])


def _describe(tensor):
    eigenvalues, vectors = np.linalg.eigh(tensor)  # ascending: the longest axis first
    lengths = 1 / np.sqrt(eigenvalues)
    along, across = 1 / np.sqrt(tensor[0, 0]), np.linalg.det(tensor[1:, 1:]) ** -0.25
    return {
        "lengths_mm": lengths,
        "axes": vectors.T,
        "degree_of_anisotropy": float(1 - lengths[-1] / lengths[0]),
        "vertical_over_horizontal": float(along / across),
        "inclination_deg": float(np.degrees(np.arccos(min(1.0, abs(vectors[0, 0]))))),
    }
