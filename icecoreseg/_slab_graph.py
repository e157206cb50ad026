"""Dask's side of `map_slabs`: one task per chunk, which may see the slices of its neighbours.

A task names the chunks that it looks into. So chunks stay as small as they are, however far it
looks, nothing is held but what somebody still needs, and dask's order can tell what that is.
"""

from bisect import bisect_left, bisect_right
from itertools import pairwise
from operator import getitem

import dask
import dask.array as da
import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.highlevelgraph import HighLevelGraph

from icecoreseg._slabs import Slices
from icecoreseg._validation import is_lazy


def map_chunks(function, stacks, *, dtype, tail, factor, halo):
    """`map_slabs` for stacks of which at least one is lazy."""
    chunks = slice_chunks(next(s for s in stacks if is_lazy(s)), factor)
    stacks = [
        (stack if is_lazy(stack) else da.from_array(stack, chunks=-1)).rechunk(
            (chunks, *stack.shape[1:])
        )
        for stack in stacks
    ]
    # The function is a value of the graph of its own, which all tasks name: a scheduler sends it
    # (a fitted estimator, a network) once to every worker, and not with every chunk.
    function = dask.delayed(function, pure=True, traverse=False)
    result = {"dtype": dtype, "meta": np.empty((0,) * (1 + len(tail)), dtype=dtype)}
    if halo:
        return _map_with_neighbours(function, stacks, halo, tail, result)
    axes = {2: {}, 3: {"new_axis": 1}, 1: {"drop_axis": 2}, 0: {"drop_axis": (1, 2)}}[len(tail)]
    chunks = (tuple(n // factor for n in chunks), *((n,) for n in tail))
    return da.map_blocks(_call, *stacks, function=function, chunks=chunks, **axes, **result)


def _call(*slabs, function):
    return function(*slabs)


def _map_with_neighbours(function, stacks, halo, tail, result):
    """The same, but every task sees `halo` slices on either side of its chunk."""
    name = "neighbours-" + dask.base.tokenize(function.key, [s.name for s in stacks], halo, tail)
    chunks, n_slices = stacks[0].chunks[0], stacks[0].shape[0]
    edges = np.cumsum((0, *chunks)).tolist()
    tasks = {}
    for number, (start, stop) in enumerate(pairwise(edges)):
        first, last = max(0, start - halo), min(n_slices, stop + halo)
        blocks = [List(*_seen(tasks, name, stack, edges, first, last)) for stack in stacks]
        inner = slice(start - first, stop - first)
        key = (name, number, *(0 for _ in tail))
        tasks[key] = Task(key, _call_inner, TaskRef(function.key), inner, *blocks)
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[*stacks, function])
    return da.Array(graph, name, (chunks, *((n,) for n in tail)), **result)


def _seen(tasks, name, stack, edges, first, last):
    """Chunks from slice `first` to `last`; of those at the ends a part: clusters send no more."""
    for place in range(bisect_right(edges, first) - 1, bisect_left(edges, last)):
        start, stop = edges[place : place + 2]
        block = TaskRef((stack.name, place, 0, 0))
        if first <= start and stop <= last:
            yield block
            continue
        cut = slice(max(first - start, 0), min(last, stop) - start)
        key = (f"{name}-part-{stack.name}", place, cut.start, cut.stop)
        tasks[key] = Task(key, getitem, block, cut)
        yield TaskRef(key)


def _call_inner(function, inner, *stacks):
    return function(*map(Slices, stacks), inner=inner)


def slice_chunks(stack, factor):
    """Chunks along z, none of them empty, each (but the last) a multiple of `factor`."""
    chunks = tuple(chunk for chunk in stack.chunks[0] if chunk) or (0,)
    if all(chunk % factor == 0 for chunk in chunks[:-1]):
        return chunks
    step = max(factor, max(chunks) // factor * factor)
    n_slices = stack.shape[0]
    return tuple(min(step, n_slices - start) for start in range(0, n_slices, step))
