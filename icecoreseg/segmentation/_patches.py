"""Patches by their coordinates: where they lie in a pack, and what is read there.

A patch is a place in a slice and one of the eight symmetries of the square. Both are a matter
of coordinates, so that a batch is one list of positions in a flat tensor, however its patches
are turned and whichever cores they come from.
"""

from dataclasses import dataclass

import numpy as np
import torch

from icecoreseg.segmentation._context import filled_outwards
from icecoreseg.segmentation._device import to_device
from icecoreseg.segmentation._survey import ice_share

BEYOND = -(2**61)
"""Position of what lies beyond a slice: no sum with others makes it positive."""

ENOUGH = 0.3
"""Share of a patch that shall be valid."""

_LATTICE = 16
"""Points along an edge at which places are tried."""


@dataclass(frozen=True)
class Places:
    """Where to read: integers for n patches of one pack, arrays or tensors.

    Attributes
    ----------
    labels_at : shape (n, 1)
        Where the labels of the slice begin.
    grey_at : shape (n, n_channels)
        Where the grey values of the slices begin that are the channels.
    shape : shape (n, 2)
        Rows and columns of the slice.
    tries : shape (n, 2 * n_tries)
        Rows and columns of upper left corners; see `inhabited`.
    flips : shape (n, 3)
        Whether rows and columns are read backwards, and whether they change places.
    overhang : bool
        Whether a slice is smaller than the patches.
    """

    labels_at: torch.Tensor
    grey_at: torch.Tensor
    shape: torch.Tensor
    tries: torch.Tensor
    flips: torch.Tensor
    overhang: bool

    def on(self, device):
        """The same as tensors, taken to the device together."""
        columns = [self.labels_at, self.grey_at, self.shape, self.tries, self.flips]
        together = to_device(np.concatenate(columns, axis=1).astype(np.int64), device)
        return Places(*together.split([c.shape[1] for c in columns], dim=1), self.overhang)


def cut(grey, labels, places, *, size, scale):
    """Network input and target of patches.

    Parameters
    ----------
    grey, labels : flat tensors
        Of a pack.
    places : Places
        As tensors on the same device.
    size : int
        Edge of the patches; what lies beyond the edges of a slice is void.
    scale : GreyScale

    Returns
    -------
    x : tensor of shape (n, n_channels, size, size)
        float32, NaN where void.
    target : tensor of shape (n, size, size)
        Ice fraction, float32, NaN where void.
    """
    starts = inhabited(grey, labels, places, size=size, scale=scale)
    steps = torch.arange(size, device=grey.device)
    steps = torch.where(places.flips[:, :2, None] > 0, size - 1 - steps, steps)
    rows, columns = _offsets(starts[:, :, None] + steps, places.shape[:, :, None]).unbind(1)
    turned = places.flips[:, 2:] > 0
    down, across = torch.where(turned, columns, rows), torch.where(turned, rows, columns)
    positions = down[:, :, None] + across[:, None, :]
    x = scale.apply(_read(grey, positions[:, None], places.grey_at[:, :, None, None]))
    target = ice_share(_read(labels, positions, places.labels_at[:, :, None]))
    if places.overhang:
        x.masked_fill_(positions[:, None] < 0, torch.nan)
    middle = x.shape[1] // 2
    x = filled_outwards(x, middle)
    return x, target.masked_fill_(x[:, middle].isnan(), torch.nan)


def inhabited(grey, labels, places, *, size, scale):
    """Upper left corners (n, 2): the first try that is not mostly void, or the best of them.

    How full a patch is, is estimated from a lattice of points.
    """
    n, middle = len(places.shape), places.grey_at.shape[1] // 2
    step = max(1, size // _LATTICE)
    points = torch.arange(step // 2, size, step, device=grey.device)
    tries = places.tries.view(n, -1, 2)
    rows, columns = _offsets(tries[..., None] + points, places.shape[:, None, :, None]).unbind(2)
    positions = rows[..., :, None] + columns[..., None, :]
    x = scale.apply(_read(grey, positions, places.grey_at[:, middle, None, None, None]))
    target = ice_share(_read(labels, positions, places.labels_at[:, :, None, None]))
    void = x.add_(target).isnan().logical_or_(positions < 0)
    share = 1.0 - void.to(torch.float32).mean(dim=(2, 3))
    share = share.clamp_(max=ENOUGH) - 1e-6 * torch.arange(tries.shape[1], device=grey.device)
    return tries[torch.arange(n, device=grey.device), share.argmax(dim=1)]  # of equals the first


def _offsets(coordinates, lengths):
    """What rows and columns, (..., 2, n), add to the position of a slice's first voxel."""
    widths = torch.stack([lengths[..., 1, :], torch.ones_like(lengths[..., 1, :])], dim=-2)
    return (coordinates * widths).masked_fill_(coordinates >= lengths, BEYOND)


def _read(flat, positions, begin):
    """Values at positions in slices that begin there; what lies beyond a slice is any value."""
    positions = positions + begin
    return flat.index_select(0, positions.view(-1).clamp_(min=0)).view(positions.shape)
