"""Digests tell what matters, in every process the same, and swallow whatever they are given."""

import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest

from icecoreseg import GMMLabeler
from icecoreseg.stacks._digest import Digester

VALUES = {
    "set": {"a", "b", "c"},
    "frozen": frozenset(range(9)),
    "nested": {"x": [1, (2.5, None)], "y": {"z": b"bytes"}},
    "array": np.arange(6).reshape(2, 3),
    "partial": partial(np.clip, a_min=0, a_max=1),
    "estimator": GMMLabeler(tol=1e-4),
    "slice": slice(1, None, 2),
    "lambda": (lambda x: x in {"p", "q", "r"}),
    "names": (lambda x: np.clip(x, 0, len(VALUES["set"])) if sys else partial(min, x)),
}


def digests():
    return {name: Digester()(value) for name, value in VALUES.items()}


def test_the_same_in_another_process():
    """Where strings hash in another way, and objects stand elsewhere."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_digest as t; print(t.digests())"
    )
    folder = __file__.rpartition("/")[0]
    other = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == str(digests())


def test_different_values_differ():
    assert len(set(digests().values())) == len(VALUES)


def scaled(factor):
    return lambda x: x * factor


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scaled(2), scaled(3)),
        ((lambda x: x + 1), (lambda x: x + 2)),
        (partial(np.clip, a_min=0), partial(np.clip, a_min=1)),
        (np.zeros(3), np.zeros(3, dtype=np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (GMMLabeler(tol=1e-4), GMMLabeler(tol=1e-5)),
        (np.add, np.subtract),
        ([1, 2], (1, 2)),
        (1, True),
    ],
)
def test_what_changes_a_result_changes_the_digest(one, other):
    assert Digester()(one) != Digester()(other)


def above(x):
    return _limited(x) > _LIMIT


def _limited(x, *, most=255):
    return np.minimum(x, most)


_LIMIT = 110


@pytest.mark.parametrize(
    ("name", "value"), [("_LIMIT", 50), ("_limited", lambda x: x), ("_LIMIT", np.arange(3))]
)
def test_what_a_function_names_changes_its_digest(name, value, monkeypatch):
    """Constants and functions beside it; also of a function within it."""
    functions = [above, lambda x: [above(one) for one in x]]
    before = [Digester()(function) for function in functions]
    monkeypatch.setitem(globals(), name, value)
    assert not {*before} & {Digester()(function) for function in functions}


def test_keyword_defaults_and_recursion():
    def again(x, *, n=3):
        return again(x) if x < n else x

    before = Digester()(again)
    again.__kwdefaults__["n"] = 4
    assert Digester()(again) != before


def test_whatever_it_is_given():
    circle = []
    circle.append(circle)
    strange = [circle, threading.Lock(), np, np.ndarray, len, object(), np.random.default_rng(0)]
    assert len({Digester()(value) for value in strange}) == len(strange)
