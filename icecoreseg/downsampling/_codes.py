"""Two counts in one number: a voxel that is not air counts in its low half, one outside in both.

A sum of such codes counts the ice and the outside of many voxels at once, in half the time and
memory. Labels are codes already where nothing is outside.
"""

import numpy as np

from icecoreseg._validation import check_label_values


def code_type(most):
    """The smallest type of codes that count up to `most`."""
    return next(dtype for dtype in _TYPES if most < 1 << 4 * dtype.itemsize)


_TYPES = [np.dtype(f"u{n_bytes}") for n_bytes in (1, 2, 4, 8)]


def outside_code(dtype):
    """The code of one voxel that is outside."""
    return dtype.type(1 << 4 * dtype.itemsize | 1)


def encode(labels, out):
    """Write the codes of labels (bytes); raise ValueError if they hold other values."""
    signed, codes = labels.view(np.int8), out.view(f"i{out.itemsize}")
    if signed.max() > 1 or signed.min() < -1:
        check_label_values(labels, name="labels")
    mask = outside_code(out.dtype).view(codes.dtype)
    np.bitwise_and(signed, mask, out=codes)  # OUTSIDE is -1: every bit is set, in any width
    return out


def decode(codes, size, out):
    """(ice, inside) of codes that are sums over `size` voxels each, in their place and in `out`."""
    bits = 4 * codes.itemsize
    np.right_shift(codes, bits, out=out)
    codes &= codes.dtype.type((1 << bits) - 1)
    codes -= out
    return codes, np.subtract(codes.dtype.type(size), out, out=out)
