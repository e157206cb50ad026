"""How much ice there is: fraction, porosity, density, mass.

These are the quantities that soft labels serve best: the mean of calibrated ice
fractions is less biased than the count of hard labels, because voxels that hold an
ice surface are neither ice nor air.
"""

import numpy as np

from icecoreseg._ice import (
    DEFAULT_TEMPERATURE_C,
    choose_ice_density,
    ice_density,
    slice_amounts,
)
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size

__all__ = ["density", "ice_density", "ice_fraction", "ice_mass", "porosity"]


def ice_fraction(y: Stack, *, per_slice: bool = False):
    """Volume of ice over volume of the specimen.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside).
    per_slice : bool
        One value per slice instead of one for the stack.

    Returns
    -------
    float or array of shape (n_slices,)
        Between 0 and 1; NaN where there is no specimen.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([[[1, 1, 0, 0]], [[1, 255, 255, 255]]], dtype=np.uint8)
    >>> ice_fraction(y), ice_fraction(y, per_slice=True).tolist()
    (0.6, [0.5, 1.0])
    """
    amounts = slice_amounts(y)
    if not per_slice:
        amounts = amounts.sum(axis=0)
    fraction = fraction_of(amounts)
    return fraction if per_slice else float(fraction)


def fraction_of(amounts):
    """Ice over inside, from an array of shape (..., 2) of amounts; NaN where nothing is inside."""
    ice, inside = amounts[..., 0], amounts[..., 1]
    return np.divide(ice, inside, out=np.full(np.shape(ice), np.nan), where=inside > 0)


def porosity(y: Stack, *, per_slice: bool = False):
    """Volume of air over volume of the specimen: 1 - `ice_fraction`.

    Parameters and NaN as in `ice_fraction`.

    Examples
    --------
    >>> import numpy as np
    >>> porosity(np.array([[[1, 1, 1, 0]]], dtype=np.uint8))
    0.25
    """
    return 1 - ice_fraction(y, per_slice=per_slice)


def density(
    y: Stack,
    *,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
    per_slice: bool = False,
):
    """Density of the specimen: ice fraction times density of ice; the air is left out.

    Air weighs 1.3 kg m-3 times the porosity: at most 0.3 % of the lightest snow.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside).
    temperature_c : float
        Temperature of the ice, degrees Celsius; gives its density (IAPWS-06).
    ice_density_kg_m3 : float, optional
        Density of ice, instead of that at `temperature_c`.
    per_slice : bool
        One value per slice instead of one for the stack.

    Returns
    -------
    float or array of shape (n_slices,)
        Density in kg m-3.

    References
    ----------
    Bagherzadeh et al. (2023), doi:10.1109/TGRS.2023.3334867; density of ice: `ice_density`.

    Examples
    --------
    >>> import numpy as np
    >>> density(np.array([[[1, 0, 0, 0]]], dtype=np.uint8), ice_density_kg_m3=917)
    229.25
    """
    fraction = ice_fraction(y, per_slice=per_slice)
    return fraction * choose_ice_density(temperature_c, ice_density_kg_m3)


def ice_mass(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
    per_slice: bool = False,
):
    """Mass of the ice in gram: ice voxels times voxel volume times density of ice.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside).
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    temperature_c, ice_density_kg_m3, per_slice
        As in `density`.

    Returns
    -------
    float or array of shape (n_slices,)
        Mass in gram.

    References
    ----------
    Bagherzadeh et al. (2023), doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    >>> import numpy as np
    >>> round(ice_mass(np.ones((10, 10, 10), np.uint8), 1000, ice_density_kg_m3=917), 6)
    0.917
    """
    ice = slice_amounts(y)[:, 0]
    volume_m3 = np.prod(check_voxel_size(voxel_size_um)) * 1e-18
    mass_g = ice * volume_m3 * choose_ice_density(temperature_c, ice_density_kg_m3) * 1e3
    return mass_g if per_slice else float(mass_g.sum())
