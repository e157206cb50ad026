"""Where a stack comes from, as plain JSON values: sources, estimators, versions.

A lazy stack is a graph of tasks. Its fingerprint follows the graph from the files on, so
that another scan, other parameters, another network or another selection of slices give
another fingerprint, in this process or the next.
"""

from graphlib import TopologicalSorter
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from platform import python_version

from dask._task_spec import convert_legacy_graph
from dask.core import flatten
from sklearn.base import BaseEstimator

from icecoreseg._validation import is_lazy
from icecoreseg.stacks._digest import Digester, fitted_state
from icecoreseg.stacks._sources import Source

_PACKAGES = ("icecoreseg", "numpy", "scipy", "scikit-learn", "scikit-image", "torch", "dask")


def input_of(stack, *, with_graph=True):
    """What a stack is made from.

    Parameters
    ----------
    stack : array of shape (n_slices, n_rows, n_columns)
        In memory: its bytes count. Lazy: the tasks that compute it.
    with_graph : bool
        Whether every task counts, or only the sources and estimators in the graph.

    Returns
    -------
    dict
        ``sources`` (name, and a digest of the names, sizes and times of its files),
        ``estimators`` and ``graph``; or ``array``.
    """
    digester = Digester()
    if not is_lazy(stack):
        return {"array": digester(stack)}
    digest = _digest_graph(stack, digester)
    estimators = [met for met in digester.met if isinstance(met, BaseEstimator)]
    found = {
        "sources": [met.fingerprint() for met in digester.met if isinstance(met, Source)],
        "estimators": {
            f"{number}_{type(met).__name__}": describe(met) for number, met in enumerate(estimators)
        },
    }
    return {**found, "graph": digest} if with_graph else found


def _digest_graph(stack, digester):
    """Digest of the tasks behind a stack, each told by its function and what it is fed."""
    graph = convert_legacy_graph(dict(stack.__dask_graph__()))
    edges = {key: getattr(task, "dependencies", ()) for key, task in graph.items()}
    for key in TopologicalSorter(edges).static_order():
        if key in graph:
            digester.references[key] = digester(graph[key])
    return digester([digester.references[key] for key in flatten(stack.__dask_keys__())])


def versions():
    """Versions of what the voxels may depend on."""
    found = {"python": python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def describe(value):
    """A value as JSON: estimators by class, parameters and a digest of what they learnt.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> described = describe({"step": StandardScaler(with_mean=False), "tol": float("nan")})
    >>> described["step"]["parameters"]["with_mean"], described["tol"]
    (False, 'nan')
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else repr(value)
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, BaseEstimator):
        parameters = describe(value.get_params(deep=False))
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        digest = Digester()(fitted_state(value))
        return {"class": name, "parameters": parameters, "fitted": digest}
    return f"{type(value).__name__} {Digester()(value)}"
