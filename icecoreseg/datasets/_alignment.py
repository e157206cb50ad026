"""Do the two scans of a core lie on each other?

The labels of the high-resolution scan teach the low-resolution one voxel by voxel, so that
a shift of half a voxel is a systematic error of every boundary. The paper relies on both
being reconstructed from the same projections; here it is measured.
"""

import warnings

import numpy as np
from skimage.registration import phase_cross_correlation

from icecoreseg._validation import check_positive_int, check_stack
from icecoreseg.microstructure._tables import make_table

_UPSAMPLING = 50  # shifts to 1/50 of a voxel; the error is about 0.03


def measure_shift(low, high, *, n_places=3, n_slices=16, n_columns=512, tolerance=0.1):
    """Sub-voxel shift of the high-resolution scan against the low-resolution one.

    Both are compared at a few places along the core: the high-resolution slices are averaged
    over 2 x 2 x 2 voxels and correlated with the low-resolution ones by phase.

    Parameters
    ----------
    low : array of shape (n_slices, n_rows, n_columns)
        Low-resolution scan, numpy or dask.
    high : array of twice that shape
        High-resolution scan; slices 2 i and 2 i + 1 belong to slice i of `low`.
    n_places : int
        Places along the core, evenly spaced. Only their slices are read.
    n_slices : int
        Low-resolution slices per place. Shifts along the core need at least 8.
    n_columns : int
        Edge of the square around the axis that is compared.
    tolerance : float
        Shift in low-resolution voxels, along any axis, from which on a warning is given.

    Returns
    -------
    table with one row per place
        ``slice``: first low-resolution slice of the place; ``shift_z``, ``shift_y``,
        ``shift_x``: by how many low-resolution voxels the content of `high` lies further along
        each axis than that of `low`. NaN where a place shows no structure.

    Warns
    -----
    UserWarning
        If a shift is beyond the tolerance.

    Raises
    ------
    ValueError
        If `high` does not have twice the shape of `low`, or either holds NaN there: compare
        scans before `CoreMasker`.

    Notes
    -----
    What does not change along the core (casing, rings) is subtracted, for it shows no shift
    along the core; the slices are weighed by a Hann window.

    References
    ----------
    Guizar-Sicairos, M. et al. (2008), doi:10.1364/OL.33.000156.

    Examples
    --------
    >>> import numpy as np
    >>> from icecoreseg.datasets import make_ice_core
    >>> core = make_ice_core("firn", n_slices=8, n_columns=48, random_state=0)
    >>> shift = measure_shift(core.low, np.roll(core.high, 1, axis=2), n_places=1, tolerance=1)
    >>> [round(float(shift[f"shift_{axis}"][0]), 1) + 0 for axis in "zyx"]
    [0.0, 0.0, 0.5]
    """
    low, high = check_stack(low, name="low"), check_stack(high, name="high")
    if high.shape != tuple(2 * n for n in low.shape):
        raise ValueError(
            f"high has shape {high.shape}; twice that of low, {low.shape}, is expected."
        )
    for name, value in (("n_places", n_places), ("n_slices", n_slices), ("n_columns", n_columns)):
        check_positive_int(value, name=name)
    n_slices = min(n_slices, low.shape[0])
    starts = np.unique(np.linspace(0, low.shape[0] - n_slices, n_places).astype(int))
    shifts = np.array([_shift_at(low, high, start, n_slices, n_columns) for start in starts])
    _warn_of_shift(starts, shifts, tolerance)
    columns = {f"shift_{axis}": shifts[:, i] for i, axis in enumerate("zyx")}
    return make_table({"slice": starts, **columns})


def _shift_at(low, high, start, n_slices, n_columns):
    """Shift (z, y, x) of one place, in low-resolution voxels."""
    rows, columns = (_middle(n, n_columns) for n in low.shape[1:])
    ours = np.asarray(low[start : start + n_slices, slice(*rows), slice(*columns)], np.float32)
    window = [slice(2 * a, 2 * b) for a, b in ((start, start + n_slices), rows, columns)]
    fine = np.asarray(high[tuple(window)], np.float32)
    if np.isnan(ours).any() or np.isnan(fine).any():
        raise ValueError("The scans hold NaN; measure the shift before the outside is marked.")
    theirs = fine.reshape(len(ours), 2, ours.shape[1], 2, ours.shape[2], 2).mean(axis=(1, 3, 5))
    ours, theirs = _prepare(ours), _prepare(theirs)
    if not ours.any() or not theirs.any():
        return np.full(3, np.nan)
    return phase_cross_correlation(theirs, ours, upsample_factor=_UPSAMPLING)[0]


def _middle(length, wanted):
    start = max(0, (length - wanted) // 2)
    return start, min(length, start + wanted)


def _prepare(slab):
    """Without what stays the same along the core, and without ends."""
    if len(slab) == 1:
        return slab - slab.mean()
    window = np.hanning(len(slab) + 2)[1:-1].astype(np.float32)
    return (slab - slab.mean(axis=0)) * window[:, np.newaxis, np.newaxis]


def _warn_of_shift(starts, shifts, tolerance):
    far = (np.abs(shifts) > tolerance).any(axis=1)  # NaN is not far
    if not far.any():
        return
    worst = shifts[far][np.abs(shifts[far]).max(axis=1).argmax()]
    said = [round(float(value), 2) for value in worst]
    warnings.warn(
        f"The scans do not lie on each other at the slices {starts[far].tolist()}: the "
        f"high-resolution scan is shifted by up to {said} low-resolution "
        f"voxels (z, y, x); up to {tolerance:g} was expected.",
        stacklevel=3,
    )
