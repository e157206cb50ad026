"""Confusion counts: one pass over two label stacks, from which every score follows."""

import numpy as np

from icecoreseg._slabs import iterate_slabs
from icecoreseg._typing import Stack
from icecoreseg._validation import check_label_values, check_same_shape, check_stack
from icecoreseg.labels import AIR, ICE, OUTSIDE

BLOCK_VOXELS = 2**20
"""Voxels compared at a time: few enough for the temporary images to stay in the cache."""


def confusion_counts(y_true: Stack, y_pred: Stack):
    """Count, slice by slice, which truth got which prediction.

    Voxels that are OUTSIDE in the truth are ignored, whatever was predicted there. A
    prediction of OUTSIDE *inside* the true specimen is an error of its own kind: the
    voxel was missed. It is neither predicted ice nor predicted air, so it lowers
    accuracy, recall, Dice and Jaccard of its true class and leaves precision alone, as
    scikit-learn does with a third class.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_slices, n_rows, n_columns)
        Labels AIR, ICE, OUTSIDE; numpy or dask (then computed slab by slab).

    Returns
    -------
    array of shape (n_slices, 2, 3), int64
        ``counts[i, t, p]``: voxels of slice i with true class t (AIR = 0, ICE = 1) and
        predicted class p (AIR = 0, ICE = 1, missed = 2). With ice as the positive class,
        ``counts[:, ICE, ICE]`` are the true positives, ``counts[:, AIR, ICE]`` the false
        positives, ``counts[:, ICE, [AIR, 2]]`` the false negatives and
        ``counts[:, AIR, AIR]`` the true negatives.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is no label.

    Examples
    --------
    >>> import numpy as np
    >>> y_true = np.array([[[1, 1, 1, 0, 0, 255]]], dtype=np.uint8)
    >>> y_pred = np.array([[[1, 1, 0, 0, 255, 1]]], dtype=np.uint8)
    >>> confusion_counts(y_true, y_pred)[0].tolist()
    [[1, 0, 1], [1, 2, 0]]
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    counts = np.zeros((y_true.shape[0], 2, 3), dtype=np.int64)
    for start, true_slab, predicted_slab in iterate_slabs(y_true, y_pred):
        for offset, pair in enumerate(zip(true_slab, predicted_slab, strict=True)):
            counts[start + offset] = _count_slice(*pair)
    return counts


def _check_pair(y_true, y_pred):
    """Check kind and shape; the values are checked by the counting itself, at no cost."""
    stacks = []
    for y, name in ((y_true, "y_true"), (y_pred, "y_pred")):
        if getattr(y, "dtype", None) is not None and y.dtype.kind == "f":
            raise ValueError(
                f"{name} has dtype {y.dtype}; scores compare labels. Threshold fractions first, "
                "for example with icecoreseg.downsample_labels(..., threshold=0.5)."
            )
        stacks.append(check_stack(y, name=name, kinds="uib"))
    check_same_shape(*stacks, names=("y_true", "y_pred"))
    return stacks


def _count_slice(true, predicted):
    """2 x 3 counts of one slice, block by block."""
    true, predicted = np.ravel(true), np.ravel(predicted)
    counts = np.zeros((2, 3), dtype=np.int64)
    for start in range(0, true.size, BLOCK_VOXELS):
        block = slice(start, start + BLOCK_VOXELS)
        counts += _count_block(true[block], predicted[block])
    return counts


def _count_block(true, predicted):
    """2 x 3 counts of a short run of voxels, on images of one bit per voxel.

    Comparing bytes, packing bits and counting them are vectorised, which makes this
    hundreds of times faster than sorting labels or scattered additions. AIR being 0, the
    bits of "not air" need no comparison.
    """
    ice, not_air = _pack(true == ICE), _pack(true)
    as_ice, as_not_air = _pack(predicted == ICE), _pack(predicted)
    n_ice, n_air = _count_bits(ice), true.size - _count_bits(not_air)
    ice_not_as_air, air_not_as_air = (
        _count_bits(ice & as_not_air),
        _count_bits(as_not_air & ~not_air),
    )
    hit, false = _count_bits(ice & as_ice), _count_bits(as_ice & ~not_air)
    counts = np.empty((2, 3), dtype=np.int64)
    counts[AIR] = n_air - air_not_as_air, false, air_not_as_air - false
    counts[ICE] = n_ice - ice_not_as_air, hit, ice_not_as_air - hit
    _check_counted(counts, true, predicted)
    return counts


def _pack(mask):
    """One bit per voxel, as words of 64 bits where the length allows."""
    packed = np.packbits(mask)
    return packed.view(np.uint64) if packed.size % 8 == 0 else packed


def _count_bits(words):
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def _check_counted(counts, true, predicted):
    """Look for values that are no labels, only where the counts do not add up."""
    n_unknown = true.size - counts.sum()
    if n_unknown and n_unknown != np.count_nonzero(true == OUTSIDE):
        check_label_values(true, name="y_true")
    if counts[:, 2].any():
        check_label_values(predicted, name="y_pred")
