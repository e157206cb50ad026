"""One function, applied slab by slab: only here and in its dask half do numpy and dask differ.

A *slab* is a run of neighbouring slices. Functions in this package are written for
a numpy slab; `map_slabs` applies them to a stack in memory (filling one output
array, so that temporaries stay as small as a slab) or to a dask array (lazily, one
task per slab).
"""

from itertools import pairwise

import numpy as np

from icecoreseg._progress import progress
from icecoreseg._validation import is_lazy

SLAB_VOXELS = 2**23
"""Voxels of a slab in memory: temporaries of a few float32 copies stay near 100 MB."""


class Slices:
    """Neighbouring slices of several arrays, put together only where somebody asks for it.

    An integer gives one slice as it is; a run of slices, and ``np.asarray``, cost a copy.

    Parameters
    ----------
    blocks : sequence of arrays of shape (n, ...)
        Of one dtype and shape behind axis 0.

    Examples
    --------
    >>> a, b = np.zeros((2, 1, 3)), np.ones((1, 1, 3))
    >>> slices = Slices([a, b])
    >>> slices.shape, np.may_share_memory(slices[1], a), slices[1:, 0, 2].tolist()
    ((3, 1, 3), True, [0.0, 1.0])
    """

    def __init__(self, blocks):
        self._slices = [one for block in blocks for one in block]
        self.dtype, self.shape = blocks[0].dtype, (len(self._slices), *blocks[0].shape[1:])
        self.ndim = len(self.shape)

    def __len__(self):
        return len(self._slices)

    def __getitem__(self, key):
        along_z, *in_plane = key if isinstance(key, tuple) else (key,)
        if isinstance(along_z, slice):
            some = self._slices[along_z]
            joined = np.stack(some) if some else np.empty((0, *self.shape[1:]), self.dtype)
            return joined[(slice(None), *in_plane)]
        return self._slices[along_z][tuple(in_plane)]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("Slices cannot be put together without a copy.")
        return np.asarray(self[:], dtype=dtype)


def slab_bounds(n_slices, slice_voxels, *, multiple=1, at_least=1, slab_voxels=SLAB_VOXELS):
    """Yield (start, stop) of consecutive slabs of about `slab_voxels` voxels.

    Parameters
    ----------
    n_slices : int
        Length of the stack.
    slice_voxels : int
        Voxels of one slice.
    multiple : int
        Every slab but the last holds a multiple of this many slices.
    at_least : int
        And no fewer than this many.

    Examples
    --------
    >>> list(slab_bounds(5, 100, multiple=2, slab_voxels=250))
    [(0, 2), (2, 4), (4, 5)]
    """
    wanted = max(at_least, slab_voxels // max(1, slice_voxels))
    step = max(1, wanted // multiple) * multiple
    for start in range(0, n_slices, step):
        yield start, min(start + step, n_slices)


def map_slabs(function, *stacks, dtype, tail=None, factor=1, halo=0):
    """Apply ``function(*slabs)`` along axis 0 and put the results together.

    Parameters
    ----------
    function : callable
        Takes numpy slabs of shape (n, n_rows, n_columns), all cut at the same slices,
        and returns an array of shape (n // factor, *tail).
    *stacks : arrays of shape (n_slices, n_rows, n_columns)
        All numpy, or at least one dask array: then the result is lazy.
    dtype : dtype
        Of the result.
    tail : tuple of int, optional
        Shape of the result behind axis 0; default: that of the first stack.
    factor : int
        How many slices become one; slabs are cut at multiples of it.
    halo : int
        Neighbouring slices that the function sees on either side of a slab (fewer at the
        ends of the stack). It is then called as ``function(*slabs, inner=...)`` with arrays or
        `Slices`, and returns results for ``slab[inner]`` only. Not together with `factor`.

    Returns
    -------
    array of shape (n_slices // factor, *tail)
        numpy in -> numpy out; dask in -> dask out.
    """
    tail = tuple(stacks[0].shape[1:]) if tail is None else tuple(tail)
    if any(is_lazy(stack) for stack in stacks):
        from icecoreseg._slab_graph import map_chunks  # dask takes its time to import

        options = {"dtype": dtype, "tail": tail, "factor": factor, "halo": halo}
        return map_chunks(function, stacks, **options)
    n_slices, slice_voxels = stacks[0].shape[0], int(np.prod(stacks[0].shape[1:]))
    bounds = list(slab_bounds(n_slices, slice_voxels, multiple=factor, at_least=halo))
    parts = _map_in_turn(function, stacks, bounds, halo)
    if len(bounds) == 1:  # a copy would cost as much as a quick function
        (part,) = map(np.asarray, parts)
        is_view = not part.flags.writeable or any(np.may_share_memory(part, s) for s in stacks)
        return part.astype(dtype, copy=is_view)
    result = np.empty((n_slices // factor, *tail), dtype=dtype)
    for (start, stop), part in zip(bounds, parts, strict=True):
        result[start // factor : stop // factor] = part
    return result


def _map_in_turn(function, stacks, bounds, halo):
    """Yield the results of the slabs of stacks in memory."""
    with progress(total=stacks[0].shape[0], unit="slice") as bar:
        for start, stop in bounds:
            first = max(0, start - halo)
            slabs = [stack[first : stop + halo] for stack in stacks]
            inner = {"inner": slice(start - first, stop - first)} if halo else {}
            yield function(*slabs, **inner)
            bar.update(stop - start)


def iterate_slabs(*stacks, multiple=1, verbose=None, description=None):
    """Yield ``(start, *numpy slabs)`` of one or more stacks, computing lazy ones slab by slab.

    Fits and reductions use it: few slabs of each stack are in memory, and the next ones are
    computed meanwhile. Lazy stacks are cut at their chunks, others at `SLAB_VOXELS`. `verbose`
    and `description` are those of `progress`.
    """
    bounds = _bounds(stacks, multiple)
    yield from _computed(stacks, bounds, verbose=verbose, description=description)


def iterate_with_halo(stack, halo):
    """Yield ``(start, slices, inner)``: `Slices` with `halo` more slices on either side.

    ``slices[inner]`` is the slab proper, whose first slice is number `start` of the stack.
    Every chunk of a lazy stack is computed once.
    """
    bounds = list(_bounds((stack,), 1, at_least=halo))
    unread = _computed((stack,), bounds)
    held, first, last = [], 0, 0
    for start, stop in bounds:
        begin, end = max(0, start - halo), min(stack.shape[0], stop + halo)
        while last < end:
            held.append(next(unread)[1])
            last += len(held[-1])
        while first + len(held[0]) <= begin:
            first += len(held.pop(0))
        slices = Slices(_cut(held, begin - first, end - first))
        yield start, slices, slice(start - begin, stop - begin)


def _cut(blocks, start, stop):
    """The slices from `start` to `stop` of blocks: the first and the last of these are cut."""
    blocks, last = list(blocks), stop - sum(map(len, blocks[:-1]))
    blocks[-1] = blocks[-1][:last]
    blocks[0] = blocks[0][start:]
    return blocks


def _computed(stacks, bounds, **bar):
    """Yield ``(start, *numpy slabs)``, every chunk of lazy stacks computed once."""
    bounds = list(bounds)
    with progress(total=stacks[0].shape[0], unit="slice", **bar) as bar:
        for (start, stop), slabs in zip(bounds, _slabs(stacks, bounds), strict=True):
            yield (start, *map(np.asarray, slabs))
            bar.update(stop - start)


def _slabs(stacks, bounds):
    if any(is_lazy(stack) for stack in stacks):
        from icecoreseg._slab_stream import stream_slabs

        return stream_slabs(stacks, bounds)
    return ([stack[start:stop] for stack in stacks] for start, stop in bounds)


def _bounds(stacks, multiple, at_least=1):
    """(start, stop) of the slabs: the chunks of the first lazy stack, else `slab_bounds`."""
    lazy = next((stack for stack in stacks if is_lazy(stack)), None)
    if lazy is None:
        n_slices, slice_voxels = stacks[0].shape[0], int(np.prod(stacks[0].shape[1:]))
        return slab_bounds(n_slices, slice_voxels, multiple=multiple, at_least=at_least)
    from icecoreseg._slab_graph import slice_chunks

    edges = np.cumsum((0, *slice_chunks(lazy, multiple))).tolist()
    return pairwise(edges)
