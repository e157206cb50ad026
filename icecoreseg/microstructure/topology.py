"""Topology: the Euler characteristic, and the connectivity density.

chi = (number of pieces) - (number of tunnels) + (number of enclosed cavities). It is a sum
of local terms, so that it is counted like transitions: voxels, minus pairs, plus
squares of four, minus cubes of eight that lie in the phase. The connectivities of ice
and air must be dual, 26 for one and 6 for the other: else a diagonal contact would join
both or neither.
"""

from itertools import product

import numpy as np

from icecoreseg._ice import check_measured
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_voxel_size, is_lazy
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.microstructure._transitions import neighbours, overlapping_slabs

BLOCK_VOXELS = 2**22


def euler_characteristic(y: Stack, *, phase: int = ICE, connectivity: int = 26) -> int:
    """Euler characteristic of one phase: pieces - tunnels + cavities.

    The phase is taken as it stands, as if nothing of it lay beyond the frame and the
    specimen's outline. For a piece of a larger core use `euler_density`, which has no
    such edge effect.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half.
    phase : {ICE, AIR}
    connectivity : {26, 6}
        Neighbours that touch: by faces, edges and corners, or by faces only. Give the
        other phase the other number.

    Returns
    -------
    int

    References
    ----------
    Ohser, J. and Schladitz, K. (2009), 3D images of materials structures,
    doi:10.1002/9783527628308; Toriwaki and Yonekura (2002).

    Examples
    --------
    A ring has one piece and one tunnel; a hollow box one piece and one cavity.

    >>> import numpy as np
    >>> ring = np.ones((1, 3, 3), np.uint8)
    >>> ring[0, 1, 1] = 0
    >>> box = np.ones((3, 3, 3), np.uint8)
    >>> box[1, 1, 1] = 0
    >>> euler_characteristic(ring), euler_characteristic(box)
    (0, 2)
    """
    _check_options(phase, connectivity)
    y = check_measured(y)
    if connectivity == 6:
        return _euler_6(y, lambda slab: slab == phase)
    # By duality: what is not the phase, with 6 neighbours, in a margin that closes around it.
    return _euler_6(_with_margin(y), lambda slab: slab != phase) - 1


def euler_density(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE, connectivity: int = 26
) -> float:
    """Euler characteristic per volume of the specimen, in mm-3, free of edge effects.

    Averaged over all cells of 2 x 2 x 2 voxels that lie inside the specimen, each with its
    share of the terms: 1/8 of its voxels, 1/4 of its pairs, 1/2 of its squares. The density
    of one phase with 26 neighbours is that of the other with 6.

    Parameters
    ----------
    y, phase, connectivity
        As in `euler_characteristic`.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.

    Returns
    -------
    float
        NaN if no cube of eight voxels lies inside.

    References
    ----------
    As in `euler_characteristic`.

    Examples
    --------
    One ball in every 20 x 20 x 20 voxels of 0.05 mm: one per cubic millimetre.

    >>> import numpy as np
    >>> ball = (np.mgrid[-10:10, -10:10, -10:10] ** 2).sum(axis=0) < 30
    >>> y = np.tile(ball, (4, 4, 4))
    >>> round(euler_density(y, voxel_size_um=50), 1)
    1.0
    """
    _check_options(phase, connectivity)
    edges_um = check_voxel_size(voxel_size_um)
    counted = AIR + ICE - phase if connectivity == 26 else phase
    total, n_cells = 0.0, 0
    for _, slab in overlapping_slabs(check_measured(y)):
        step = max(1, BLOCK_VOXELS // slab[0].size)
        for start in range(0, slab.shape[0] - 1, step):
            block = slab[start : start + step + 1]
            euler, cells = _euler_of_cells(block == counted, block != OUTSIDE)
            total, n_cells = total + euler, n_cells + cells
    return float(total / (n_cells * np.prod(edges_um) * 1e-9)) if n_cells else np.nan


def connectivity_density(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE, connectivity: int = 26
):
    """Tunnels per volume in mm-3, for one connected phase: minus the Euler density.

    Negative values say that the phase consists of separate pieces (or has cavities), such
    as bubbles: then minus the value is their number per volume. About 4 cm3 of firn are
    representative (Freitag et al. 2008).

    Parameters and references as in `euler_density`; Odgaard and Gundersen (1993),
    doi:10.1016/8756-3282(93)90245-6.

    Examples
    --------
    >>> import numpy as np
    >>> ball = (np.mgrid[-10:10, -10:10, -10:10] ** 2).sum(axis=0) < 30
    >>> round(connectivity_density(np.tile(ball, (4, 4, 4)), voxel_size_um=50), 1)
    -1.0
    """
    return -euler_density(y, voxel_size_um, phase=phase, connectivity=connectivity)


_SIGNS = np.array([1, -1, -1, -1, 1, 1, 1, -1])


def _check_options(phase, connectivity):
    check_choice(phase, (AIR, ICE), name="phase")
    check_choice(connectivity, (6, 26), name="connectivity")


def _euler_6(y, select):
    counts = sum(_cell_counts(select(slab), fresh) for fresh, slab in overlapping_slabs(y))
    return int((_SIGNS * counts).sum())


def _with_margin(y):
    outside = np.nan if y.dtype.kind == "f" else OUTSIDE
    if not is_lazy(y):
        return np.pad(y, 1, constant_values=outside)
    import dask.array as da

    return da.pad(y, 1, constant_values=outside)


def _cell_counts(mask, fresh):
    """Voxels, pairs (3), squares (3) and cubes that lie in a mask, not counting `fresh` twice.

    A cell that reaches over two slices counts with the later one.
    """
    counts = np.zeros(8, dtype=np.int64)
    step = max(1, BLOCK_VOXELS // mask[0].size)
    for start in range(0, mask.shape[0], step):
        block = mask[max(0, start - 1) : start + step]
        counts += _block_cell_counts(block, start - max(0, start - 1))
    if fresh:
        counts -= _block_cell_counts(mask[:fresh], 0)
    return counts


def _block_cell_counts(mask, seen):
    z, y, x = (np.logical_and(*neighbours(mask, step)) for step in np.eye(3, dtype=int))
    zy, zx = (np.logical_and(*neighbours(z, step)) for step in ((0, 1, 0), (0, 0, 1)))
    yx = np.logical_and(*neighbours(y, (0, 0, 1)))
    zyx = np.logical_and(*neighbours(zy, (0, 0, 1)))
    flat = [mask[seen:], y[seen:], x[seen:], yx[seen:]]
    voxels, pairs_y, pairs_x, squares = (np.count_nonzero(cells) for cells in flat)
    pairs_z, squares_zy, squares_zx, cubes = (np.count_nonzero(c) for c in (z, zy, zx, zyx))
    return np.array([voxels, pairs_z, pairs_y, pairs_x, squares_zy, squares_zx, squares, cubes])


def _euler_of_cells(mask, inside):
    """Sum of the local terms over the 2 x 2 x 2 cells inside, and the number of these."""
    cells = _all_of_cell(inside, (1, 1, 1))
    full = bool(cells.all())
    total = 0.0
    for extent in product((0, 1), repeat=3):
        term = _all_of_cell(mask, extent)
        sign, share = (-1) ** sum(extent), 0.5 ** (3 - sum(extent))
        for offset in product(*((0,) if e else (0, 1) for e in extent)):
            view = term[tuple(slice(o, o + n) for o, n in zip(offset, cells.shape, strict=True))]
            total += sign * share * np.count_nonzero(view if full else view & cells)
    return total, np.count_nonzero(cells)


def _all_of_cell(mask, extent):
    """Where a voxel and its later neighbours, along the axes of a cell's extent, all hold."""
    for axis in np.flatnonzero(extent):
        mask = np.logical_and(*neighbours(mask, np.eye(3, dtype=int)[axis]))
    return mask
