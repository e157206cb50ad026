"""Mean intercept lengths of ice and of air: how long a test line stays in one phase.

A line through the structure changes phase P_L times per unit length; half of these
changes begin a piece in ice, so the mean piece is l_ice = 2 phi_i / P_L and
l_air = 2 (1 - phi_i) / P_L. Counting changes needs no whole chords, so that the edge of
the specimen cuts none.
"""

import numpy as np

from icecoreseg._ice import check_measured, slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import check_choice, check_voxel_size
from icecoreseg.labels import AIR, ICE
from icecoreseg.microstructure._directions import direction_weights, step_vectors
from icecoreseg.microstructure._transitions import STEPS_2D, STEPS_3D, stack_transitions
from icecoreseg.microstructure.boundary import crossings_per_mm, slice_transitions
from icecoreseg.microstructure.density import fraction_of


def mean_intercept_length(
    y: Stack, voxel_size_um: VoxelSize, *, phase: int = ICE, axis=None, per_slice: bool = False
):
    """Mean intercept length (mean chord) of one phase, in mm.

    l = 2 phi / P_L = 4 phi / S_V, with phi the volume fraction of the phase.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions: their surface lies at one half.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    phase : {ICE, AIR}
    axis : {None, 0, 1, 2}
        Along z, y or x only; None: mean over all directions.
    per_slice : bool
        One value per slice, from in-plane directions.

    Returns
    -------
    float or array of shape (n_slices,)
        NaN where no boundary is seen.

    References
    ----------
    Underwood, E. E. (1970), Quantitative stereology.

    Examples
    --------
    Layers of 3 and 5 voxels across the core: along z the intercepts are 3 and 5 mm.

    >>> import numpy as np
    >>> y = (np.arange(800) % 8 < 3)[:, None, None] & np.ones((1, 4, 4), bool)
    >>> round(mean_intercept_length(y, 1000, axis=0), 1)
    3.0
    >>> round(mean_intercept_length(y, 1000, axis=0, phase=0), 1)
    5.0
    """
    check_choice(phase, (AIR, ICE), name="phase")
    if axis is not None:
        check_choice(axis, (1, 2) if per_slice else (0, 1, 2), name="axis")
    edges_um = check_voxel_size(voxel_size_um)
    ice = fraction_of(slice_amounts(y) if per_slice else slice_amounts(y).sum(axis=0))
    if per_slice:
        return intercepts_of(ice, slice_transitions(y), edges_um, phase=phase, axis=axis)
    rates = crossing_rates(y, edges_um)
    return float(_intercept(ice, _pick_3d(rates, edges_um, axis), phase))


def intercepts_of(ice, transitions, voxel_size_um, *, phase=ICE, axis=None):
    """In-plane intercepts in mm from ice fractions and counts of shape (..., 4, 2)."""
    units, lengths = step_vectors(STEPS_2D, voxel_size_um[1:])
    rates = crossings_per_mm(transitions, lengths)
    if axis is None:
        return _intercept(ice, (rates * direction_weights(units)).sum(axis=-1), phase)
    return _intercept(ice, rates[..., STEPS_2D.index((0, 1) if axis == 2 else (1, 0))], phase)


def crossing_rates(y, voxel_size_um):
    """P_L in mm-1 of the thirteen directions `STEPS_3D`; NaN where there are no pairs."""
    _, lengths = step_vectors(STEPS_3D, voxel_size_um)
    return crossings_per_mm(stack_transitions(check_measured(y)), lengths)


def _pick_3d(rates, voxel_size_um, axis):
    if axis is None:
        units, _ = step_vectors(STEPS_3D, voxel_size_um)
        return rates @ direction_weights(units)
    return rates[STEPS_3D.index(tuple(int(i == axis) for i in range(3)))]


def _intercept(ice, rate, phase):
    """2 phi / P_L, NaN where the rate is zero or unknown."""
    share = np.asarray(ice if phase == ICE else 1 - ice, dtype=float)
    rate = np.asarray(rate, dtype=float)
    return np.divide(2 * share, rate, out=np.full(rate.shape, np.nan), where=rate > 0)
