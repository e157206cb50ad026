"""Computed against weighed mass: error, interface offset, uncertainty budget."""

from typing import Any

import numpy as np

from icecoreseg._ice import DEFAULT_TEMPERATURE_C, choose_ice_density, slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size
from icecoreseg.metrics import mass_error
from icecoreseg.microstructure.density import ice_mass
from icecoreseg.microstructure.surface import surface_density


def mass_budget(
    y: Stack,
    weighed_mass_g: float,
    voxel_size_um: VoxelSize,
    *,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
    voxel_size_error: float = 1e-3,
    ice_density_error: float = 5e-4,
    balance_error_g: float = 0.1,
    interface_error_voxels: float = 0.1,
) -> dict[str, Any]:
    """Compare the mass of a segmentation with the balance, and say how well one can.

    The relative variance of the comparison is (3 u_a)^2 + u_rho^2 + (u_m / m)^2 + u_seg^2,
    with u_seg the volume that lies within the uncertain offset of the ice surface, S u_d / V.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside), of all that was weighed.
    weighed_mass_g : float
        Mass on the balance, in gram.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    temperature_c, ice_density_kg_m3
        As in `density`.
    voxel_size_error, ice_density_error : float
        Relative standard uncertainties of the voxel edge and of the density of ice
        (5e-4 is the change of density over 5 degrees).
    balance_error_g : float
        Standard uncertainty of the balance.
    interface_error_voxels : float
        Standard uncertainty of where the segmentation puts the surface.

    Returns
    -------
    dict
        ``computed_mass_g``, ``weighed_mass_g``, ``mass_error_percent`` (100 (computed -
        weighed) / weighed); ``interface_offset_um`` and ``_voxels``: how far the whole
        surface would have to move to mend the error, positive where the ice was made too
        thick; ``u_voxel_size_percent``, ``u_ice_density_percent``, ``u_balance_percent``,
        ``u_segmentation_percent``, ``u_total_percent`` (one standard deviation).

    References
    ----------
    JCGM 100:2008, Guide to the expression of uncertainty in measurement; the balance of
    the method paper is good to 0.1 g, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    A cube of ice, cut one voxel too large on every side:

    >>> import numpy as np
    >>> y = np.zeros((60, 60, 60), np.uint8)
    >>> y[9:51, 9:51, 9:51] = 1
    >>> budget = mass_budget(y, 4.0**3 * 0.917, 1000, ice_density_kg_m3=917)
    >>> round(budget["mass_error_percent"], 1), round(budget["interface_offset_voxels"], 1)
    (15.8, 1.0)
    """
    density = choose_ice_density(temperature_c, ice_density_kg_m3)
    edges_um = check_voxel_size(voxel_size_um)
    error = mass_error(y, weighed_mass_g, voxel_size_um=edges_um, ice_density_kg_m3=density)
    computed = ice_mass(y, edges_um, ice_density_kg_m3=density)
    inside_mm3 = slice_amounts(y)[:, 1].sum() * np.prod(edges_um) * 1e-9
    surface_mm2 = surface_density(y, edges_um) * inside_mm3
    edge_um = float(np.prod(edges_um) ** (1 / 3))
    excess_mm3 = (computed - weighed_mass_g) / density * 1e6
    offset_um = 1e3 * excess_mm3 / surface_mm2 if surface_mm2 > 0 else np.nan
    moved_mm3 = surface_mm2 * interface_error_voxels * edge_um * 1e-3
    parts = {
        "u_voxel_size_percent": 300 * voxel_size_error,
        "u_ice_density_percent": 100 * ice_density_error,
        "u_balance_percent": 100 * balance_error_g / weighed_mass_g,
        "u_segmentation_percent": 100 * moved_mm3 * density * 1e-6 / weighed_mass_g,
    }
    return {
        "computed_mass_g": computed,
        "weighed_mass_g": float(weighed_mass_g),
        "mass_error_percent": error,
        "interface_offset_um": float(offset_um),
        "interface_offset_voxels": float(offset_um / edge_um),
        **{name: float(part) for name, part in parts.items()},
        "u_total_percent": float(np.linalg.norm(list(parts.values()))),
    }
