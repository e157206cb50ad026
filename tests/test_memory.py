"""Memory for slices, where the system helps and where it does not."""

import mmap
from types import SimpleNamespace

import numpy as np
import pytest

from icecoreseg.stacks import _memory
from icecoreseg.stacks._memory import LEAST_BYTES, empty


class NoLargePages(mmap.mmap):
    """As on a kernel without transparent huge pages."""

    def madvise(self, *_):
        raise OSError(22, "Invalid argument")


def no_room(*_, **__):
    raise OSError(12, "Cannot allocate memory")


FLAGS = {name: getattr(mmap, name) for name in dir(mmap) if name.startswith("MA")}
SYSTEMS = {
    "this one": mmap,
    "without large pages": SimpleNamespace(**FLAGS, mmap=NoLargePages),
    "without room": SimpleNamespace(**FLAGS, mmap=no_room),
    "without flags": SimpleNamespace(mmap=mmap.mmap),
}


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
@pytest.mark.parametrize("n_bytes", [0, 16, LEAST_BYTES])
def test_an_array_to_write_into(monkeypatch, system, n_bytes):
    monkeypatch.setattr(_memory, "mmap", system)
    array = empty((2, n_bytes // 2), np.uint8)
    array[:] = 7
    assert array.shape == (2, n_bytes // 2)
    assert (array == 7).all()
    assert array.flags.c_contiguous


def test_too_much_is_a_memory_error():
    with pytest.raises(MemoryError):
        empty((2**50,), np.uint8)
