"""Slabs of lazy stacks, computed some at a time and handed over one after the other.

What later slabs need of the same chunks (the halo of a step before) is kept and not computed
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
    """
    get = get_scheduler(collections=[s for s in stacks if is_lazy(s)]) or dask.threaded.get
    graph, keys = _graph(stacks, bounds)
    run, step = _Run(graph, keys, get), _at_once(get)
    with ThreadPoolExecutor(1) as runner:  # ends before we do, even after an error
        computed = []
        for first in range(0, len(keys), step):
            following = runner.submit(run.compute, keys[first : first + step])
            yield from computed
            computed = following.result()
        yield from computed


def _at_once(get):
    """How many slabs are computed together: one per core that dask may use, at most eight."""
    client = client_of(get)
    if client is not None:
        return min(8, max(1, sum(client.nthreads().values())))
    if get is not dask.threaded.get:
        return 1
    return min(8, dask.config.get("num_workers", None) or CPU_COUNT)


def _graph(stacks, bounds):
    """Graph of all tasks, and the keys of those that give slabs."""
    chunks = tuple(stop - start for start, stop in bounds)
    cut = [s.rechunk((chunks, *s.shape[1:])) if is_lazy(s) else s for s in stacks]
    cut = dask.optimize(*cut)  # lazy ones share one graph; others stay what they are
    graph, name = {}, f"slab-{uuid.uuid4().hex}"
    for stack in filter(is_lazy, cut):
        graph |= dict(stack.__dask_graph__())
    keys = [f"{name}-{number}" for number in range(len(bounds))]
    for number, (key, (start, stop)) in enumerate(zip(keys, bounds, strict=True)):
        slabs = (
            TaskRef((stack.name, number, *(0 for _ in stack.shape[1:])))
            if is_lazy(stack)
            else stack[start:stop]
            for stack in cut
        )
        graph[key] = Task(key, list, List(*slabs))
    return convert_legacy_graph(graph), keys


class _Run:
    """Some tasks of a graph at a time, and what is held between them for those that follow."""

    def __init__(self, graph, keys, get):
        self._graph, self._get, self._held = graph, get, {}
        self._keeps = get in (dask.threaded.get, dask.local.get_sync)  # others would send it about
        self._waiting = dict.fromkeys(graph, 0)  # how many tasks still need a key
        self._count(self._missing(keys), 1)

    def compute(self, keys):
        """Results of some keys, none of which was asked for before."""
        tasks = self._missing(keys)
        self._count(tasks, -1)
        tasks |= {key: DataNode(key, value) for key, value in self._held.items()}
        keep = [key for key in tasks if self._keeps and self._waiting[key] > 0]
        with own_threads(self._get) as options:
            results = self._get(tasks, [*keys, *keep], **options)
        self._held = dict(zip(keep, results[len(keys) :], strict=True))
        return results[: len(keys)]

    def _missing(self, keys):
        """The tasks that some keys need and that are not held."""
        tasks, unseen = {}, list(keys)
        while unseen:
            key = unseen.pop()
            if key not in tasks and key not in self._held:
                tasks[key] = self._graph[key]
                unseen += tasks[key].dependencies
        return tasks

    def _count(self, tasks, change):
        for task in tasks.values():
            for key in task.dependencies:
                self._waiting[key] += change
