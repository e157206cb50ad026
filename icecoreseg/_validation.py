"""What every function checks before it works, said once.

The package refuses instead of repairing: a wrong array gets a ``ValueError`` that
names the offending and the expected value. Nothing here copies data, and nothing
computes a lazy (dask) array: checks that need the values (`check_label_values`,
`check_grey_values`) run on the slabs as they come.
"""

import warnings
from numbers import Real

import numpy as np

from icecoreseg.labels import AIR, ICE, OUTSIDE


def is_lazy(X):
    """Whether X is a dask array (without importing dask)."""
    return hasattr(X, "__dask_graph__") and hasattr(X, "chunks")


def check_stack(X, *, name="X", kinds="uf"):
    """Return X as a 3-D numpy or dask array, or say what is wrong with it.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey stack (uint8, uint16, float32 or float64).
    name : str
        The argument's name in error messages.
    kinds : str
        Accepted ``dtype.kind`` letters.

    Raises
    ------
    ValueError
        If X is not 3-D, has an empty axis, an unknown length, or a dtype of another kind.
    """
    if isinstance(X, (list, tuple)) and X and all(getattr(x, "ndim", 0) == 3 for x in X):
        raise ValueError(f"{name} is a list of {len(X)} stacks; expected one core at a time.")
    if not is_lazy(X):
        X = np.asanyarray(X)
    if X.ndim == 2:
        raise ValueError(
            f"Expected {name} as a stack of shape (n_slices, n_rows, n_columns), got a single "
            f"slice of shape {X.shape}. Pass {name}[np.newaxis] if it is one slice."
        )
    if X.ndim != 3:
        raise ValueError(
            f"Expected {name} as a stack of shape (n_slices, n_rows, n_columns), "
            f"got an array of shape {X.shape}."
        )
    if any(length != length for length in X.shape):
        raise ValueError(
            f"{name} is a dask array of unknown shape {X.shape}; call its compute_chunk_sizes()."
        )
    if 0 in X.shape:
        raise ValueError(f"{name} has an empty axis: shape {X.shape}.")
    if X.dtype.kind not in kinds or (kinds == "uf" and X.dtype not in _GREY):
        expected = ", ".join(_KINDS[kind] for kind in kinds)
        raise ValueError(f"{name} has dtype {X.dtype}; expected {expected}.")
    return X


_GREY = ("uint8", "uint16", "float32", "float64")
_KINDS = {"u": "uint8 or uint16", "f": "float32 or float64", "i": "integers", "b": "bool"}


def check_labels(y, *, name="y"):
    """Return y as a label stack with integer dtype; bool counts as ``True`` = ice.

    The values are checked too (on the slabs, if y is lazy, by those who compute them).
    """
    y = check_stack(y, name=name, kinds="uib")
    if y.dtype.kind == "b":
        return y.view(np.uint8) if not is_lazy(y) else y.astype(np.uint8)
    return y if is_lazy(y) else check_label_values(y, name=name)


def check_label_values(y, *, name="y"):
    """Raise ValueError unless every value of y is AIR, ICE or OUTSIDE."""
    y = np.asarray(y)
    known = (y == AIR) | (y == ICE) | (y == OUTSIDE)
    if not known.all():
        strange = np.unique(y[~known])[:5].tolist()
        raise ValueError(
            f"{name} holds the values {strange}; labels are AIR={AIR}, ICE={ICE} and "
            f"OUTSIDE={OUTSIDE}."
        )
    return y


def check_labels_or_fraction(y, *, name="y"):
    """Return labels (integer dtype) or ice fractions (float dtype in [0, 1], NaN outside)."""
    y = check_stack(y, name=name, kinds="ufib")
    if y.dtype.kind != "f":
        return check_labels(y, name=name)
    return y if is_lazy(y) else check_fraction_values(y, name=name)


def check_fraction_values(y, *, name="y"):
    """Raise ValueError unless every value of y is in [0, 1] or NaN."""
    low, high = _nan_range(y)
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} holds values from {low:g} to {high:g}; ice fractions lie in [0, 1], "
            "with NaN outside the specimen."
        )
    return y


def _nan_range(y):
    """Smallest and largest value that is not NaN; (0, 0) where there is none."""
    low, high = np.fmin.reduce(y, axis=None), np.fmax.reduce(y, axis=None)
    return (0.0, 0.0) if np.isnan(low) else (float(low), float(high))


def inside_mask(X, outside=np.nan):
    """Boolean mask, True where a grey stack holds the specimen.

    Parameters
    ----------
    X : array of any shape
        Grey values.
    outside : float or int
        The value that marks what is outside; NaN or a number. NaN always counts as
        outside in float data.

    Examples
    --------
    >>> import numpy as np
    >>> inside_mask(np.array([0, 7, 9], dtype=np.uint8), outside=0).tolist()
    [False, True, True]
    """
    if X.dtype.kind != "f":
        return np.ones(X.shape, dtype=bool) if np.isnan(outside) else X != outside
    inside = ~np.isnan(X)
    if not np.isnan(outside):
        inside &= X != outside
    return inside


def check_grey_values(X, outside=np.nan, *, name="X"):
    """Raise ValueError for infinities, and for NaN where another outside value is declared."""
    if X.dtype.kind != "f":
        return X
    if np.isinf(X).any():
        raise ValueError(f"{name} holds infinite values.")
    if not np.isnan(outside) and np.isnan(X).any():
        raise ValueError(
            f"{name} holds NaN, but outside={outside!r} is declared as the outside value; "
            "use outside=np.nan, or replace the NaN."
        )
    return X


def warn_if_outside_unmarked(X, outside, *, name="X"):
    """Warn if NaN is to mark the outside, but a run of 0 (or the top value) seems to.

    Looks at the middle slice: its four corners hold one such value, as do at least 5 % of
    its voxels. So look raw scans, and stacks masked with another outside value.
    """
    if not np.isnan(outside):
        return
    image = np.asarray(X[X.shape[0] // 2])
    value = image[0, 0]
    marks = (0, np.iinfo(image.dtype).max) if image.dtype.kind == "u" else (0,)
    corners = image[:: image.shape[0] - 1 or 1, :: image.shape[1] - 1 or 1]
    if value not in marks or not (corners == value).all():
        return
    share = np.count_nonzero(image == value) / image.size
    if share >= 0.05:
        warnings.warn(
            f"{share:.0%} of a slice of {name}, its corners included, is exactly {value}, but "
            f"outside=nan. If {value} marks what is outside the specimen, pass outside={value}; if "
            "the scan is raw, mask it first (CoreMasker).",
            stacklevel=3,
        )


def check_outside(outside, dtype):
    """Raise ValueError unless `outside` can stand in an array of this dtype."""
    if not isinstance(outside, Real) or isinstance(outside, bool):
        raise ValueError(f"outside must be a number or NaN, got {outside!r}.")
    if np.dtype(dtype).kind == "u" and not np.isnan(outside):
        top = np.iinfo(dtype).max
        if outside != int(outside) or not 0 <= outside <= top:
            raise ValueError(f"outside={outside!r} does not fit {dtype} (0 to {top}).")


def check_same_shape(a, b, *, names):
    """Raise ValueError unless two stacks have one shape."""
    if a.shape != b.shape:
        raise ValueError(f"{names[0]} has shape {a.shape}, but {names[1]} has shape {b.shape}.")


def check_voxel_size(voxel_size_um):
    """Return the voxel edges (z, y, x) in micrometres as three floats.

    Examples
    --------
    >>> check_voxel_size(30)
    (30.0, 30.0, 30.0)
    """
    try:
        edges = np.broadcast_to(np.asarray(voxel_size_um, dtype=float), (3,))
    except (TypeError, ValueError):
        edges = np.array([np.nan])
    if not (np.isfinite(edges).all() and (edges > 0).all()):
        raise ValueError(
            "voxel_size_um must be one positive number or three (z, y, x), in micrometres; "
            f"got {voxel_size_um!r}."
        )
    return tuple(float(edge) for edge in edges)


def check_choice(value, choices, *, name):
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"{name}={value!r} is not known; choose one of {sorted(choices, key=str)}."
        )
    return value


def check_positive_int(value, *, name, minimum=1):
    """Raise ValueError unless `value` is an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return int(value)
