"""Fractions as small integers: a quarter or half of the disk space, at a known step.

The fraction f is stored as the integer nearest to ``f * levels``, with levels = 254 (uint8)
or 65534 (uint16), so that 0, 1/2 and 1 are exact; the largest integer (255, 65535) is NaN.
The error is at most ``1 / (2 * levels)``: 0.002 for uint8, 0.0000077 for uint16.
"""

from functools import partial

import numpy as np

from icecoreseg._slabs import map_slabs
from icecoreseg._validation import check_choice, check_fraction_values

_CODES = {"uint8": 254, "uint16": 65534}


def scale_of(as_type):
    """The scale's two numbers, as they are recorded.

    Examples
    --------
    >>> scale_of("uint8")
    {'levels': 254, 'nan': 255}
    """
    check_choice(as_type, tuple(_CODES), name="as_type")
    return {"levels": _CODES[as_type], "nan": _CODES[as_type] + 1}


def check_scale(scale, path):
    """Raise ValueError unless a scale that was read is one that `write_stack` writes."""
    if scale not in [scale_of(as_type) for as_type in _CODES]:
        raise ValueError(f"{path} records the scale {scale!r}, which is unknown or damaged.")
    return scale


def encode_fractions(stack, as_type):
    """A float stack of fractions as integers, numpy or lazy; other values are refused."""
    if stack.dtype.kind != "f":
        raise ValueError(f"as_type={as_type!r} is for fractions, but stack has {stack.dtype}.")
    return map_slabs(partial(_encode, scale=scale_of(as_type)), stack, dtype=as_type)


def decode_fractions(stack, scale):
    """The fractions, float32, of integers written with a scale."""
    return map_slabs(partial(_decode, scale=scale), stack, dtype=np.float32)


def _encode(slab, scale):
    """Integers of one slab.

    Examples
    --------
    >>> _encode(np.array([[[0, 0.5, 1, np.nan]]]), scale_of("uint8")).ravel().tolist()
    [0, 127, 254, 255]
    """
    check_fraction_values(slab, name="stack")
    codes = np.where(np.isnan(slab), scale["nan"], np.rint(slab * scale["levels"]))
    return codes.astype(np.uint8 if scale["nan"] == 255 else np.uint16)


def _decode(slab, scale):
    """Fractions of one slab, by lookup."""
    table = np.arange(scale["nan"] + 1, dtype=np.float32) / np.float32(scale["levels"])
    table[scale["nan"]] = np.nan
    return table[slab]
