"""Bubbles: one row for each, their number density and size distribution.

Bubbles cut by the edge of the sample have unknown size, and large bubbles are cut more
often than small ones. So a bubble that touches the edge is not counted, and every other
one stands for as many as the share of the sample asks in which it could lie without
touching: Miles' and Lantuejoul's weights.
"""

import warnings

import numpy as np

from icecoreseg._ice import DEFAULT_TEMPERATURE_C, choose_ice_density, slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_positive_int, check_voxel_size
from icecoreseg.labels import AIR
from icecoreseg.microstructure._clusters import find_clusters
from icecoreseg.microstructure._shapes import cluster_moments, cluster_surfaces, edge_weights
from icecoreseg.microstructure._tables import as_columns, make_table
from icecoreseg.microstructure.plausibility import BUBBLES_LIMIT_CM3

MIN_VOXELS = 8


def bubble_table(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    min_voxels: int = MIN_VOXELS,
    phase: int = AIR,
    connectivity: int = 6,
):
    """Shape and place of every bubble.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half. Lazy stacks are loaded.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    min_voxels : int
        Smaller pieces are taken for noise and left out; see `detection_limit_mm`.
    phase : {AIR, ICE}
        ICE gives a table of separate ice pieces, with 26 neighbours for a fair answer.
    connectivity : {6, 26}

    Returns
    -------
    table with one row per bubble, ordered by the first voxel
        ``label``; ``n_voxels``; ``volume_mm3``; ``equivalent_diameter_mm`` (of the ball of
        this volume); ``surface_mm2`` (Crofton, 13 directions); ``sphericity`` (surface of
        that ball over the bubble's, 1 for a ball, unreliable below about 100 voxels);
        ``elongation`` (longest over middle axis of the ellipsoid of inertia) and
        ``flatness`` (middle over shortest), both >= 1; ``inclination_deg`` of the longest
        axis to the core axis, 0 to 90; ``azimuth_deg`` of the same in the slice, from x
        towards y, 0 to 180; centre ``z_mm``, ``y_mm``, ``x_mm`` from the stack's corner;
        ``touches_edge``; ``edge_weight``, how many bubbles it stands for (0 at the edge).

    References
    ----------
    Wadell (1935), doi:10.1086/624298 (sphericity); Miles (1974) and Lantuejoul (1980), J.
    Microsc., as in Ohser and Schladitz (2009), doi:10.1002/9783527628308.

    Examples
    --------
    An upright ellipsoid with axes 2 : 1 : 1:

    >>> import numpy as np
    >>> z, y, x = np.mgrid[-30:31, -20:21, -20:21]
    >>> labels = ((z / 2) ** 2 + y**2 + x**2 > 12**2).astype(np.uint8)
    >>> bubble = bubble_table(labels, voxel_size_um=50)
    >>> [round(float(bubble[name][0]), 2) for name in ("elongation", "flatness")]
    [2.0, 1.0]
    >>> round(float(bubble["inclination_deg"][0]))
    0
    """
    edges_um = check_voxel_size(voxel_size_um)
    check_positive_int(min_voxels, name="min_voxels")
    clusters = find_clusters(y, phase=phase, connectivity=connectivity)
    kept = np.flatnonzero(clusters.sizes >= min_voxels)
    edges_mm = np.asarray(edges_um) * 1e-3
    volume = clusters.sizes[kept] * np.prod(edges_mm)
    surface = cluster_surfaces(clusters.labels, clusters.sizes.size, edges_um)[kept]
    surface[surface == 0] = np.nan  # through all of a stack of one slice or row: no surface
    centres, lengths, axes = cluster_moments(clusters.labels, clusters.sizes, kept, edges_mm)
    touches = clusters.touches_edge[kept]
    columns = {
        "label": kept,
        "n_voxels": clusters.sizes[kept],
        "volume_mm3": volume,
        "equivalent_diameter_mm": np.cbrt(6 * volume / np.pi),
        "surface_mm2": surface,
        "sphericity": np.cbrt(np.pi * (6 * volume) ** 2) / surface,
        "elongation": lengths[:, 0] / lengths[:, 1],
        "flatness": lengths[:, 1] / lengths[:, 2],
        "inclination_deg": np.degrees(np.arccos(np.clip(np.abs(axes[:, 0]), 0, 1))),
        "azimuth_deg": np.degrees(np.arctan2(axes[:, 1], axes[:, 2])) % 180,
        **{f"{name}_mm": centres[:, i] for i, name in enumerate("zyx")},
        "touches_edge": touches,
        "edge_weight": np.where(touches, 0, edge_weights(clusters, kept)),
    }
    return make_table(columns)


def detection_limit_mm(voxel_size_um: VoxelSize, *, min_voxels: int = MIN_VOXELS):
    """Equivalent diameter of the smallest bubble that is counted, in mm.

    Bubbles are measured with confidence from about 27 voxels (three across); at 60
    micrometres that is 0.22 mm, so micro-bubbles cannot be counted there.

    Examples
    --------
    >>> round(detection_limit_mm(60), 3)
    0.149
    """
    volume_mm3 = min_voxels * np.prod(check_voxel_size(voxel_size_um)) * 1e-9
    return float(np.cbrt(6 * volume_mm3 / np.pi))


def bubble_number_density(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    per: str = "specimen_cm3",
    min_voxels: int = MIN_VOXELS,
    connectivity: int = 6,
    temperature_c: float = DEFAULT_TEMPERATURE_C,
    ice_density_kg_m3: float | None = None,
) -> float:
    """Number of bubbles per volume, corrected for the edge of the sample.

    The sum of the edge weights over the volume: bubbles that touch the edge do not count,
    the others stand for those. Bubbles below `detection_limit_mm` are missing.

    Parameters
    ----------
    y, voxel_size_um, min_voxels, connectivity
        As in `bubble_table`.
    per : {"specimen_cm3", "ice_cm3", "gram"}
        Reference: volume of the specimen, of its ice, or mass of ice.
    temperature_c, ice_density_kg_m3
        As in `density`; for ``"gram"`` only.

    Returns
    -------
    float
        In cm-3, or g-1.

    Warns
    -----
    UserWarning
        If there are more than 3000 per cubic centimetre of the specimen.

    References
    ----------
    Spencer et al. (2006), J. Glaciol. 52, 355-364 (number
    density as a record of accumulation and temperature).

    Examples
    --------
    One bubble in every 1.6 x 1.6 x 1.6 mm, somewhere; some are cut by the edge:

    >>> import numpy as np
    >>> grid = np.mgrid[:80, :80, :80]
    >>> y = np.ones((80, 80, 80), np.uint8)
    >>> cells = np.stack(np.mgrid[-1:5, -1:5, -1:5], axis=-1).reshape(-1, 3) * 16
    >>> for centre in cells + np.random.default_rng(0).uniform(0, 9, cells.shape):
    ...     y[((grid - centre[:, None, None, None]) ** 2).sum(axis=0) < 10] = 0
    >>> found = bubble_number_density(y, voxel_size_um=100)
    >>> bool(abs(found / (1 / 0.16**3) - 1) < 0.1)
    True
    """
    check_choice(per, ("specimen_cm3", "ice_cm3", "gram"), name="per")
    check_positive_int(min_voxels, name="min_voxels")
    clusters = find_clusters(y, phase=AIR, connectivity=connectivity)
    whole = np.flatnonzero((clusters.sizes >= min_voxels) & ~clusters.touches_edge)
    number = edge_weights(clusters, whole).sum()
    ice, inside = slice_amounts(y).sum(axis=0) * np.prod(check_voxel_size(voxel_size_um)) * 1e-12
    if inside and number / inside > BUBBLES_LIMIT_CM3:
        warnings.warn(
            f"{number / inside:.0f} bubbles per cubic centimetre are more than "
            f"{BUBBLES_LIMIT_CM3:g}: noise taken for bubbles, or a wrong voxel size?",
            stacklevel=2,
        )
    grams = ice * choose_ice_density(temperature_c, ice_density_kg_m3) * 1e-3
    reference = {"specimen_cm3": inside, "ice_cm3": ice, "gram": grams}[per]
    return float(number / reference) if reference else np.nan


def bubble_size_distribution(table, specimen_volume_mm3, *, edges_mm=None):
    """Number density and share of volume by equivalent diameter, weighted for the edge.

    Parameters
    ----------
    table : table
        From `bubble_table`.
    specimen_volume_mm3 : float
        Volume that the bubbles were found in.
    edges_mm : sequence of float, optional
        Limits of the size classes; default: 12 classes of equal ratio.

    Returns
    -------
    table with one row per class
        ``diameter_lower_mm``, ``diameter_upper_mm``, ``n_bubbles`` (seen whole),
        ``number_density_cm3``, ``volume_fraction`` (share of the bubbles' volume).

    Examples
    --------
    >>> table = {"equivalent_diameter_mm": [0.3, 0.4, 0.8], "edge_weight": [1, 1, 1],
    ...          "volume_mm3": [0.014, 0.034, 0.268]}
    >>> sizes = bubble_size_distribution(table, 1000.0, edges_mm=[0.2, 0.5, 1])
    >>> [float(n) for n in sizes["number_density_cm3"]]
    [2.0, 1.0]
    """
    columns = as_columns(table)
    diameter, weight = columns["equivalent_diameter_mm"], columns["edge_weight"].astype(float)
    seen = weight > 0
    if edges_mm is None:
        low, high = (diameter[seen].min(), diameter[seen].max()) if seen.any() else (0.1, 1.0)
        edges_mm = np.geomspace(low * 0.999, max(high, low * 1.1) * 1.001, 13)
    edges_mm = np.asarray(edges_mm, dtype=float)
    number, _ = np.histogram(diameter, edges_mm, weights=weight)
    volume, _ = np.histogram(diameter, edges_mm, weights=weight * columns["volume_mm3"])
    return make_table(
        {
            "diameter_lower_mm": edges_mm[:-1],
            "diameter_upper_mm": edges_mm[1:],
            "n_bubbles": np.histogram(diameter[seen], edges_mm)[0],
            "number_density_cm3": number / (specimen_volume_mm3 * 1e-3),
            "volume_fraction": volume / max(volume.sum(), np.finfo(float).tiny),
        }
    )
