"""Logits of slices of any size: pad, cut into tiles if large, run, put together.

A tile reads `HALO` pixels more on each side than it writes, and starts at a multiple of
the network's stride; the network's reach is 253 pixels, so tiles give what the whole
slice gives.
"""

from itertools import pairwise

import numpy as np
import torch

from icecoreseg.segmentation._device import half_precision, memory_format, to_device
from icecoreseg.segmentation._network import halve

HALO = 256
"""Pixels around a tile, for the paper's network with six poolings."""

STRIP = 128
"""Rows of a strip at full resolution (CPU); see `strip_logits`."""

_STRIP_HALO = 4


def slice_logits(network, x, *, tile_size):
    """Logits of one slice.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    x : array of shape (n_rows, n_columns)
        Network input, float32, NaN outside.
    tile_size : int
        Slices with more rows or columns than this are run in tiles.

    Returns
    -------
    array of shape (n_rows, n_columns)
        float32 logits; NaN where x is NaN.
    """
    padded = pad_to_multiple(np.nan_to_num(x, nan=0.0), network.stride)
    logits = np.zeros(padded.shape, dtype=np.float32)
    outside = np.isnan(x)
    for inner, outer in tiles(padded.shape, tile_size, network.stride):
        if outside[inner].all():
            continue
        tile = _run(network, padded[outer])
        logits[inner] = tile[tuple(_shift(i, o) for i, o in zip(inner, outer, strict=True))]
    logits = logits[: x.shape[0], : x.shape[1]]
    logits[outside] = np.nan
    return logits


def _shift(inner, outer):
    return slice(inner.start - outer.start, inner.stop - outer.start)


def pad_to_multiple(x, multiple):
    """Repeat the last row and column until both lengths are multiples.

    Examples
    --------
    >>> pad_to_multiple(np.ones((3, 4)), 4).shape
    (4, 4)
    """
    missing = [(0, -length % multiple) for length in x.shape]
    return np.pad(x, missing, mode="edge") if any(after for _, after in missing) else x


def tiles(shape, tile_size, stride):
    """List (inner, outer) windows: what a tile writes, and what it reads.

    Examples
    --------
    >>> [(rows.start, rows.stop) for (rows, _), _ in tiles((1024, 512), 512, 64)]
    [(0, 512), (512, 1024)]
    >>> [(rows.start, rows.stop) for _, (rows, _) in tiles((1024, 512), 512, 64)]
    [(0, 768), (256, 1024)]
    """
    halo = HALO if stride <= 64 else HALO * stride // 64
    step = max(stride, tile_size // stride * stride)
    windows = []
    for length in shape:
        edges = [0, length] if length <= tile_size else [*range(0, length, step), length]
        windows.append(
            [
                (slice(start, stop), slice(max(0, start - halo), min(length, stop + halo)))
                for start, stop in pairwise(edges)
            ]
        )
    return [((r, c), (r_out, c_out)) for r, r_out in windows[0] for c, c_out in windows[1]]


@torch.inference_mode()
def _run(network, x):
    """Logits of a padded image."""
    device = next(network.parameters()).device
    layout = memory_format(device, training=False)
    x = to_device(np.ascontiguousarray(x)[np.newaxis], device, layout)
    if device.type == "cpu":
        return strip_logits(network, x)[0, 0].numpy()
    with half_precision(device):
        return network(x)[0, 0].float().cpu().numpy()


def strip_logits(network, x, *, strip=STRIP):
    """Same as ``network(x)``, in strips of rows where the image is at full resolution.

    Features at full resolution are the largest by far; in strips they stay in the cache
    and need a tenth of the memory. Three convolutions touch a strip, so a halo of three
    rows is exact, and four keeps the halves aligned. Everything below runs whole.

    Parameters
    ----------
    network : UNet
    x : tensor of shape (n, 1, n_rows, n_columns)
    strip : int
        Even number of rows.
    """
    n_rows = x.shape[2]
    halves = []
    for start in range(0, n_rows, strip):
        low, high = max(0, start - _STRIP_HALO), min(n_rows, start + strip + _STRIP_HALO)
        half = halve(network.stem(x[:, :, low:high]))
        rows = min(strip, n_rows - start) // 2
        halves.append(half[:, :, (start - low) // 2 :][:, :, :rows])
    below = network.body(torch.cat(halves, dim=2))
    result = torch.empty_like(x)
    for start in range(0, n_rows, strip):
        stop = min(n_rows, start + strip)
        low, high = max(0, start - _STRIP_HALO), min(n_rows, stop + _STRIP_HALO)
        logits = network.head(below[:, :, low // 2 : high // 2], network.stem(x[:, :, low:high]))
        result[:, :, start:stop] = logits[:, :, start - low : stop - low]
    return result
