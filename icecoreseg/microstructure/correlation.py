"""Two-point correlation along the three axes, and the correlation lengths.

S2(r) is the probability that two points a distance r apart both lie in ice; normalised,
C(r) = (S2(r) - phi_i^2) / (phi_i (1 - phi_i)) falls from 1 to about 0. Pairs are counted
directly, only where both voxels lie inside the specimen, which is exact, needs no
Fourier transform of a padded core and no more memory than the labels.
"""

from typing import Any

import numpy as np

from icecoreseg._ice import as_labels, check_measured, slice_amounts
from icecoreseg._typing import Stack, VoxelSize
from icecoreseg._validation import (
    check_choice,
    check_fraction_values,
    check_voxel_size,
    is_lazy,
)
from icecoreseg.labels import ICE, OUTSIDE
from icecoreseg.microstructure._tables import make_table
from icecoreseg.microstructure._transitions import blocks, neighbours
from icecoreseg.microstructure.density import fraction_of
from icecoreseg.microstructure.surface import surface_density

AXIS_NAMES = ("z", "y", "x")


def two_point_correlation(
    y: Stack, voxel_size_um: VoxelSize, *, max_lag_mm: float | None = None, axes=(0, 1, 2)
):
    """Two-point correlation of the ice along the axes of the stack.

    Parameters
    ----------
    y : array of shape (n_slices, n_rows, n_columns)
        Labels, or ice fractions (NaN outside). A lazy stack is loaded: give a slab.
    voxel_size_um : float or (z, y, x)
        Voxel edge in micrometres.
    max_lag_mm : float, optional
        Largest distance; default: 50 voxels along the finest axis, but at most half of
        each axis.
    axes : sequence of {0, 1, 2}

    Returns
    -------
    table with one row per axis and lag, lag 0 first
        ``axis`` ("z", "y", "x"), ``lag_mm``, ``s2``, ``correlation`` (C), ``n_pairs``.

    References
    ----------
    Torquato, S. (2002), Random heterogeneous materials, doi:10.1007/978-1-4757-6355-3;
    snow: Loewe, H. et al. (2013), doi:10.5194/tc-7-1473-2013.

    Examples
    --------
    Stripes of period 4 across x correlate fully with themselves after 4 voxels.

    >>> import numpy as np
    >>> y = np.ones((4, 4, 40), bool) & (np.arange(40) % 4 < 2)
    >>> table = two_point_correlation(y, voxel_size_um=100, max_lag_mm=0.4, axes=[2])
    >>> [round(float(c), 6) for c in table["correlation"]]
    [1.0, 0.025..., -1.0, -0.027..., 1.0]
    """
    edges_um = check_voxel_size(voxel_size_um)
    y = _load(y)
    phi = float(fraction_of(slice_amounts(y).sum(axis=0)))
    columns: dict[str, Any] = {"axis": [], "lag_mm": [], "s2": [], "n_pairs": []}
    for axis in axes:
        check_choice(axis, (0, 1, 2), name="axes")
        for lag in range(_last_lag(y.shape[axis], edges_um, axis, max_lag_mm) + 1):
            both, n_pairs = _count_pairs(y, axis, lag)
            columns["axis"].append(AXIS_NAMES[axis])
            columns["lag_mm"].append(lag * edges_um[axis] * 1e-3)
            columns["s2"].append(both / n_pairs if n_pairs else np.nan)
            columns["n_pairs"].append(n_pairs)
    s2 = np.asarray(columns["s2"])
    spread = phi * (1 - phi)
    columns["correlation"] = (s2 - phi**2) / spread if spread > 0 else np.full(s2.shape, np.nan)
    return make_table({name: columns[name] for name in _ORDER})


_ORDER = ("axis", "lag_mm", "s2", "correlation", "n_pairs")


def correlation_length(
    y: Stack,
    voxel_size_um: VoxelSize,
    *,
    kind: str = "exponential",
    axis=None,
    max_lag_mm: float | None = None,
) -> float:
    """Correlation length of the structure, in mm.

    ``"porod"`` (also called Debye's): p_c = 4 phi (1 - phi) / S_V, from the slope of C at
    the origin. ``"exponential"``: p_ex of C(r) = exp(-r / p_ex), fitted by least squares
    to C from the first voxel to where C first falls below 1/e^2; about 0.75 p_c in many
    kinds of snow.

    Parameters
    ----------
    y, voxel_size_um, max_lag_mm
        As in `two_point_correlation`.
    kind : {"exponential", "porod"}
    axis : {None, 0, 1, 2}
        Exponential length along one axis; None: the mean of the three. The ratio of the
        vertical to the horizontal one is the anisotropy Q of snow models.

    Returns
    -------
    float
        NaN where there is one phase only.

    References
    ----------
    Debye, Anderson and Brumberger (1957), doi:10.1063/1.1722830; Maetzler, C. (2002),
    doi:10.3189/172756502781831287; Krol, Q. and Loewe, H. (2016), doi:10.5194/tc-10-2847-2016.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((40, 40, 400), bool) & (np.arange(400) // 8 % 2 == 1)
    >>> round(correlation_length(y, voxel_size_um=100, kind="porod"), 1)  # 4/4 / 1.25 mm-1
    0.8
    """
    check_choice(kind, ("exponential", "porod"), name="kind")
    if axis is not None:
        check_choice(axis, (0, 1, 2), name="axis")
    if kind == "porod":
        phi = float(fraction_of(slice_amounts(y).sum(axis=0)))
        surface = surface_density(y, voxel_size_um)
        return 4 * phi * (1 - phi) / surface if surface > 0 else np.nan
    axes = (0, 1, 2) if axis is None else (axis,)
    table = two_point_correlation(y, voxel_size_um, max_lag_mm=max_lag_mm, axes=axes)
    names, lags, values = (np.asarray(table[c]) for c in ("axis", "lag_mm", "correlation"))
    chosen = [names == AXIS_NAMES[a] for a in axes]
    return float(np.mean([fit_exponential(lags[c], values[c]) for c in chosen]))


def fit_exponential(lags_mm, correlation):
    """Length p of exp(-r / p), by least squares over the first decay to 1/e^2; NaN if none."""
    from scipy.optimize import minimize_scalar

    below = np.flatnonzero(~(correlation > np.exp(-2)))
    stop = max(3, below[0] + 1 if below.size else correlation.size)
    lags, values = lags_mm[1:stop], correlation[1:stop]
    if lags.size == 0 or np.isnan(values).any():
        return np.nan
    misfit = minimize_scalar(
        lambda log_p: ((values - np.exp(-lags / np.exp(log_p))) ** 2).sum(),
        bounds=(np.log(lags[0] * 1e-2), np.log(lags[-1] * 1e2)),
        method="bounded",
    )
    return float(np.exp(misfit.x))


def _load(y):
    y = check_measured(y)
    y = np.asarray(y) if is_lazy(y) else y
    return check_fraction_values(y) if y.dtype.kind == "f" else as_labels(y)


def _last_lag(n, edges_um, axis, max_lag_mm):
    longest_um = 50 * min(edges_um) if max_lag_mm is None else float(max_lag_mm) * 1e3
    last = int(longest_um / edges_um[axis] + 1e-9)
    return min(last, n // 2 if max_lag_mm is None else n - 1)


def _count_pairs(y, axis, lag):
    """Sum over pairs of ice times ice, and the number of pairs inside."""
    step = tuple(lag if i == axis else 0 for i in range(3))
    count = _count_fractions if y.dtype.kind == "f" else _count_labels
    both, n_pairs = 0.0, 0
    for near, far in blocks(*neighbours(y, step)):
        ice, pairs = count(near, far)
        both, n_pairs = both + ice, n_pairs + pairs
    return float(both), int(n_pairs)


def _count_fractions(near, far):
    product = near * far
    return np.nansum(product, dtype=float), product.size - np.count_nonzero(np.isnan(product))


def _count_labels(near, far):
    if near.max() <= ICE and far.max() <= ICE:
        return np.count_nonzero(near & far), near.size
    both = np.count_nonzero((near == ICE) & (far == ICE))
    return both, np.count_nonzero(np.maximum(near, far) != OUTSIDE)
