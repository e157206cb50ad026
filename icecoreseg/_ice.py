"""How much ice: the density of ice, and the amount of it in every slice.

The lowest room of the physics: scores (mass error) and microstructure build on it.
"""

import warnings
from numbers import Real

import numpy as np

from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import (
    check_fraction_values,
    check_label_values,
    check_stack,
    check_voxel_size,
    is_lazy,
)
from icecoreseg.labels import ICE, OUTSIDE

TRIPLE_TEMPERATURE_K = 273.16
TRIPLE_PRESSURE_PA = 611.657
# Coefficients g01, t2 and r21 of IAPWS R10-06(2009), Table 2: all that the specific
# volume needs at atmospheric pressure, where the higher powers of (p - p0) vanish.
_G01 = 0.655022213658955
_T2 = 0.337315741065416 + 0.335449415919309j
_R21 = -0.557107698030123e-4 + 0.464578634580806e-4j

DEFAULT_TEMPERATURE_C = -15.0
"""Temperature of the cold laboratory that is assumed when none is said."""


BLOCK_VOXELS = 2**20
"""Voxels checked at a time, so that temporaries stay in the cache."""


def ice_density(temperature_c: float = DEFAULT_TEMPERATURE_C):
    """Density of pure ice Ih at atmospheric pressure (IAPWS-06).

    The inverse of the specific volume dg/dp, where g is the Gibbs function of ice.

    Parameters
    ----------
    temperature_c : float or array of any shape
        Temperature in degrees Celsius, between -273.15 and 0.01.

    Returns
    -------
    float or array of the same shape
        Density in kg m-3.

    Raises
    ------
    ValueError
        If a temperature is above the triple point or below absolute zero; a value
        near 250 is probably in kelvin.

    References
    ----------
    Feistel, R. and Wagner, W. (2006), J. Phys. Chem. Ref. Data 35, 1021-1047,
    doi:10.1063/1.2183324; IAPWS R10-06(2009).

    Examples
    --------
    >>> round(ice_density(-15), 2)
    918.87
    >>> ice_density([0, -50]).round(2).tolist()
    [916.72, 923.47]
    """
    kelvin = np.asarray(temperature_c, dtype=float) + 273.15
    if not ((kelvin >= 0) & (kelvin <= TRIPLE_TEMPERATURE_K)).all():
        raise ValueError(
            f"temperature_c={temperature_c!r} is not a temperature of ice in degrees Celsius; "
            "expected values between -273.15 and 0.01."
        )
    tau = kelvin / TRIPLE_TEMPERATURE_K
    plus, minus = _T2 + tau, _T2 - tau
    bracket = minus * np.log(minus) + plus * np.log(plus) - 2 * _T2 * np.log(_T2) - tau**2 / _T2
    volume = (_G01 + TRIPLE_TEMPERATURE_K * (_R21 * bracket).real) / TRIPLE_PRESSURE_PA
    density = 1 / volume
    return float(density) if density.ndim == 0 else density


def choose_ice_density(temperature_c, ice_density_kg_m3):
    """Return the density that the user gave, or else that of ice at the temperature.

    Raises
    ------
    ValueError
        If the given density is not a positive number.
    """
    if ice_density_kg_m3 is None:
        return ice_density(temperature_c)
    density = float(ice_density_kg_m3)
    if not (np.isfinite(density) and density > 0):
        raise ValueError(
            f"ice_density_kg_m3 must be a positive number (about 917), got {ice_density_kg_m3!r}."
        )
    return density


def ice_voxels(mass_g, voxel_size_um, *, n_voxels, temperature_c, ice_density_kg_m3):
    """A weighed mass in voxels of ice.

    Parameters
    ----------
    mass_g : float
        Mass in gram.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    n_voxels : int
        Voxels of the specimen: an upper bound.
    temperature_c, ice_density_kg_m3
        As in `choose_ice_density`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the mass is more than the specimen would weigh if it were all ice.

    Examples
    --------
    >>> ice = {"temperature_c": -15, "ice_density_kg_m3": 917}
    >>> round(ice_voxels(0.917, 100, n_voxels=2 * 10**6, **ice))
    1000000
    """
    volume_m3 = float(np.prod(check_voxel_size(voxel_size_um))) * 1e-18
    density = choose_ice_density(temperature_c, ice_density_kg_m3)
    n_ice = float(mass_g) * 1e-3 / (density * volume_m3)
    if n_ice > n_voxels:
        raise ValueError(
            f"weighed_mass_g={mass_g!r} is the mass of {n_ice:.0f} voxels of ice, but the specimen "
            f"has {n_voxels}. Check the mask, the unit and voxel_size_um."
        )
    return n_ice


def check_mass(mass_g, *, name="weighed_mass_g"):
    """Raise ValueError unless a mass is a positive number."""
    if isinstance(mass_g, bool) or not (isinstance(mass_g, Real) and 0 < mass_g < np.inf):
        raise ValueError(f"{name} must be a positive number, got {mass_g!r}.")


def check_measured(y, *, name="y"):
    """Return y as a stack of labels or fractions whose values are yet to be checked.

    Measuring looks at every value anyway, slice by slice: `as_labels` and
    `slice_amounts` check them there, in the cache, also for lazy stacks.
    """
    y = check_stack(y, name=name, kinds="ufib")
    if y.dtype.kind != "b":
        return y
    return y.astype(np.uint8) if is_lazy(y) else y.view(np.uint8)


def as_labels(y):
    """uint8 labels of a numpy array; fractions become ice where they are at least one half.

    Raises
    ------
    ValueError
        If a value is neither a label nor a fraction.
    """
    if y.dtype.kind == "f":
        check_fraction_values(y)
        return np.where(np.isnan(y), OUTSIDE, y >= 0.5).astype(np.uint8)
    if y.dtype != np.uint8 or y.max(initial=0) > ICE:
        flat = y.reshape(-1)
        for start in range(0, flat.size, BLOCK_VOXELS):
            check_label_values(flat[start : start + BLOCK_VOXELS])
    return y.astype(np.uint8, copy=False)


def slice_amounts(y):
    """Voxels of ice and voxels of the specimen in every slice.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside); numpy or dask, computed slab by slab.

    Returns
    -------
    array of shape (n_slices, 2), float64
        Ice (a sum of fractions, for fractions) and inside, in voxels.

    Examples
    --------
    >>> import numpy as np
    >>> slice_amounts(np.array([[[1, 1, 0, 255]]], dtype=np.uint8)).tolist()
    [[2.0, 3.0]]
    >>> slice_amounts(np.array([[[1, 0.5, 0, np.nan]]])).tolist()
    [[1.5, 3.0]]
    """
    y = check_measured(y)
    amounts = np.empty((y.shape[0], 2))
    for start, slab in iterate_slabs(y):
        for offset, image in enumerate(slab):
            amounts[start + offset] = _slice_amount(image)
    _warn_of_bytes_mask(y, *amounts.sum(axis=0))
    return amounts


def _warn_of_bytes_mask(y, ice, inside):
    """Masks on disk are often 0/255; read as labels, they hold no ice at all."""
    if y.dtype.kind != "f" and ice == 0 and 0 < inside < y.size:
        warnings.warn(
            "The labels hold AIR (0) and OUTSIDE (255), but no ICE (1). If this is a 0/255 mask "
            "of ice, pass `mask > 0`.",
            stacklevel=3,
        )


def _slice_amount(image):
    if image.dtype.kind == "f":
        check_fraction_values(image)
        return np.nansum(image, dtype=float), np.count_nonzero(~np.isnan(image))
    image = as_labels(image)
    ice = np.count_nonzero(image == ICE)
    return ice, image.size - np.count_nonzero(image == OUTSIDE)
