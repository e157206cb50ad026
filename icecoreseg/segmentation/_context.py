"""Slices above and below, as further channels of the network's input (2.5-D)."""

import numpy as np
import torch

from icecoreseg.segmentation._device import to_device


def neighbours(z, n_slices, context_slices):
    """Numbers of the slices that are seen with slices z: beyond the ends, the last one again.

    Examples
    --------
    >>> neighbours(np.array([0, 2]), 4, 2).tolist()
    [[0, 0, 0, 1, 2], [0, 1, 2, 3, 3]]
    """
    steps = np.arange(-context_slices, context_slices + 1)
    last = np.asarray(n_slices) - 1
    return np.clip(np.add.outer(z, steps), 0, last.reshape(-1, 1))


def network_input(X, inner, *, context_slices, grey):
    """Network input for slices of a slab: each slice in the middle, its neighbours around it.

    What is missing of a neighbour (beyond the ends of the stack, outside the specimen) is
    taken from the next slice towards the middle. So the first slice stands in for the
    one above it, and a channel is void only where all slices up to it are.

    Parameters
    ----------
    X : tensor of shape (n_slices, n_rows, n_columns)
        Grey values, as `as_tensor` makes them.
    inner : slice
        The slices that are wanted.
    context_slices : int
        Neighbours on either side.
    grey : GreyScale

    Returns
    -------
    tensor of shape (n, 1 + 2 * context_slices, n_rows, n_columns)
        float32, NaN where void.

    Examples
    --------
    >>> from icecoreseg.segmentation._survey import GreyScale
    >>> X, grey = torch.tensor([[[1, 2]], [[3, 4]], [[5, 0]]]), GreyScale(0.0, 1.0, outside=0)
    >>> network_input(X, slice(0, 2), context_slices=1, grey=grey)[:, :, 0].tolist()
    [[[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 4.0]]]
    """
    x = grey.apply(X)
    if context_slices == 0:
        return x[inner].unsqueeze(1)
    wanted = neighbours(np.arange(len(X))[inner], len(X), context_slices)
    return filled_outwards(x[to_device(wanted, x.device)], context_slices)


def filled_outwards(x, context_slices):
    """Fill what is NaN in a channel with the next one towards the middle, in place.

    Parameters
    ----------
    x : tensor of shape (n, 1 + 2 * context_slices, n_rows, n_columns)
    context_slices : int
    """
    for step in range(context_slices):
        for sign in (-1, 1):
            inner = x[:, context_slices + sign * step]
            outer = x[:, context_slices + sign * (step + 1)]
            outer.copy_(torch.where(outer.isnan(), inner, outer))
    return x
