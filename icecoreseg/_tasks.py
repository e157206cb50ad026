"""Run many tasks on whatever engine dask is set to, and hear of each as it ends.

One graph for all tasks: what two slabs both need (neighbours that a halo shows) is computed
once, every core works, and dask's order keeps few slabs in memory at a time. Results are
short; the voxels stay where they are computed.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import dask
import dask.threaded
from dask.base import get_scheduler
from dask.callbacks import Callback
from dask.system import CPU_COUNT


def run_tasks(graph, keys, done, *, scheduler=None):
    """Compute some tasks of a graph, calling ``done(result)`` here for each as it ends.

    Parameters
    ----------
    graph : dict
        Tasks of dask by key.
    keys : list of str
        Those whose results are wanted.
    done : callable
        Called in this thread, in any order of the keys.
    scheduler : str, optional
        Default: the one that dask is set to; a distributed client if there is one.

    Raises
    ------
    Exception
        The first one that a task raises; the other tasks are given up.
    """
    get = get_scheduler(scheduler=scheduler) or dask.threaded.get
    client = client_of(get)
    if client is not None:
        _run_on_cluster(client, graph, keys, done)
        return
    wanted = set(keys)

    def hear(key, result, *_):
        if key in wanted:
            done(result)

    with Callback(posttask=hear), own_threads(get) as options:
        get(graph, keys, **options)


def client_of(get):
    """The client of a cluster whose scheduler `get` is, or None."""
    client = getattr(get, "__self__", None)
    return client if hasattr(client, "scheduler_info") else None


@contextmanager
def own_threads(get):
    """Threads that have ended when we return, even after an error: no late files."""
    if get is not dask.threaded.get or dask.config.get("pool", None) is not None:
        yield {}
        return
    with ThreadPoolExecutor(dask.config.get("num_workers", None) or CPU_COUNT) as pool:
        yield {"pool": pool}


def _run_on_cluster(client, graph, keys, done):
    from distributed import as_completed

    futures = client.get(graph, keys, sync=False)
    try:
        for future in as_completed(futures):
            done(future.result())
    finally:
        client.cancel(futures)
