"""One pass over the training stacks: checks, grey levels, and where the specimen lies.

Lazy stacks are read slab by slab; what is kept is a few numbers per slice.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from icecoreseg._slabs import iterate_slabs
from icecoreseg._validation import (
    check_fraction_values,
    check_grey_values,
    check_label_values,
    check_labels_or_fraction,
    check_outside,
    check_same_shape,
    check_stack,
    inside_mask,
)
from icecoreseg.labels import OUTSIDE
from icecoreseg.segmentation._ahead import N_AHEAD, in_order
from icecoreseg.segmentation._device import decoded


@dataclass(frozen=True)
class GreyScale:
    """Grey values to network input: subtract the mean, divide by the standard deviation.

    Both are those of all training voxels inside the specimen, never of one slice: one
    bright artefact cannot rescale a slice, and a slice without ice stays without contrast.

    Examples
    --------
    >>> scale = GreyScale(mean=100.0, sd=20.0, outside=0)
    >>> scale.apply(torch.tensor([80, 140, 0], dtype=torch.uint8)).tolist()
    [-1.0, 2.0, nan]
    """

    mean: float
    sd: float
    outside: float

    def apply(self, X):
        """Network input of a tensor of grey values, NaN outside; the one cast to float32."""
        X = decoded(X)
        scaled = X.to(torch.float32, copy=True).sub_(self.mean).mul_(1 / self.sd)
        if np.isnan(self.outside):
            return scaled
        return scaled.masked_fill_(X == self.outside, torch.nan)


@dataclass(frozen=True)
class Survey:
    """What one pass over the training data found.

    Attributes
    ----------
    grey : GreyScale
    ice_share : float
        Mean ice fraction of the valid voxels.
    n_valid : list of arrays of shape (n_slices,)
        Voxels per slice that take part in the loss; one array per core.
    boxes : list of arrays of shape (n_slices, 4)
        First and last row, first and last column (exclusive) of those voxels.
    """

    grey: GreyScale
    ice_share: float
    n_valid: list
    boxes: list


def check_cores(X, y, *, outside=np.nan):
    """Return lists of grey stacks and labels: one entry per core.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns), or list of such arrays
        A list holds one stack per core; their sizes may differ.
    y : array like X, or list of such arrays
        Labels, or ice fractions (float, NaN outside).

    Raises
    ------
    ValueError
        If the numbers of stacks or their shapes differ.
    """
    several = isinstance(X, list | tuple)
    if several != isinstance(y, list | tuple):
        raise ValueError("X and y must both be stacks, or both lists with one stack per core.")
    Xs, ys = (list(X), list(y)) if several else ([X], [y])
    if len(Xs) != len(ys) or not Xs:
        raise ValueError(f"X holds {len(Xs)} stacks, but y holds {len(ys)}; one each per core.")
    for i in range(len(Xs)):
        x_name, y_name = (f"X[{i}]", f"y[{i}]") if several else ("X", "y")
        Xs[i] = check_stack(Xs[i], name=x_name)
        ys[i] = check_labels_or_fraction(ys[i], name=y_name)
        check_same_shape(Xs[i], ys[i], names=(x_name, y_name))
        check_outside(outside, Xs[i].dtype)
    return Xs, ys


def ice_target(y):
    """Ice fraction to learn, float32, NaN where y is void.

    Examples
    --------
    >>> ice_target(np.array([0, 1, 255], dtype=np.uint8)).tolist()
    [0.0, 1.0, nan]
    """
    target = y.astype(np.float32)  # AIR is 0, ICE is 1
    if y.dtype.kind != "f":
        np.putmask(target, y == OUTSIDE, np.nan)
    return target


def labels_to_keep(y):
    """Labels as uint8, or ice fractions as float32: as small as they can be kept."""
    return y.astype(np.float32 if y.dtype.kind == "f" else np.uint8, copy=False)


def ice_share(labels):
    """`ice_target` of a tensor of `labels_to_keep`.

    Examples
    --------
    >>> ice_share(torch.tensor([0, 1, 255], dtype=torch.uint8)).tolist()
    [0.0, 1.0, nan]
    """
    if labels.is_floating_point():
        return labels
    return labels.to(torch.float32).masked_fill_(labels == OUTSIDE, torch.nan)


def survey(Xs, ys, *, outside=np.nan, grey=None, keep=None):
    """Read the training stacks once; see `Survey`.

    Parameters
    ----------
    Xs, ys : lists of arrays of shape (n_slices, n_rows, n_columns)
    outside : float or int
    grey : GreyScale, optional
        The grey scale to keep, when a network is trained further.
    keep : callable, optional
        Called as ``keep(core, start, X, y)`` with every slab, so that none is decoded twice.

    Raises
    ------
    ValueError
        If a value is out of bounds, no voxel is both inside the specimen and labelled,
        all labelled voxels have one class, or all grey values are the same.
    """
    n_valid, boxes, sums = [], [], np.zeros(4)
    for core, stacks in enumerate(zip(Xs, ys, strict=True)):
        told = None if keep is None else partial(keep, core)
        counts, core_boxes, core_sums = zip(*_looks(stacks, outside, told), strict=True)
        n_valid.append(np.array(counts))
        boxes.append(np.array(core_boxes))
        sums += np.sum(core_sums, axis=0)
    found, ice_share = _pooled(sums, outside)
    return Survey(grey or found, ice_share, n_valid, boxes)


def _looks(stacks, outside, keep=None):
    """Yield what `_look` finds in every slice, on as many threads as torch may use."""
    n_threads = min(N_AHEAD, torch.get_num_threads())
    look = partial(_look, outside=outside)
    return in_order(look, _slices(stacks, keep), n_ahead=n_threads if n_threads > 1 else 0)


def _slices(stacks, keep):
    """Yield grey values and labels of every slice, and hand slabs on."""
    for start, *slabs in iterate_slabs(*stacks):
        if keep is not None:
            keep(start, *slabs)
        yield from zip(*slabs, strict=True)


def _look(pair, outside):
    """Number of valid voxels of a slice, their bounding box, and `_sums`."""
    target = checked_target(*pair, outside)
    valid = ~np.isnan(target)
    return np.count_nonzero(valid), _bounding_box(valid), _sums(pair[0], target)


def count_valid(X, y, *, outside):
    """Voxels of one core that are inside the specimen and labelled; values are checked."""
    return sum(count for count, _, _ in _looks((X, y), outside))


def checked_target(X, y, outside):
    """Ice fraction to learn of a slab, NaN where X is outside too, or what is wrong with it."""
    check_grey_values(X, outside)
    if y.dtype.kind == "f":
        check_fraction_values(y)
    else:
        check_label_values(y)
    target = ice_target(y)
    np.putmask(target, ~inside_mask(X, outside), np.nan)
    return target


def _sums(X, target):
    """Count, sum, sum of squares of the grey values, and sum of ice, over valid voxels."""
    valid = ~np.isnan(target)
    grey = X[valid].astype(np.float64)
    return np.array([grey.size, grey.sum(), grey @ grey, target[valid].sum(dtype=np.float64)])


def _pooled(sums, outside):
    """Grey scale and ice share of the sums over all cores."""
    n, grey, squares, ice = sums
    if n == 0:
        raise ValueError(
            "No valid voxel: everywhere X is outside the specimen or y is void "
            f"(OUTSIDE or NaN), with outside={outside!r}."
        )
    if ice in (0.0, n):
        only = "ICE" if ice else "AIR"
        raise ValueError(
            f"All {int(n)} valid voxels of y are {only}; training needs both classes (labels are "
            "AIR=0, ICE=1 and OUTSIDE=255)."
        )
    variance = squares / n - (grey / n) ** 2
    if variance <= 1e-12 * squares / n:
        raise ValueError(f"All valid voxels of X have one grey value ({grey / n:g}).")
    return GreyScale(float(grey / n), float(np.sqrt(variance)), outside), float(ice / n)


def _bounding_box(valid):
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    if rows.size == 0:
        return 0, 0, 0, 0
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
