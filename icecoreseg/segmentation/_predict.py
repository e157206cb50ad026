"""From grey stacks to fractions, labels and probabilities with a fitted network.

The functions are at module level and take all they need, so that dask can ship them.
"""

import copy
import threading
from weakref import WeakKeyDictionary

import numpy as np
import torch

from icecoreseg._validation import check_grey_values
from icecoreseg.labels import AIR, ICE, OUTSIDE
from icecoreseg.metrics import confusion_counts
from icecoreseg.metrics._scores import _dice
from icecoreseg.segmentation._ahead import N_AHEAD, in_order
from icecoreseg.segmentation._context import network_input
from icecoreseg.segmentation._device import (
    Fetched,
    choose_device,
    for_threads,
    memory_format,
    to_device,
    tuned_convolutions,
)
from icecoreseg.segmentation._loss import void_aware_loss
from icecoreseg.segmentation._survey import ice_share, labels_to_keep
from icecoreseg.segmentation._tiling import fitting_logits, slices_at_once
from icecoreseg.segmentation._wide import FusedUNet

_ONE_AT_A_TIME = threading.Lock()
"""Torch uses every core for one slice; dask's threads would only multiply the memory."""


def place(network, device):
    """Put the network on a device, ready to predict; on CUDA that is a copy in another form."""
    if device.type == "cuda":
        return FusedUNet(network, device)
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
    """Yield the log-odds of ice, one or more slices at a time.

    On CUDA threads prepare what comes next, grey values travel as they are, and nothing is
    waited for: the logits may still be on their way; see `fetched`.

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
    tensor of shape (n, n_rows, n_columns)
        float32, NaN outside, on the network's device.
    """
    network = network if device is None else placed_copy(network, device)
    device = next(network.parameters()).device
    wanted, halo = range(len(X))[inner], network.context_slices
    at_once = slices_at_once(network, X.shape[1:], tile_size)

    def prepare(start):
        first, stop = max(0, start - halo), min(start + at_once, wanted.stop)
        slab = check_grey_values(X[first : stop + halo], grey.outside)
        return to_device(slab, device), slice(start - first, stop - first)

    n_ahead = N_AHEAD if device.type == "cuda" else 0
    prepare = for_threads(prepare, device)
    for slab, own in in_order(prepare, wanted[::at_once], n_ahead=n_ahead):
        with _ONE_AT_A_TIME, tuned_convolutions():
            x = network_input(slab, own, context_slices=halo, grey=grey)
            logits = fitting_logits(network, x, tile_size=tile_size)
        yield logits


def fetched(tensors):
    """Yield tensors on the host, each when the work on the next has been handed to the device."""
    before = None
    for tensor in tensors:
        latest = Fetched(tensor)
        if before is not None:
            yield before.get()
        before = latest
    if before is not None:
        yield before.get()


def stack_fraction(X, **options):
    """Ice fraction of a grey stack in memory: float32 in [0, 1], NaN outside."""
    return _collected(X, torch.sigmoid, np.float32, **options)


def stack_labels(X, *, threshold, **options):
    """Labels of a grey stack in memory: ICE where the fraction reaches the threshold."""

    def finish(logits):
        return threshold_fraction(logits.sigmoid(), threshold)

    return _collected(X, finish, np.uint8, **options)


def stack_proba(X, **options):
    """Probabilities of air and ice, shape (n_slices, 2, n_rows, n_columns), NaN outside."""

    def finish(logits):
        fraction = logits.sigmoid()
        return torch.stack([1 - fraction, fraction], dim=1)

    return _collected(X, finish, np.float32, tail=(2, *X.shape[1:]), **options)


def _collected(X, finish, dtype, *, tail=None, inner=slice(None), done=None, **options):
    """Array of ``finish(logits)`` of the slices that are wanted; ``done(n)`` hears of each n."""
    result = np.empty((len(X[inner]), *(tail or X.shape[1:])), dtype=dtype)
    start = 0
    for part in fetched(map(finish, slab_logits(X, inner=inner, **options))):
        result[start : start + len(part)] = part.numpy()
        start += len(part)
        if done is not None:
            done(len(part))
    return result


def threshold_fraction(fraction, threshold):
    """Labels of a tensor of ice fractions, as a uint8 tensor.

    Examples
    --------
    >>> threshold_fraction(torch.tensor([0.2, 0.5, torch.nan]), 0.5).tolist()
    [0, 1, 255]
    """
    labels = (fraction >= threshold).to(torch.uint8)  # AIR is 0, ICE is 1
    return labels.masked_fill_(fraction.isnan(), OUTSIDE)


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
    counts = np.zeros((2, 3), dtype=np.int64)
    device = next(network.parameters()).device
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    placed = place(network, device) if device.type == "cuda" else network.eval()
    options = {"network": placed, "grey": grey, "tile_size": tile_size}
    for truth, found in fetched(_compared(slabs, threshold, sums, options)):
        counts += confusion_counts(truth.numpy(), found.numpy()).sum(axis=0)
    network.train()
    total, n_valid = sums.tolist()
    return {
        "valid_loss": total / n_valid,
        "valid_dice_ice": float(_dice(counts, ICE)),
        "valid_dice_air": float(_dice(counts, AIR)),
    }


def _compared(slabs, threshold, sums, options):
    """Yield labels wanted and found, (2, n, n_rows, n_columns); add up loss and valid voxels."""
    grey = options["grey"]
    for X, y, inner in slabs:
        start, wanted = 0, X[inner]
        for logits in slab_logits(X, inner=inner, **options):
            part = slice(start, start + len(logits))
            target = ice_share(to_device(labels_to_keep(y[part]), logits.device))
            void = grey.apply(to_device(wanted[part], logits.device)).add_(target).isnan()
            target = target.masked_fill(void, torch.nan)
            valid_logits = logits.masked_fill(void, 0.0)  # NaN elsewhere is to be seen
            sums[0] += void_aware_loss(valid_logits, target)
            sums[1] += torch.count_nonzero(~void)
            truth = threshold_fraction(target, 0.5)
            yield torch.stack([truth, threshold_fraction(logits.sigmoid(), threshold)])
            start = part.stop
