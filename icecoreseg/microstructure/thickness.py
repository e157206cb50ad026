"""Local thickness: the largest ball that fits in a phase and covers the voxel."""

from typing import Any

import numpy as np

from icecoreseg._ice import as_labels, check_measured
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_voxel_size
from icecoreseg.labels import AIR, ICE
from icecoreseg.microstructure._distance import BYTE_BOUND, bounded_squared_distance


def local_thickness(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE, max_thickness_mm: float | None = None
):
    """Diameter of the largest ball in a phase that covers each voxel, in mm.

    The opening of the phase by balls of growing radius, in steps of half a voxel up to 8
    voxels and of 5 % above; the radius is counted from the middle of a voxel to that of the
    nearest of the other phase. Layers are found to one voxel (n or n + 1 voxels wide). Balls
    are 0.4 to 0.9 voxels too thin whatever their width, since the middle of the largest
    inscribed ball must be that of a voxel: 11 % at 8 voxels, 3 % at 32. The
    specimen's outline and the frame stop no ball, so that structures they cut look as thick
    as they can be.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half. Lazy stacks are loaded.
    voxel_size_um : float
        Edge of the cubic voxels in micrometres.
    phase : {ICE, AIR}
    max_thickness_mm : float, optional
        Thicker parts get this thickness; saves time where one phase is nearly all.

    Returns
    -------
    float32 array of shape (n_slices, n_rows, n_columns)
        NaN where the voxel is not of the phase. Features below about three voxels cannot
        be told apart: the smallest value is two voxels.

    Raises
    ------
    ValueError
        If the voxels are not cubic, or a ball would be wider than 500 voxels (give
        `max_thickness_mm`).

    References
    ----------
    Hildebrand, T. and Ruegsegger, P. (1997), J. Microsc. 185, 67-75,
    doi:10.1046/j.1365-2818.1997.1340694.x.

    Examples
    --------
    A layer 8 voxels thick:

    >>> import numpy as np
    >>> y = np.zeros((24, 32, 32), np.uint8)
    >>> y[8:16] = 1
    >>> thickness = local_thickness(y, voxel_size_um=100)
    >>> round(float(np.nanmean(thickness)), 2)
    0.8
    """
    check_choice(phase, (AIR, ICE), name="phase")
    edge_um = check_cubic(voxel_size_um)
    labels = as_labels(np.asarray(check_measured(y)))
    limit = None if max_thickness_mm is None else max_thickness_mm * 1e3 / edge_um / 2
    in_phase = labels == phase
    radii, grade = _open(in_phase, labels == AIR + ICE - phase, limit)
    diameters = np.asarray(2 * radii * edge_um * 1e-3, dtype=np.float32)
    return np.where(in_phase, diameters[grade], np.float32(np.nan))


def structure_thickness(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE, max_thickness_mm: float | None = None
) -> dict[str, Any]:
    """Mean and spread of the local thickness of one phase (St.Th of ice, St.Sp of air).

    Parameters
    ----------
    y, voxel_size_um, phase, max_thickness_mm
        As in `local_thickness`.

    Returns
    -------
    dict
        ``mean_mm``, ``std_mm``, ``median_mm``, ``max_mm``; over the volume of the phase.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((72, 32, 32), bool) & (np.arange(72) // 8 % 2 == 1)[:, None, None]
    >>> round(structure_thickness(y, voxel_size_um=100)["mean_mm"], 2)
    0.8
    """
    thickness = local_thickness(y, voxel_size_um, phase=phase, max_thickness_mm=max_thickness_mm)
    values = thickness[~np.isnan(thickness)]
    if values.size == 0:
        return dict.fromkeys(("mean_mm", "std_mm", "median_mm", "max_mm"), np.nan)
    return {
        "mean_mm": float(values.mean(dtype=float)),
        "std_mm": float(values.std(dtype=float)),
        "median_mm": float(np.median(values)),
        "max_mm": float(values.max()),
    }


def check_cubic(voxel_size_um):
    """Return the edge of cubic voxels in micrometres, or raise ValueError."""
    edges_um = check_voxel_size(voxel_size_um)
    if max(edges_um) - min(edges_um) > 1e-6 * max(edges_um):
        raise ValueError(f"This needs cubic voxels, got edges of {edges_um} um (z, y, x).")
    return edges_um[0]


def _open(in_phase, other, limit):
    """Radii of the openings, and for each voxel the index of the largest that covers it."""
    squared, bound = _distance_to(other, limit)
    largest = np.sqrt(float(squared[in_phase].max(initial=1)))
    radii = _radii(min(largest, bound if limit is None else limit))
    least = np.append(1, (radii[1:] + radii[:-1]) / 2)  # a class reaches half way to the next
    grade = np.zeros(in_phase.shape, dtype=np.uint8)
    for index in range(radii.size - 1, -1, -1):
        centres = squared >= least[index] ** 2
        centres &= in_phase
        reach = bounded_squared_distance(centres, int(np.ceil(radii[index])))
        covered = reach < radii[index] ** 2
        covered &= grade == 0
        grade[covered] = index
    return radii, grade


def _distance_to(other, limit):
    """Squared distance to the other phase; the bound is doubled until it holds the widest ball."""
    if not other.any():
        raise ValueError(
            "The other phase is nowhere in this stack: the thickness has no limit. Measure a "
            "larger volume."
        )
    bound = BYTE_BOUND if limit is None else int(np.clip(np.ceil(limit), 2, 250))
    while True:
        squared = bounded_squared_distance(other, bound)
        if limit is not None or squared.max() <= bound**2:
            return squared, bound
        if bound == 250:
            raise ValueError("Some balls are wider than 500 voxels; give max_thickness_mm.")
        bound = min(2 * bound, 250)


def _radii(largest):
    """Radii of the openings, from 1 voxel to the largest: fine below 8, then in steps of 5 %."""
    radii = list(np.arange(1, min(largest, 8) + 0.25, 0.5))
    while radii[-1] * 1.05 < largest:
        radii.append(max(radii[-1] * 1.05, radii[-1] + 0.5))
    if largest > radii[-1] + 0.25:
        radii.append(largest)
    return np.array(radii)
