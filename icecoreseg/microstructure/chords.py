"""Chord lengths: the runs of ice and of air along test lines."""

import numpy as np

from icecoreseg._ice import as_labels, check_measured
from icecoreseg._slabs import iterate_slabs
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_voxel_size, is_lazy
from icecoreseg.labels import AIR, ICE
from icecoreseg.microstructure._tables import make_table

BLOCK_VOXELS = 2**22


def chord_length_distribution(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE, axis=2, cut_chords: str = "exclude"
):
    """Number of chords of every length, along the columns, the rows or the core.

    A chord is a run of voxels of one phase between two voxels of the other. Runs that end
    at the specimen's outline or the frame are cut: their true length is unknown. Leaving
    them out favours short chords a little, keeping them shortens long ones; the mean
    that is free of both is `mean_intercept_length`.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half. Lazy stacks are read slab
        by slab for the axes in the slice, in blocks of columns for axis 0.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    phase : {ICE, AIR}
    axis : {0, 1, 2}
        Direction of the test lines: along z, y or x.
    cut_chords : {"exclude", "include"}

    Returns
    -------
    table with one row per length, from one voxel to the longest
        ``length_mm``, ``n_chords``, ``number_fraction`` and ``length_fraction`` (share of
        the phase that lies in chords of this length).

    References
    ----------
    Torquato and Lu (1993), doi:10.1103/PhysRevE.47.2950; chords of snow: Malinka (2014),
    J. Quant. Spectrosc. Radiat. Transf. 141, 14-23.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([[[1, 0, 1, 1, 0, 0, 1, 1, 0, 1]]], dtype=np.uint8)
    >>> table = chord_length_distribution(y, voxel_size_um=500)
    >>> [float(n) for n in table["length_mm"]], [int(n) for n in table["n_chords"]]
    ([0.5, 1.0], [0, 2])
    """
    check_choice(phase, (AIR, ICE), name="phase")
    check_choice(axis, (0, 1, 2), name="axis")
    check_choice(cut_chords, ("exclude", "include"), name="cut_chords")
    edge_mm = check_voxel_size(voxel_size_um)[axis] * 1e-3
    numbers = np.zeros(1, dtype=np.int64)
    for lines in _line_blocks(check_measured(y), axis):
        numbers = _add(numbers, _count_runs(lines, phase, cut_chords == "exclude"))
    return _distribution(numbers[1:], edge_mm)


def _distribution(numbers, edge_mm):
    lengths = np.arange(1, numbers.size + 1) * edge_mm
    total, total_length = max(numbers.sum(), 1), max((numbers * lengths).sum(), edge_mm)
    return make_table(
        {
            "length_mm": lengths,
            "n_chords": numbers,
            "number_fraction": numbers / total,
            "length_fraction": numbers * lengths / total_length,
        }
    )


def _line_blocks(y, axis):
    """Yield contiguous uint8 arrays of shape (n_lines, length of the axis)."""
    if axis == 0:
        yield from _upright_blocks(y)
        return
    for _, slab in iterate_slabs(y):
        for image in slab:
            image = as_labels(image)
            yield image if axis == 2 else np.ascontiguousarray(image.T)


def _upright_blocks(y):
    n_slices, n_rows, n_columns = y.shape
    step = max(1, BLOCK_VOXELS // (n_slices * n_columns))
    if is_lazy(y):  # each block of rows reads the stack once: take few, large ones
        step = max(step, n_rows // 8)
    for start in range(0, n_rows, step):
        block = as_labels(np.asarray(y[:, start : start + step]))
        yield np.ascontiguousarray(block.reshape(n_slices, -1).T)


def _count_runs(lines, phase, exclude_cut):
    """Histogram of run lengths of a phase: index is the length in voxels."""
    flat = np.ravel(lines)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.union1d(ends, np.arange(0, flat.size + 1, lines.shape[1]))
    first, last = ends[:-1], ends[1:]
    chosen = flat[first] == phase
    if exclude_cut:
        n, other = lines.shape[1], AIR + ICE - phase
        chosen &= (first % n > 0) & (flat[first - 1] == other)
        chosen &= (last % n > 0) & (flat[last % flat.size] == other)
    return np.bincount((last - first)[chosen], minlength=1)


def _add(a, b):
    if a.size < b.size:
        a, b = b, a
    a = a.copy()
    a[: b.size] += b
    return a
