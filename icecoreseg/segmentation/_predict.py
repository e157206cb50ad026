"""From grey slabs to fractions, labels and probabilities with a fitted network.

The functions are at module level and take all they need, so that dask can ship them.
"""

import copy
import threading
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import torch

from icecoreseg._validation import check_grey_values
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.metrics import confusion_counts
from icecoreseg.metrics._scores import _dice
from icecoreseg.segmentation._context import with_neighbours
from icecoreseg.segmentation._device import choose_device, memory_format, to_device
from icecoreseg.segmentation._loss import void_aware_loss
from icecoreseg.segmentation._sampling import N_AHEAD, in_order
from icecoreseg.segmentation._survey import checked_target
from icecoreseg.segmentation._tiling import slice_logits

_ONE_AT_A_TIME = threading.Lock()
"""Torch uses every core for one slice; dask's threads would only multiply the memory."""


def place(network, device):
    """Put the network on a device, ready to predict."""
    return network.to(device, memory_format=memory_format(device, training=False)).eval()


_PLACED: WeakKeyDictionary = WeakKeyDictionary()


def placed_copy(network, device):
    """A network on the device that this process chooses: itself on the CPU, else one copy.

    A lazy stack may be computed by workers that have a GPU, although the client has none. The
    copy is kept while the network lives and its weights stay as they are.
    """
    device = choose_device(device)
    if device.type == "cpu":
        return network
    version = str(device), sum(weights._version for weights in network.parameters())
    with _ONE_AT_A_TIME:
        known, copied = _PLACED.get(network, (None, None))
        if known != version:
            copied = place(copy.deepcopy(network), device)
            _PLACED[network] = version, copied
    return copied


def slab_logits(X, *, network, grey, tile_size, device=None, inner=slice(None)):
    """Yield the log-odds of ice, slice by slice.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey values.
    network : UNet
        On its device (see `place`) if no `device` is given.
    grey : GreyScale
    tile_size : int
    device : str, optional
        Where to predict; see `placed_copy`.
    inner : slice
        The slices that are wanted; the others are their neighbours.

    Yields
    ------
    tensor of shape (n_rows, n_columns)
        float32, NaN outside, on the network's device.
    """
    check_grey_values(X, grey.outside)
    network = network if device is None else placed_copy(network, device)
    device = next(network.parameters()).device
    prepare = partial(with_neighbours, X, context_slices=network.context_slices, grey=grey)
    wanted = range(len(X))[inner]
    for x in in_order(prepare, wanted, n_ahead=N_AHEAD if device.type == "cuda" else 0):
        with _ONE_AT_A_TIME:
            logits = slice_logits(network, to_device(x, device), tile_size=tile_size)
        yield logits


def slab_fraction(X, *, inner=slice(None), **options):
    """Ice fraction of a grey slab: float32 in [0, 1], NaN outside."""
    fraction = np.empty(X[inner].shape, dtype=np.float32)
    for i, logits in enumerate(slab_logits(X, inner=inner, **options)):
        fraction[i] = logits.sigmoid().cpu().numpy()
    return fraction


def slab_labels(X, *, threshold, inner=slice(None), **options):
    """Labels of a grey slab: ICE where the fraction reaches the threshold."""
    labels = np.empty(X[inner].shape, dtype=np.uint8)
    for i, logits in enumerate(slab_logits(X, inner=inner, **options)):
        labels[i] = threshold_fraction(logits.sigmoid(), threshold).cpu().numpy()
    return labels


def threshold_fraction(fraction, threshold):
    """Labels of a tensor of ice fractions, as a uint8 tensor.

    Examples
    --------
    >>> threshold_fraction(torch.tensor([0.2, 0.5, torch.nan]), 0.5).tolist()
    [0, 1, 255]
    """
    labels = torch.where(fraction >= threshold, ICE, AIR).to(torch.uint8)
    return labels.masked_fill_(fraction.isnan(), OUTSIDE)


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
    slabs : iterable of (X, y, inner)
        Grey values, and labels or fractions of ``X[inner]``.

    Returns
    -------
    dict
        "valid_loss" (mean cross-entropy per valid voxel), "valid_dice_ice" and
        "valid_dice_air" of the labels at `threshold`, fractions of 0.5 counting as ice.
    """
    total, n_valid, counts = 0.0, 0, np.zeros((2, 3), dtype=np.int64)
    network.eval()
    for X, y, inner in slabs:
        targets = torch.from_numpy(checked_target(X[inner], y, grey.outside))
        found = slab_logits(X, network=network, grey=grey, tile_size=tile_size, inner=inner)
        for logits, target in zip(found, targets, strict=True):
            logits = logits.cpu()
            valid_logits = logits.masked_fill(target.isnan(), 0.0)  # NaN elsewhere is to be seen
            total += void_aware_loss(valid_logits, target).item()
            n_valid += torch.count_nonzero(~target.isnan()).item()
            pair = (target, 0.5), (logits.sigmoid(), threshold)
            labels = (threshold_fraction(*one).numpy()[np.newaxis] for one in pair)
            counts += confusion_counts(*labels)[0]
    network.train()
    return {
        "valid_loss": total / n_valid,
        "valid_dice_ice": float(_dice(counts, ICE)),
        "valid_dice_air": float(_dice(counts, AIR)),
    }
