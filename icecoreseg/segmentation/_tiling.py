"""Logits of slices of any size: pad, cut into tiles if large, run, put together.

A tile reads `HALO` pixels more on each side than it writes, and starts at a multiple of
the network's stride; the network's reach is 253 pixels, so tiles give what the whole
slice gives.
"""

from itertools import pairwise
from math import isqrt, prod
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F

from icecoreseg.segmentation._device import half_precision, memory_format
from icecoreseg.segmentation._network import halve, strip_rows

HALO = 256
"""Pixels around a tile, for the paper's network with six poolings."""

BUSY_PIXELS = 2**24
"""Pixels at once on CUDA, if they fit: four slices of 2048 x 2048, about 4 GB of features."""

SMALLEST_TILE = 128
"""Smaller tiles would hardly need less memory, for they read `HALO` on each side."""

_STRIP_HALO = 4


@torch.inference_mode()
def slice_logits(network, x, *, tile_size):
    """Logits of slices of equal size.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    x : tensor of shape (n, n_channels, n_rows, n_columns)
        Network input, float32, NaN outside, on the network's device; of several channels
        the one in the middle is the slice, the others its neighbours.
    tile_size : int
        Slices with more rows or columns than this are run in tiles.

    Returns
    -------
    tensor of shape (n, n_rows, n_columns)
        float32 logits; NaN where the slice is NaN.
    """
    outside = x[:, x.shape[1] // 2].isnan()
    padded = pad_to_multiple(x.nan_to_num(0.0), network.stride)
    padded = padded.to(memory_format=memory_format(x.device, training=False))
    logits = torch.full_like(padded[:, 0], torch.nan)
    windows = tiles(padded.shape[2:], tile_size, network.stride)
    for inner, outer in windows:
        # To look is to wait for CUDA; that is worth it only if it saves a tile of many.
        if (x.device.type == "cpu" or len(windows) > 1) and outside[:, *inner].all():
            continue
        kept = tuple(
            slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
        )
        logits[:, *inner] = run(network, padded[:, :, *outer])[:, 0, *kept]
    return logits[:, : x.shape[2], : x.shape[3]].masked_fill(outside, torch.nan)


_FITS: WeakKeyDictionary = WeakKeyDictionary()
"""Pixels at once that the device's memory was found to hold, per network."""


def pixels_at_once(network, tile_size):
    """Pixels that run together: those of a tile, and no fewer than keep a fast card busy."""
    return _FITS.get(_origin(network), max(tile_size**2, BUSY_PIXELS))


def _origin(network):
    """The network itself, or the one that it is a copy of."""
    return getattr(network, "origin", (network,))[0]


def _pixels(network, shape):
    """Pixels of a slice, with those that fill it up to the network's stride."""
    return prod(length + -length % network.stride for length in shape)


def slices_at_once(network, shape, tile_size):
    """How many slices run together; on the CPU one."""
    if next(network.parameters()).device.type == "cpu":
        return 1
    return max(1, pixels_at_once(network, tile_size) // _pixels(network, shape))


def fitting_logits(network, x, *, tile_size):
    """`slice_logits`, with fewer slices at once, then smaller tiles, if memory does not suffice.

    What was found to fit is remembered while the network lives.
    """
    of_slice, smallest = _pixels(network, x.shape[2:]), min(SMALLEST_TILE, *x.shape[2:]) ** 2
    while True:
        pixels = pixels_at_once(network, tile_size)
        size = min(tile_size, isqrt(pixels))
        try:
            parts = x.split(max(1, pixels // of_slice))
            parts = [slice_logits(network, part, tile_size=size) for part in parts]
            return parts[0] if len(parts) == 1 else torch.cat(parts)
        except torch.cuda.OutOfMemoryError:
            tried = size**2 if of_slice > size**2 else min(pixels, len(x) * of_slice)
            if tried <= smallest:
                raise
            _FITS[_origin(network)] = max(smallest, tried // 4)
        torch.cuda.empty_cache()  # behind the handler, which still holds what did not fit


def pad_to_multiple(x, multiple):
    """Repeat the last row and column until both lengths are multiples.

    Examples
    --------
    >>> pad_to_multiple(torch.ones(1, 1, 3, 4), 4).shape
    torch.Size([1, 1, 4, 4])
    """
    rows, columns = (-length % multiple for length in x.shape[2:])
    return F.pad(x, (0, columns, 0, rows), mode="replicate") if rows or columns else x


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


def run(network, x):
    """Logits of padded images of shape (n, n_channels, n_rows, n_columns)."""
    if x.device.type == "cpu":
        return strip_logits(network, x)
    with half_precision(x.device):
        return network(x).float()


def strip_logits(network, x, *, strip=None):
    """Same as ``network(x)``, in strips of rows where the image is at full resolution.

    Features at full resolution are the largest by far; in strips they stay in the cache
    and need a tenth of the memory. Three convolutions touch a strip, so a halo of three
    rows is exact, and four keeps the halves aligned. Everything below runs whole.

    Parameters
    ----------
    network : UNet
    x : tensor of shape (n, n_channels, n_rows, n_columns)
    strip : int, optional
        Even number of rows; by default few enough for the memory of one strip to serve the
        next, instead of being asked of the system anew.
    """
    strip = strip or strip_rows(x)
    n_rows, kept = x.shape[2], []
    for start, low, high in _strips(n_rows, strip):
        part = halve(network.stem(x[:, :, low:high]))
        if not kept:
            size = (*part.shape[:2], n_rows // 2, part.shape[3])
            kept.append(torch.empty(size, memory_format=torch.channels_last))
        rows = slice(start // 2, min(start + strip, n_rows) // 2)
        kept[0][:, :, rows] = part[:, :, rows.start - low // 2 : rows.stop - low // 2]
    below = network.body(kept.pop())  # nobody else holds it, so the network can let it go
    result = torch.empty_like(x[:, :1])
    for start, low, high in _strips(n_rows, strip):
        logits = network.head(below[:, :, low // 2 : high // 2], network.stem(x[:, :, low:high]))
        rows = slice(start, min(start + strip, n_rows))
        result[:, :, rows] = logits[:, :, rows.start - low : rows.stop - low]
    return result


def _strips(n_rows, strip):
    """Yield the first row of each strip, and the rows that it reads."""
    for start in range(0, n_rows, strip):
        yield start, max(0, start - _STRIP_HALO), min(n_rows, start + strip + _STRIP_HALO)
