"""From grey slabs to fractions, labels and probabilities with a fitted network.

The functions are at module level and take all they need, so that dask can ship them.
"""

import threading

import numpy as np
import torch

from icecoreseg._validation import check_grey_values
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.metrics import confusion_counts
from icecoreseg.metrics._scores import _dice
from icecoreseg.segmentation._device import memory_format
from icecoreseg.segmentation._survey import ice_target
from icecoreseg.segmentation._tiling import slice_logits
from icecoreseg.segmentation._training import void_aware_loss

_ONE_AT_A_TIME = threading.Lock()
"""Torch uses every core for one slice; dask's threads would only multiply the memory."""


def place(network, device):
    """Put the network on a device, ready to predict."""
    return network.to(device, memory_format=memory_format(device, training=False)).eval()


def slab_logits(X, *, network, grey, tile_size):
    """Log-odds of ice of a grey slab.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey values.
    network : UNet
        On its device; see `place`.
    grey : GreyScale
    tile_size : int

    Returns
    -------
    array of shape (n_slices, n_rows, n_columns)
        float32, NaN outside.
    """
    check_grey_values(X, grey.outside)
    logits = np.empty(X.shape, dtype=np.float32)
    for i, x in enumerate(X):
        with _ONE_AT_A_TIME:
            logits[i] = slice_logits(network, grey.apply(x), tile_size=tile_size)
    return logits


def slab_fraction(X, **options):
    """Ice fraction of a grey slab: float32 in [0, 1], NaN outside."""
    logits = slab_logits(X, **options)
    return torch.sigmoid_(torch.from_numpy(logits)).numpy()


def slab_labels(X, *, threshold, **options):
    """Labels of a grey slab: ICE where the fraction reaches the threshold."""
    return labels_of_fraction(slab_fraction(X, **options), threshold)


def labels_of_fraction(fraction, threshold):
    """Labels of ice fractions.

    Examples
    --------
    >>> labels_of_fraction(np.array([0.2, 0.5, np.nan]), 0.5).tolist()
    [0, 1, 255]
    """
    labels = np.where(fraction >= threshold, np.uint8(ICE), np.uint8(AIR))
    labels[np.isnan(fraction)] = OUTSIDE
    return labels


def slab_probabilities(X, **options):
    """Probabilities of air and ice of a grey slab, shape (n_slices, 2, n_rows, n_columns)."""
    fraction = slab_fraction(X, **options)
    return np.stack([1 - fraction, fraction], axis=1)


def validation_scores(network, slabs, *, grey, tile_size, threshold):
    """Loss and Dice scores on data that the training does not see.

    Parameters
    ----------
    network : UNet
        Left in training mode, where the loop wants it.
    slabs : iterable of (start, X, y)
        Grey values and labels or fractions.

    Returns
    -------
    dict
        "valid_loss" (mean cross-entropy per valid voxel), "valid_dice_ice" and
        "valid_dice_air" of the labels at `threshold`, fractions of 0.5 counting as ice.
    """
    total, n_valid, counts = 0.0, 0, np.zeros((2, 3), dtype=np.int64)
    network.eval()
    for _, X, y in slabs:
        logits = torch.from_numpy(slab_logits(X, network=network, grey=grey, tile_size=tile_size))
        target = torch.from_numpy(ice_target(y)).masked_fill(logits.isnan(), torch.nan)
        total += void_aware_loss(logits.nan_to_num(), target).item()
        n_valid += torch.count_nonzero(~target.isnan()).item()
        truth = labels_of_fraction(target.numpy(), 0.5)
        predicted = labels_of_fraction(logits.sigmoid().numpy(), threshold)
        counts += confusion_counts(truth, predicted).sum(axis=0)
    network.train()
    if n_valid == 0:
        raise ValueError("validation_data holds no voxel that is inside the specimen and labelled.")
    return {
        "valid_loss": total / n_valid,
        "valid_dice_ice": float(_dice(counts, ICE)),
        "valid_dice_air": float(_dice(counts, AIR)),
    }
