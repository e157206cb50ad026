"""Slabs of lazy stacks, computed some at a time and handed over one after the other.

What the next slabs need of the same chunks (the halo of a step before) is kept and not computed
again. While the caller looks at some slabs the next ones are computed, and no more: memory
does not grow with the stack, whoever is slower.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.local
import dask.threaded
from dask._task_spec import DataNode, List, Task, TaskRef, convert_legacy_graph
from dask.base import get_scheduler
from dask.system import CPU_COUNT

from icecoreseg._tasks import client_of, own_threads
from icecoreseg._validation import is_lazy


def stream_slabs(stacks, bounds):
    """Yield lists of numpy slabs, in order.

    Parameters
    ----------
    stacks : sequence of arrays of shape (n_slices, ...)
        At least one of them lazy.
    bounds : sequence of (int, int)
        First and last + 1 slice of every slab.

    Notes
    -----
    On processes and clusters what is kept would travel: there every group of slabs is computed
    anew with its neighbours.
    """
    get = get_scheduler(collections=[s for s in stacks if is_lazy(s)]) or dask.threaded.get
    step = _at_once(get)
    groups = [bounds[first : first + step] for first in range(0, len(bounds), step)]
    if get in (dask.threaded.get, dask.local.get_sync):
        yield from _stream_here(stacks, groups, get)
        return
    for group in groups:
        yield from dask.compute(*[[s[start:stop] for s in stacks] for start, stop in group])


def _stream_here(stacks, groups, get):
    """The same on threads of our own: a group ahead of the caller."""
    graph, keys = _graph(stacks, groups)
    with own_threads(get) as options, ThreadPoolExecutor(1) as runner:
        run = _Run(graph, lambda *what: get(*what, **options))
        computed = []
        try:
            for group, later in zip(keys, [*keys[1:], []], strict=True):
                following = runner.submit(run.compute, group, later)
                yield from computed
                computed = following.result()
            yield from computed
        finally:
            if "pool" in options:  # nobody waits for what has not begun
                options["pool"].shutdown(wait=False, cancel_futures=True)


def _at_once(get):
    """How many slabs are computed together: one per core that dask may use, at most eight."""
    client = client_of(get)
    if client is not None:
        return min(8, max(1, sum(client.nthreads().values())))
    if get is not dask.threaded.get:
        return 1
    return min(8, dask.config.get("num_workers", None) or CPU_COUNT)


def _graph(stacks, groups):
    """Graph of all tasks, and the keys of those that give slabs, group by group."""
    bounds = [pair for group in groups for pair in group]
    chunks = tuple(stop - start for start, stop in bounds)
    cut = [s.rechunk((chunks, *s.shape[1:])) if is_lazy(s) else s for s in stacks]
    cut = dask.optimize(*cut)  # lazy ones share one graph; others stay what they are
    graph, keys, name = {}, [], f"slab-{uuid.uuid4().hex}"
    for stack in filter(is_lazy, cut):
        graph |= dict(stack.__dask_graph__())
    for number, (start, stop) in enumerate(bounds):
        slabs = (
            TaskRef((stack.name, number, *(0 for _ in stack.shape[1:])))
            if is_lazy(stack)
            else stack[start:stop]
            for stack in cut
        )
        keys.append(f"{name}-{number}")
        graph[keys[-1]] = Task(keys[-1], list, List(*slabs))
    remaining = iter(keys)
    return convert_legacy_graph(graph), [[next(remaining) for _ in group] for group in groups]


class _Run:
    """Some tasks of a graph at a time, and what is held between them for the next ones."""

    def __init__(self, graph, get):
        self._graph, self._get, self._held = graph, get, {}

    def compute(self, keys, later):
        """Results of some keys; what those that come `later` need as well is kept."""
        tasks, _ = self._missing(keys, self._held)
        tasks |= {key: DataNode(key, value) for key, value in self._held.items()}
        _, keep = self._missing(later, tasks)
        results = self._get(tasks, [*keys, *keep])
        self._held = dict(zip(keep, results[len(keys) :], strict=True))
        return results[: len(keys)]

    def _missing(self, keys, there):
        """The tasks that some keys need, and which of what is there these need."""
        missing, met, unseen = {}, set(), list(keys)
        while unseen:
            key = unseen.pop()
            if key in there:
                met.add(key)
            elif key not in missing:
                missing[key] = self._graph[key]
                unseen += missing[key].dependencies
        return missing, list(met)
