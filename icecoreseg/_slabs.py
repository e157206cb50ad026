"""One function, applied slab by slab: the only place where numpy and dask differ.

A *slab* is a run of neighbouring slices. Functions in this package are written for
a numpy slab; `map_slabs` applies them to a stack in memory (filling one output
array, so that temporaries stay as small as a slab) or to a dask array (lazily, one
task per slab).
"""

from itertools import pairwise

import numpy as np

from icecoreseg._validation import is_lazy

SLAB_VOXELS = 2**23
"""Voxels of a slab in memory: temporaries of a few float32 copies stay near 100 MB."""


def slab_bounds(n_slices, slice_voxels, *, multiple=1, slab_voxels=SLAB_VOXELS):
    """Yield (start, stop) of consecutive slabs of about `slab_voxels` voxels.

    Parameters
    ----------
    n_slices : int
        Length of the stack.
    slice_voxels : int
        Voxels of one slice.
    multiple : int
        Every slab but the last holds a multiple of this many slices.

    Examples
    --------
    >>> list(slab_bounds(5, 100, multiple=2, slab_voxels=250))
    [(0, 2), (2, 4), (4, 5)]
    """
    step = max(1, slab_voxels // max(1, slice_voxels) // multiple) * multiple
    for start in range(0, n_slices, step):
        yield start, min(start + step, n_slices)


def map_slabs(function, *stacks, dtype, tail=None, factor=1):
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

    Returns
    -------
    array of shape (n_slices // factor, *tail)
        numpy in -> numpy out; dask in -> dask out.
    """
    tail = tuple(stacks[0].shape[1:]) if tail is None else tuple(tail)
    if any(is_lazy(stack) for stack in stacks):
        return _map_lazily(function, stacks, dtype, tail, factor)
    n_slices = stacks[0].shape[0]
    result = np.empty((n_slices // factor, *tail), dtype=dtype)
    slice_voxels = int(np.prod(stacks[0].shape[1:]))
    for start, stop in slab_bounds(n_slices, slice_voxels, multiple=factor):
        slabs = [stack[start:stop] for stack in stacks]
        result[start // factor : stop // factor] = function(*slabs)
    return result


def _map_lazily(function, stacks, dtype, tail, factor):
    import dask.array as da

    chunks = _slice_chunks(next(s for s in stacks if is_lazy(s)), factor)
    stacks = [
        (stack if is_lazy(stack) else da.from_array(stack, chunks=-1)).rechunk(
            (chunks, *stack.shape[1:])
        )
        for stack in stacks
    ]
    axes = {2: {}, 3: {"new_axis": 1}, 1: {"drop_axis": 2}, 0: {"drop_axis": (1, 2)}}[len(tail)]
    return da.map_blocks(
        function,
        *stacks,
        dtype=dtype,
        chunks=(tuple(chunk // factor for chunk in chunks), *((n,) for n in tail)),
        meta=np.empty((0,) * (1 + len(tail)), dtype=dtype),
        **axes,
    )


def _slice_chunks(stack, factor):
    """Chunks along z, each (but the last) a multiple of `factor`."""
    chunks = stack.chunks[0]
    if all(chunk % factor == 0 for chunk in chunks[:-1]):
        return chunks
    step = max(factor, max(chunks) // factor * factor)
    n_slices = stack.shape[0]
    return tuple(min(step, n_slices - start) for start in range(0, n_slices, step))


def iterate_slabs(*stacks, multiple=1):
    """Yield ``(start, *numpy slabs)`` of one or more stacks, computing lazy ones slab by slab.

    Fits and reductions use it: never more than one slab of each stack is in memory.
    Lazy stacks are cut at their chunks, others at `SLAB_VOXELS`.
    """
    lazy = next((stack for stack in stacks if is_lazy(stack)), None)
    if lazy is None:
        n_slices, slice_voxels = stacks[0].shape[0], int(np.prod(stacks[0].shape[1:]))
        bounds = slab_bounds(n_slices, slice_voxels, multiple=multiple)
    else:
        edges = np.cumsum((0, *_slice_chunks(lazy, multiple)))
        bounds = pairwise(edges)
    for start, stop in bounds:
        yield (int(start), *(np.asarray(stack[start:stop]) for stack in stacks))
