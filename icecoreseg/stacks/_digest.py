"""Digests of values that are the same in every process: what pickle does not promise.

Arrays count with their bytes, estimators with their parameters and what they learnt,
networks with their weights, functions with their code, what they hold, and the constants and
functions that they name. The code of classes, and of installed packages, counts by its name.
"""

import hashlib
import pickle
import sysconfig
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

import numpy as np
from sklearn.base import BaseEstimator

from icecoreseg.stacks._sources import Source

_TIMED = ("history_",)
"""Learnt attributes that hold seconds: not what a result depends on."""


_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
_CONSTANTS = str | bytes | bool | int | float | complex | tuple | frozenset | np.ndarray


def fitted_state(estimator):
    """What an estimator learnt: its attributes that end in an underscore, but no times."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_") and name not in _TIMED
    }


class Digester:
    """Digests of values; remembers the heavy ones, and what it met on the way.

    Attributes
    ----------
    references : dict
        Digests of the tasks that a task may refer to, by key.
    met : list
        Estimators and sources that were inside the values.

    Examples
    --------
    >>> one, other = Digester(), Digester()
    >>> one({"a": np.zeros(3), "b": {1, 2}}) == other({"b": {2, 1}, "a": np.zeros(3)})
    True
    >>> one(np.zeros(3)) == one(np.zeros(3, dtype=np.float32))
    False
    """

    def __init__(self):
        self.references = {}
        self.met = []
        self._known = {}  # id -> (digest, value); the value is kept, so that its id stays its own

    def __call__(self, value):
        """SHA-256 of a value, as hexadecimal text."""
        if id(value) not in self._known:
            self._known[id(value)] = ("circle", value)
            plain = repr(self._plain(value)).encode()
            self._known[id(value)] = (hashlib.sha256(plain).hexdigest(), value)
        return self._known[id(value)][0]

    def _plain(self, value):
        """Nested tuples of texts that tell a value from every other."""
        if value is None or isinstance(value, str | bytes | bool | int | float | complex | slice):
            return type(value).__name__, repr(value)
        if isinstance(value, np.ndarray) and value.dtype != object:
            data = np.ascontiguousarray(value)
            return "array", value.dtype.str, value.shape, hashlib.sha256(data).hexdigest()
        if isinstance(value, np.generic | np.dtype):
            return type(value).__name__, repr(value)
        if isinstance(value, list | tuple):
            return (type(value).__name__, *map(self, value))
        if isinstance(value, set | frozenset):
            return ("set", *sorted(map(self, value)))
        if isinstance(value, dict):
            return ("dict", *sorted((self(key), self(inner)) for key, inner in value.items()))
        return self._object(value)

    def _object(self, value):
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, type | ModuleType | BuiltinFunctionType):
            return name, getattr(value, "__module__", ""), value.__name__
        if isinstance(value, Source):
            self.met.append(value)
            return name, self(value.fingerprint())
        if isinstance(value, BaseEstimator):
            self.met.append(value)
            return name, self(value.get_params(deep=False)), self(fitted_state(value))
        if callable(getattr(value, "state_dict", None)):  # a network of torch
            return name, repr(value), self(dict(value.state_dict()))
        if hasattr(value, "detach"):  # a tensor
            return name, str(value.dtype), self(value.detach().cpu().double().numpy())
        if name.startswith("dask.") and hasattr(value, "dependencies"):
            return self._task(name, value)
        return self._function(name, value)

    def _task(self, name, task):
        """A task of dask, whose own key is left out: keys may be random."""
        parts = [getattr(task, part, None) for part in ("func", "args", "kwargs", "value")]
        refers = getattr(task, "target", None)
        return (name, self.references.get(refers), *map(self, parts))

    def _function(self, name, value):
        if type(value).__module__.startswith("dask.") and hasattr(value, "key"):
            return name, self.references.get(value.key)  # a reference to another task
        if isinstance(value, partial):
            return name, self(value.func), self(value.args), self(value.keywords)
        if isinstance(value, MethodType):
            return name, value.__name__, self(value.__self__)
        if isinstance(value, FunctionType):
            held = [getattr(cell, "cell_contents", None) for cell in value.__closure__ or ()]
            defaults = value.__defaults__, value.__kwdefaults__
            parts = (value.__code__, held, defaults, _named_by(value))
            return name, value.__qualname__, *map(self, parts)
        if isinstance(value, CodeType):
            return name, value.co_code, self(value.co_consts), value.co_names
        if hasattr(value, "__dict__"):
            return name, self(vars(value))
        try:
            return name, self(pickle.dumps(value))
        except (TypeError, AttributeError, pickle.PicklingError):  # a lock: its kind must do
            return (name,)


def _named_by(function):
    """Constants and functions, not of installed packages, that a function reads by name."""
    names = _names(function.__code__) & function.__globals__.keys()
    found = {name: function.__globals__[name] for name in names}
    return {name: value for name, value in found.items() if _may_change(value)}


def _names(code):
    """What a function's code looks up, functions within it included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _may_change(value):
    """Whether a value may be another in the next run, while all versions are the same."""
    if isinstance(value, FunctionType):
        return not value.__code__.co_filename.startswith(_INSTALLED)
    return isinstance(value, _CONSTANTS)
