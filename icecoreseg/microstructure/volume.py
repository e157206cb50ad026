"""The default set of 3-D numbers of one volume, family by family."""

from collections.abc import Sequence

import numpy as np

from icecoreseg._ice import (
    DEFAULT_TEMPERATURE_C,
    as_labels,
    check_measured,
    choose_ice_density,
    slice_amounts,
)
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size
from icecoreseg.labels import AIR, ICE
from icecoreseg.microstructure.anisotropy import intercept_tensor
from icecoreseg.microstructure.bubbles import bubble_number_density
from icecoreseg.microstructure.correlation import correlation_length
from icecoreseg.microstructure.density import fraction_of
from icecoreseg.microstructure.plausibility import warn_implausible_ssa
from icecoreseg.microstructure.pores import pore_closure
from icecoreseg.microstructure.surface import optical_diameter, surface_density
from icecoreseg.microstructure.thickness import structure_thickness
from icecoreseg.microstructure.topology import euler_density


def volume_metrics(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    families: Sequence[str] | None = None,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
):
    """All 3-D numbers of one volume: a slab of a core, or a sample.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside): amounts use the fractions, all else their
        surface at one half. A lazy stack is loaded.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    families : sequence of str, optional
        Of "amount", "surface", "intercept", "correlation", "topology", "pores", "bubbles"
        and "thickness"; default: all. The last takes most of the time.
    temperature_c, ice_density_kg_m3
        As in `density`.

    Returns
    -------
    dict of str to float
        amount: ``specimen_volume_mm3``, ``ice_fraction``, ``porosity``, ``density_kg_m3``,
        ``ice_mass_g``; surface: ``surface_density_mm1``, ``ssa_m2_kg``,
        ``optical_diameter_mm``, ``intercept_length_mm``, ``air_intercept_length_mm``,
        ``correlation_length_porod_mm``; intercept: ``degree_of_anisotropy``,
        ``vertical_over_horizontal``; correlation: ``correlation_length_exponential_mm``,
        and ``..._z_mm``; topology: ``euler_density_mm3``, ``connectivity_density_mm3``;
        pores: as `pore_closure`; bubbles: ``bubble_number_density_cm3``; thickness:
        ``thickness_mm``, ``thickness_std_mm`` of ice, ``air_thickness_mm``... Numbers that
        are not defined for the volume (one phase, one slice) are NaN.

    Warns
    -----
    UserWarning
        If SSA or bubble number density are implausible.

    Examples
    --------
    >>> import numpy as np
    >>> ball = (np.mgrid[-10:10, -10:10, -10:10] ** 2).sum(axis=0) < 64
    >>> metrics = volume_metrics(np.tile(~ball, (2, 2, 2)), 50, families=["amount", "pores"])
    >>> round(metrics["porosity"], 2), metrics["n_pores"], metrics["closed_to_total_ratio"]
    (0.26, 8, 1.0)
    """
    names = tuple(_FAMILIES) if families is None else tuple(families)
    unknown = [name for name in names if name not in _FAMILIES]
    if unknown:
        raise ValueError(f"families={unknown} are not known; choose from {tuple(_FAMILIES)}.")
    y = np.asarray(check_measured(y))
    edges_um = check_voxel_size(voxel_size_um)
    density = choose_ice_density(temperature_c, ice_density_kg_m3)
    amounts = slice_amounts(y).sum(axis=0)
    labels = as_labels(y)
    one_phase = not ((labels == ICE).any() and (labels == AIR).any())
    metrics = {}
    for name in names:
        metrics.update(_FAMILIES[name](labels, edges_um, density, amounts, one_phase))
    return metrics


def _amount(labels, edges_um, density, amounts, one_phase):
    ice = float(fraction_of(amounts))
    voxel_mm3 = np.prod(edges_um) * 1e-9
    return {
        "specimen_volume_mm3": float(amounts[1] * voxel_mm3),
        "ice_fraction": ice,
        "porosity": 1 - ice,
        "density_kg_m3": ice * density,
        "ice_mass_g": float(amounts[0] * voxel_mm3 * density * 1e-6),
    }


def _surface(labels, edges_um, density, amounts, one_phase):
    names = (
        "surface_density_mm1",
        "ssa_m2_kg",
        "optical_diameter_mm",
        "intercept_length_mm",
        "air_intercept_length_mm",
        "correlation_length_porod_mm",
    )
    if one_phase or min(labels.shape) < 2:
        return dict.fromkeys(names, np.nan)
    ice, surface = float(fraction_of(amounts)), surface_density(labels, edges_um)
    if not surface > 0:
        return dict.fromkeys(names, np.nan)
    ssa = 1e3 * surface / (ice * density)
    warn_implausible_ssa(ssa, where="the volume")
    diameter = optical_diameter(ssa, ice_density_kg_m3=density)
    lengths = [4 * share / surface for share in (ice, 1 - ice, ice * (1 - ice))]
    return dict(zip(names, (surface, ssa, diameter, *lengths), strict=True))


def _intercept(labels, edges_um, density, amounts, one_phase):
    names = ("degree_of_anisotropy", "vertical_over_horizontal")
    if one_phase or min(labels.shape) < 2:
        return dict.fromkeys(names, np.nan)
    try:
        tensor = intercept_tensor(labels, edges_um)
    except ValueError:  # some direction meets no surface: no ellipsoid
        return dict.fromkeys(names, np.nan)
    return {name: tensor[name] for name in names}


def _correlation(labels, edges_um, density, amounts, one_phase):
    names = ("correlation_length_exponential_mm", "correlation_length_exponential_z_mm")
    if one_phase:
        return dict.fromkeys(names, np.nan)
    z, y, x = (correlation_length(labels, edges_um, axis=axis) for axis in range(3))
    return dict(zip(names, (float(np.mean([z, y, x])), z), strict=True))


def _topology(labels, edges_um, density, amounts, one_phase):
    euler = euler_density(labels, edges_um)
    return {"euler_density_mm3": euler, "connectivity_density_mm3": -euler}


def _pores(labels, edges_um, density, amounts, one_phase):
    return pore_closure(labels)


def _bubbles(labels, edges_um, density, amounts, one_phase):
    return {"bubble_number_density_cm3": bubble_number_density(labels, edges_um)}


def _thickness(labels, edges_um, density, amounts, one_phase):
    names = ("thickness_mm", "thickness_std_mm", "air_thickness_mm", "air_thickness_std_mm")
    if one_phase or max(edges_um) > min(edges_um) * (1 + 1e-6):
        return dict.fromkeys(names, np.nan)
    values = []
    for phase in (ICE, AIR):
        thickness = structure_thickness(labels, edges_um, phase=phase)
        values += [thickness["mean_mm"], thickness["std_mm"]]
    return dict(zip(names, values, strict=True))


_FAMILIES = {
    "amount": _amount,
    "surface": _surface,
    "intercept": _intercept,
    "correlation": _correlation,
    "topology": _topology,
    "pores": _pores,
    "bubbles": _bubbles,
    "thickness": _thickness,
}
