"""Slices above and below, as further channels of the network's input (2.5-D)."""

import numpy as np


def with_neighbours(X, z, *, context_slices, grey):
    """Network input for one slice: the slice in the middle, its neighbours around it.

    What is missing of a neighbour (beyond the ends of the stack, outside the specimen) is
    taken from the next slice towards the middle. So the first slice stands in for the
    one above it, and a channel is void only where all slices up to it are.

    Parameters
    ----------
    X : array of shape (n_slices, n_rows, n_columns)
        Grey values.
    z : int
        The slice.
    context_slices : int
        Neighbours on either side.
    grey : GreyScale

    Returns
    -------
    array of shape (1 + 2 * context_slices, n_rows, n_columns)
        float32, NaN where void.

    Examples
    --------
    >>> from icecoreseg.segmentation._survey import GreyScale
    >>> X, grey = np.array([[[1, 2]], [[3, 4]], [[5, 0]]]), GreyScale(0.0, 1.0, outside=0)
    >>> with_neighbours(X, 1, context_slices=1, grey=grey)[:, 0].tolist()
    [[1.0, 2.0], [3.0, 4.0], [5.0, 4.0]]
    >>> with_neighbours(X, 0, context_slices=1, grey=grey)[:, 0].tolist()
    [[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]]
    """
    first, last = z - context_slices, z + context_slices
    channels = grey.apply(X[max(0, first) : last + 1])
    if len(channels) < 1 + last - first:
        wanted = np.arange(first, last + 1).clip(0, len(X) - 1)
        channels = channels[wanted - max(0, first)]
    for step in range(context_slices):
        for sign in (-1, 1):
            inner = channels[context_slices + sign * step]
            outer = channels[context_slices + sign * (step + 1)]
            np.copyto(outer, inner, where=np.isnan(outer))
    return channels
