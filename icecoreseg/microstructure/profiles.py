"""Depth profiles: 3-D numbers slab by slab along the core."""

from collections.abc import Sequence

import numpy as np

from icecoreseg._ice import DEFAULT_TEMPERATURE_C, check_measured
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size
from icecoreseg.microstructure._tables import make_table
from icecoreseg.microstructure.volume import volume_metrics

FAMILIES = ("amount", "surface", "intercept", "topology", "pores")


def depth_profile(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    slab_mm: float,
    step_mm: float | None = None,
    core: str = "",
    bag: str = "",
    depth_top_m: float = 0.0,
    families: Sequence[str] | None = FAMILIES,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
):
    """Running profile of 3-D numbers along the core.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside), top first. Lazy stacks are read slab by slab.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    slab_mm : float
        Thickness of a slab.
    step_mm : float, optional
        From one slab's top to the next; default `slab_mm`, smaller for overlapping slabs.
    core, bag : str or int
        Names, repeated in every row.
    depth_top_m : float
        Depth of the top of the stack, in metres.
    families : sequence of str
        Of `volume_metrics`.
    temperature_c, ice_density_kg_m3
        As in `density`.

    Returns
    -------
    table with one row per slab
        ``core``, ``bag``, ``depth_top_m``, ``depth_bottom_m``, ``z_mm`` (middle, from the
        stack's top), then the numbers of `volume_metrics`. A rest thinner than half a slab
        is left out.

    Raises
    ------
    ValueError
        If a slab or step is thinner than a slice, or no slab fits.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(40)[:, None, None] % 4 < np.ones((1, 8, 8)) * [1, 1, 1, 1, 3, 3, 3, 3]
    >>> profile = depth_profile(y, 500, slab_mm=10, depth_top_m=42.83, families=["amount"])
    >>> [round(float(top), 3) for top in profile["depth_top_m"]]
    [42.83, 42.84]
    >>> [float(ice) for ice in profile["ice_fraction"]]
    [0.5, 0.5]
    """
    y = check_measured(y)
    slice_mm = check_voxel_size(voxel_size_um)[0] * 1e-3
    rows = []
    for start, stop in _slabs(y.shape[0], slice_mm, slab_mm, step_mm or slab_mm):
        numbers = volume_metrics(
            np.asarray(y[start:stop]),
            voxel_size_um,
            families=families,
            temperature_c=temperature_c,
            ice_density_kg_m3=ice_density_kg_m3,
        )
        place = {
            "core": core,
            "bag": bag,
            "depth_top_m": depth_top_m + start * slice_mm * 1e-3,
            "depth_bottom_m": depth_top_m + stop * slice_mm * 1e-3,
            "z_mm": (start + stop) / 2 * slice_mm,
        }
        rows.append({**place, **numbers})
    return make_table({name: [row[name] for row in rows] for name in rows[0]})


def _slabs(n_slices, slice_mm, slab_mm, step_mm):
    """(start, stop) of the slabs, in slices; the edges are rounded, so that none drifts."""
    if min(slab_mm, step_mm) < slice_mm:
        raise ValueError(
            f"slab_mm={slab_mm!r} and step_mm={step_mm!r} must be at least one slice thick "
            f"({slice_mm:g} mm)."
        )
    slabs, i = [], 0
    while round(i * step_mm / slice_mm) < n_slices:
        start = round(i * step_mm / slice_mm)
        stop = min(round((i * step_mm + slab_mm) / slice_mm), n_slices)
        if stop - start >= slab_mm / slice_mm / 2:
            slabs.append((start, stop))
        i += 1
    if not slabs:
        raise ValueError(f"No slab of {slab_mm:g} mm fits a stack of {n_slices * slice_mm:g} mm.")
    return slabs
