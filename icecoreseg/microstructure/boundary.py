"""Per slice: length of the ice-air boundary, and the 2-D specific surface area.

The boundary length of a digital slice is measured with Crofton's formula in four
directions, which is unbiased for isotropic structures; counting pixel edges is 27 % too
long, `skimage.measure.perimeter` 5 %. Of one straight line the error is -5 % (along an
axis) to +3 %.

In anisotropic firn, 2-D numbers of horizontal slices are not 3-D ones: structure that is
stretched twofold along the core gives a 2-D SSA about 20 % too high. Use
`specific_surface_area` where the slices form a volume.
"""

import numpy as np

from icecoreseg._ice import (
    DEFAULT_TEMPERATURE_C,
    as_labels,
    check_measured,
    choose_ice_density,
    slice_amounts,
)
from icecoreseg._slabs import iterate_slabs
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size
from icecoreseg.microstructure._directions import direction_weights, step_vectors
from icecoreseg.microstructure._transitions import (
    STEPS_2D,
    correct_for_rim,
    count_phases,
    count_transitions,
)
from icecoreseg.microstructure.density import fraction_of


def slice_transitions(y):
    """Transitions and effective pairs of every slice, in the four directions `STEPS_2D`.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their boundary lies at one half.

    Returns
    -------
    array of shape (n_slices, 4, 2), float64
        See `correct_for_rim`.
    """
    pairs = [
        correct_for_rim(count_transitions(labels, STEPS_2D), count_phases(labels))
        for labels in _label_images(y)
    ]
    return np.array(pairs)


def _label_images(y):
    """Yield the slices of a stack as uint8 labels."""
    for _, slab in iterate_slabs(check_measured(y)):
        for image in slab:
            yield as_labels(image)


def boundary_length(y: Stack, voxel_size_um: VoxelSize):
    """Length of the ice-air boundary in every slice, in mm (Crofton, four directions).

    L = (pi / 2) sum_d w_d N_d a_y a_x / h_d with N_d transitions between neighbours at
    distance h_d and weights w_d = 1/4 on square pixels. Outline and frame do not count.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their boundary lies at one half.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.

    Returns
    -------
    array of shape (n_slices,)

    References
    ----------
    Legland, D., Kieu, K. and Devaux, M.-F. (2007), doi:10.5566/ias.v26.p83-92.

    Examples
    --------
    A disc of 5 mm radius, whose true boundary is 31.4 mm long.

    >>> import numpy as np
    >>> z, y, x = np.mgrid[:1, -60:61, -60:61]
    >>> boundary_length(y**2 + x**2 < 50**2, voxel_size_um=100).round(1).tolist()
    [31.2]
    """
    edges_um = check_voxel_size(voxel_size_um)[1:]
    units, lengths = step_vectors(STEPS_2D, edges_um)
    pixel_mm2 = np.prod(edges_um) * 1e-6
    per_transition = np.pi / 2 * direction_weights(units) * pixel_mm2 / lengths
    counts = [
        count_transitions(labels, STEPS_2D, with_pairs=False)[:, 0] for labels in _label_images(y)
    ]
    return (np.array(counts) * per_transition).sum(axis=-1)


def perimeter_density(y: Stack, voxel_size_um: VoxelSize):
    """Boundary length per area of every slice, L_A in mm-1, free of edge effects.

    L_A = (pi / 2) sum_d w_d N_d / (M_d h_d), with M_d the pairs of neighbours in that
    direction: `boundary_length` over area, corrected for the boundary that the rim hides.

    Parameters
    ----------
    y, voxel_size_um
        As in `boundary_length`.

    Returns
    -------
    array of shape (n_slices,)
        NaN where a slice has no specimen.

    References
    ----------
    Underwood, E. E. (1970), Quantitative stereology.

    Examples
    --------
    Vertical stripes 4 voxels wide have one boundary every 4 voxels, here 4 mm. The four
    directions see straight lines along an axis 5 % too short (see above).

    >>> import numpy as np
    >>> y = np.ones((1, 401, 1), bool) & (np.arange(401) // 4 % 2 == 1)
    >>> perimeter_density(y, voxel_size_um=1000).round(3).tolist()
    [0.237]
    """
    return perimeter_density_of(slice_transitions(y), check_voxel_size(voxel_size_um))


def perimeter_density_of(transitions, voxel_size_um):
    """L_A in mm-1 from counts of shape (..., 4, 2)."""
    units, lengths = step_vectors(STEPS_2D, voxel_size_um[1:])
    return np.pi / 2 * (crossings_per_mm(transitions, lengths) * direction_weights(units)).sum(-1)


def crossings_per_mm(counts, lengths_mm):
    """P_L in mm-1 from transitions and pairs (..., n_steps, 2) and the lengths of the steps."""
    n_crossings, n_pairs = counts[..., 0], counts[..., 1]
    rates = np.full(n_pairs.shape, np.nan)
    return np.divide(n_crossings, n_pairs, out=rates, where=n_pairs > 0) / lengths_mm


def ssa_2d(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    unit: str = "mm1",
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
):
    """2-D specific surface area of every slice.

    Parameters
    ----------
    y, voxel_size_um
        As in `boundary_length`.
    unit : {"mm1", "m2_kg"}
        ``"mm1"``: boundary length over ice area, L_A / phi_i in mm-1. ``"m2_kg"``: its
        stereological form (4 / pi) L_A / (phi_i rho_i), which estimates the 3-D SSA of
        an isotropic structure.
    temperature_c, ice_density_kg_m3
        As in `density`; for ``"m2_kg"`` only.

    Returns
    -------
    array of shape (n_slices,)
        NaN where a slice has no ice.

    References
    ----------
    Underwood (1970); Matzl, M. and Schneebeli, M. (2006), J. Glaciol. 52, 558-564,
    doi:10.3189/172756506781828412. The paper (doi:10.1109/TGRS.2023.3334867) shows a
    2-D SSA without defining it.

    Examples
    --------
    >>> import numpy as np
    >>> z, y, x = np.mgrid[:1, -60:61, -60:61]
    >>> ssa_2d(y**2 + x**2 < 50**2, voxel_size_um=100).round(2).tolist()  # 2 / radius
    [0.4]
    """
    if unit not in ("mm1", "m2_kg"):
        raise ValueError(f"unit={unit!r} is not known; choose 'mm1' or 'm2_kg'.")
    length_density = perimeter_density(y, voxel_size_um)
    ice = fraction_of(slice_amounts(y))
    ice_density = choose_ice_density(temperature_c, ice_density_kg_m3)
    return ssa_2d_of(length_density, ice, None if unit == "mm1" else ice_density)


def ssa_2d_of(length_density, ice, ice_density_kg_m3=None):
    """L_A / phi_i in mm-1, or in m2 kg-1 if a density of ice is given; NaN without ice."""
    scale = 1.0 if ice_density_kg_m3 is None else 4 / np.pi * 1e3 / ice_density_kg_m3
    return scale * np.divide(length_density, ice, out=np.full(np.shape(ice), np.nan), where=ice > 0)
