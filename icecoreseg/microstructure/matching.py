"""Bubble by bubble: which bubbles of one segmentation does another one find?

As in the follow-up study (doi:10.1016/j.acags.2024.100193), which compares bubbles across
resolutions; there by nearest centres, here by overlap, so that merged and broken bubbles
are seen.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_voxel_size
from icecoreseg.labels import AIR
from icecoreseg.microstructure._clusters import find_clusters
from icecoreseg.microstructure._tables import as_columns, make_table
from icecoreseg.microstructure.bubbles import MIN_VOXELS


class BubbleMatch(NamedTuple):
    """Two tables, as returned by `match_bubbles`: bubbles of the reference, and of the other."""

    reference: object
    other: object


def match_bubbles(
    reference: Stack,
    other: Stack,
    *,
    voxel_size_um: VoxelSize,
    other_voxel_size_um: VoxelSize | None = None,
    min_voxels: int = MIN_VOXELS,
    other_min_voxels: int = 1,
    min_overlap: float = 0.1,
    connectivity: int = 6,
):
    """Match the bubbles of two segmentations of one piece of core.

    Both stacks begin at the same corner; their voxel sizes may differ. A reference bubble
    is detected if at least `min_overlap` of its volume is air in the other segmentation. The
    volume of a bubble of the other one that meets several is shared out by overlap.

    Parameters
    ----------
    reference, other : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half. Lazy stacks are loaded.
    voxel_size_um, other_voxel_size_um : float or (z, y, x)
        Voxel edges of either, in micrometres; the other's default to the reference's.
    min_voxels, other_min_voxels : int
        Smaller pieces are left out, in the reference and in the other.
    min_overlap : float
        Share of a bubble's volume, above 0.
    connectivity : {6, 26}

    Returns
    -------
    BubbleMatch
        ``reference``, one row per bubble: ``label``, ``volume_mm3``,
        ``equivalent_diameter_mm``, ``touches_edge``, ``comparable`` (all of it inside the
        other specimen), ``detected``, ``overlap_fraction``, ``match_label`` (largest
        overlap, 0 if none), ``n_matches``, ``matched_volume_mm3``, ``volume_ratio``
        (matched over own volume).
        ``other``, one row per bubble: ``label``, ``volume_mm3``,
        ``equivalent_diameter_mm``, ``n_matches``, ``spurious`` (meets no reference bubble).

    Raises
    ------
    ValueError
        If the stacks do not cover the same space, to one voxel of the coarser one.

    References
    ----------
    The follow-up study of the method paper, doi:10.1016/j.acags.2024.100193.

    Examples
    --------
    Two bubbles; the other segmentation finds one, at half the resolution:

    >>> import numpy as np
    >>> high = np.ones((8, 8, 16), np.uint8)
    >>> high[2:6, 2:6, 2:6] = high[3:5, 3:5, 11:13] = 0
    >>> low = np.ones((4, 4, 8), np.uint8)
    >>> low[1:3, 1:3, 1:3] = 0
    >>> match = match_bubbles(high, low, voxel_size_um=30, other_voxel_size_um=60)
    >>> np.asarray(match.reference["detected"]).tolist()
    [True, False]
    >>> float(match.reference["volume_ratio"][0])
    1.0
    """
    edges = check_voxel_size(voxel_size_um)
    other_edges = edges if other_voxel_size_um is None else check_voxel_size(other_voxel_size_um)
    if not 0 < min_overlap <= 1:
        raise ValueError(f"min_overlap must lie in (0, 1], got {min_overlap!r}.")
    ours = find_clusters(reference, phase=AIR, connectivity=connectivity)
    theirs = find_clusters(other, phase=AIR, connectivity=connectivity)
    _check_extent(ours.labels.shape, edges, theirs.labels.shape, other_edges)
    pairs, beyond = _overlaps(ours.labels, edges, theirs.labels, other_edges)
    a, b, volume = _drop_small(pairs, ours.sizes, min_voxels, theirs.sizes, other_min_voxels)
    return BubbleMatch(
        _reference_table(
            ours, edges, theirs, other_edges, (a, b, volume), beyond, min_voxels, min_overlap
        ),
        _other_table(theirs, other_edges, b, other_min_voxels),
    )


def match_summary(match, *, edges_mm=None):
    """Detection rate, missing volume and volume ratio, in all and by size.

    Parameters
    ----------
    match : BubbleMatch
    edges_mm : sequence of float, optional
        Limits of classes of equivalent diameter; default: one class with all bubbles.

    Returns
    -------
    table with one row per class
        ``diameter_lower_mm``, ``diameter_upper_mm``, ``n_reference`` (bubbles that can be
        compared), ``detection_rate``, ``missing_volume_fraction`` (of the undetected),
        ``volume_ratio`` (total matched over total own volume, of the detected),
        ``n_spurious`` (bubbles of the other segmentation alone, by their own size).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((8, 8, 16), np.uint8)
    >>> y[2:6, 2:6, 2:6] = y[3:5, 3:5, 11:13] = 0
    >>> summary = match_summary(match_bubbles(y, y, voxel_size_um=30))
    >>> float(summary["detection_rate"][0]), int(summary["n_spurious"][0])
    (1.0, 0)
    """
    ours, theirs = as_columns(match.reference), as_columns(match.other)
    edges = np.asarray([0, np.inf] if edges_mm is None else edges_mm, dtype=float)
    rows = [_summarise(ours, theirs, low, high) for low, high in pairwise(edges)]
    return make_table({name: [row[name] for row in rows] for name in rows[0]})


def _summarise(ours, theirs, low, high):
    chosen = ours["comparable"] & _between(ours, low, high)
    found = chosen & ours["detected"]
    volume, matched = ours["volume_mm3"], ours["matched_volume_mm3"]
    return {
        "diameter_lower_mm": low,
        "diameter_upper_mm": high,
        "n_reference": np.count_nonzero(chosen),
        "detection_rate": _share(np.count_nonzero(found), np.count_nonzero(chosen)),
        "missing_volume_fraction": _share(
            volume[chosen & ~ours["detected"]].sum(), volume[chosen].sum()
        ),
        "volume_ratio": _share(matched[found].sum(), volume[found].sum()),
        "n_spurious": np.count_nonzero(theirs["spurious"] & _between(theirs, low, high)),
    }


def _between(columns, low, high):
    diameter = columns["equivalent_diameter_mm"]
    return (diameter >= low) & (diameter < high)


def _share(part, whole):
    return float(part / whole) if whole else np.nan


def _check_extent(shape, edges, other_shape, other_edges):
    size, other_size = np.multiply(shape, edges), np.multiply(other_shape, other_edges)
    if (np.abs(size - other_size) > np.maximum(edges, other_edges)).any():
        raise ValueError(
            f"The stacks cover {size.tolist()} and {other_size.tolist()} um; they must show the "
            "same space, from the same corner."
        )


def _overlaps(labels, edges, other_labels, other_edges):
    """Overlap volumes in um3 as (label, other label) -> volume, and voxels beyond the other.

    Counted on the finer of the two grids, on which the coarser is looked up.
    """
    fine_is_ours = np.prod(edges) <= np.prod(other_edges)
    fine, coarse = (labels, other_labels) if fine_is_ours else (other_labels, labels)
    fine_edges, coarse_edges = (edges, other_edges) if fine_is_ours else (other_edges, edges)
    index = [
        np.minimum(((np.arange(n) + 0.5) * e / c).astype(int), m - 1)
        for n, e, c, m in zip(fine.shape, fine_edges, coarse_edges, coarse.shape, strict=True)
    ]
    found = []
    for z, image in enumerate(fine):
        across = coarse[index[0][z]][np.ix_(index[1], index[2])]
        ours, theirs = (image, across) if fine_is_ours else (across, image)
        both = (ours > 0) & (theirs != 0)
        found.append(np.stack([ours[both], theirs[both]], axis=1))
    pairs, counts = np.unique(np.concatenate(found), axis=0, return_counts=True)
    outside = pairs[:, 1] < 0
    volume = counts * np.prod(fine_edges)
    return (pairs[~outside, 0], pairs[~outside, 1], volume[~outside]), pairs[outside, 0]


def _drop_small(pairs, sizes, min_voxels, other_sizes, other_min_voxels):
    a, b, volume = pairs
    kept = (sizes[a] >= min_voxels) & (other_sizes[b] >= other_min_voxels)
    return a[kept], b[kept], volume[kept]


def _sizes(clusters, edges, kept):
    volume = clusters.sizes[kept] * np.prod(edges) * 1e-9
    return {
        "label": kept,
        "volume_mm3": volume,
        "equivalent_diameter_mm": np.cbrt(6 * volume / np.pi),
    }


def _reference_table(ours, edges, theirs, other_edges, overlaps, beyond, min_voxels, min_overlap):
    a, b, overlap = overlaps
    n = ours.sizes.size
    covered = np.bincount(a, overlap, n)
    shared = np.bincount(b, overlap, theirs.sizes.size)
    gained = theirs.sizes[b] * np.prod(other_edges) * overlap / shared[b]
    best = np.zeros(n, dtype=np.int64)
    order = np.argsort(overlap, kind="stable")
    best[a[order]] = b[order]
    kept = np.flatnonzero(ours.sizes >= min_voxels)
    columns = _sizes(ours, edges, kept)
    fraction = covered[kept] * 1e-9 / columns["volume_mm3"]
    matched = np.bincount(a, gained, n)[kept] * 1e-9
    return make_table(
        {
            **columns,
            "touches_edge": ours.touches_edge[kept],
            "comparable": ~np.isin(kept, beyond),
            "detected": fraction >= min_overlap,
            "overlap_fraction": fraction,
            "match_label": best[kept],
            "n_matches": np.bincount(a, minlength=n)[kept],
            "matched_volume_mm3": matched,
            "volume_ratio": matched / columns["volume_mm3"],
        }
    )


def _other_table(theirs, edges, b, min_voxels):
    kept = np.flatnonzero(theirs.sizes >= min_voxels)
    n_matches = np.bincount(b, minlength=theirs.sizes.size)[kept]
    return make_table(
        {**_sizes(theirs, edges, kept), "n_matches": n_matches, "spurious": n_matches == 0}
    )
