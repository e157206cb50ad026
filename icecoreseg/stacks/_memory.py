"""Memory for slices that goes back to the system as soon as nobody holds them.

The C library keeps what is freed for later, in pieces of up to 32 MB. Slices of a scan are as large
as that, and come and go by the hundred: a run would hold some more of them than it uses.
"""

import math
import mmap
from contextlib import suppress

import numpy as np

LEAST_BYTES = 2**22
"""Smaller arrays are left to the C library, which is quicker at handing them out again."""


def empty(shape, dtype):
    """``np.empty`` for arrays that may be as large as slices.

    Examples
    --------
    >>> slab = empty((2, 1024, 2048), np.uint16)
    >>> slab.shape, slab.dtype, slab.flags.writeable
    ((2, 1024, 2048), dtype('uint16'), True)
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if n_bytes < LEAST_BYTES or not hasattr(mmap, "MAP_PRIVATE"):  # as on Windows
        return np.empty(shape, dtype)
    try:
        memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:  # no room, which numpy says as everybody expects it
        return np.empty(shape, dtype)
    with suppress(AttributeError, OSError):  # a system without large pages: small ones do, too
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.ndarray(shape, dtype, buffer=memory)
