"""The mass of a segmentation against the balance: the one score that needs no labels."""

import numpy as np

from icecoreseg._ice import DEFAULT_TEMPERATURE_C, choose_ice_density, slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size


def mass_error(
    y: Stack,
    weighed_mass_g: float,
    *,
    voxel_size_um: VoxelSize,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
) -> float:
    """Relative error of the computed mass, in percent: 100 (computed - weighed) / weighed.

    Positive means that the segmentation holds too much ice. The paper's Table II does
    not say its sign; its text (tighter borders with +5.1 %) fits the opposite one.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside).
    weighed_mass_g : float
        Mass of the same piece of core on the balance, in gram.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    temperature_c : float
        Temperature of the ice, degrees Celsius; gives its density (IAPWS-06).
    ice_density_kg_m3 : float, optional
        Density of ice, instead of that at `temperature_c`.

    Returns
    -------
    float
        Percent.

    Raises
    ------
    ValueError
        If the weighed mass is not a positive number.

    References
    ----------
    Bagherzadeh et al. (2023), Table II, doi:10.1109/TGRS.2023.3334867.

    Examples
    --------
    A cube of 1 cm with 5 % too much ice:

    >>> import numpy as np
    >>> y = np.full((10, 10, 10), 0.84)
    >>> round(mass_error(y, 0.8 * 0.917, voxel_size_um=1000, ice_density_kg_m3=917), 6)
    5.0
    """
    weighed = float(weighed_mass_g)
    if not (np.isfinite(weighed) and weighed > 0):
        raise ValueError(f"weighed_mass_g must be a positive number, got {weighed_mass_g!r}.")
    density = choose_ice_density(temperature_c, ice_density_kg_m3)
    voxel_m3 = np.prod(check_voxel_size(voxel_size_um)) * 1e-18
    computed = slice_amounts(y)[:, 0].sum() * voxel_m3 * density * 1e3
    return float(100 * (computed - weighed) / weighed)
