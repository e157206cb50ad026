"""The sum of the fine slices of a coarse one: what its blocks and their surroundings are made of.

A few rows at a time, so that they stay in cache. Slices are added first, because they are
contiguous. Labels are added as they are as long as nothing is outside, which is seen after
the sum, when they are there; else as codes that count the outside, too.
"""

import math
from typing import NamedTuple

import numpy as np

from icecoreseg._validation import check_fraction_values, check_label_values
from icecoreseg.downsampling._codes import code_type, encode, outside_code
from icecoreseg.labels import ICE

STRIP_VOXELS = 2**21
"""Fine voxels that are worked on at a time."""


class Scratch:
    """Memory that is used again for every strip: fresh memory is slow when first touched."""

    def __init__(self):
        self._held = {}

    def __call__(self, name, shape, dtype):
        """An array of any content, in the memory of that name."""
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self._held or len(self._held[name]) < n_bytes:
            self._held[name] = np.empty(n_bytes, dtype=np.uint8)
        return self._held[name][:n_bytes].view(dtype).reshape(shape)


class Planes(NamedTuple):
    """Sums over the fine slices of some rows.

    Parameters
    ----------
    rows : slice
        Coarse rows.
    sums : tuple of arrays of shape (fy * n_rows + 2 * margin, n_columns + 2 * margin)
        Codes; or ice and the number of voxels inside, of fractions. All is outside beyond the
        picture. Valid until the next ones are asked for.
    full : bool
        Whether nothing of the picture is outside.
    factor : (int, int, int)
        Voxels per block along (z, y, x).
    margin : int
        Voxels around the rows and columns.
    scratch : Scratch
        Memory for what is made of them.
    """

    rows: slice
    sums: tuple
    full: bool
    factor: tuple
    margin: int
    scratch: Scratch


def iterate_planes(slab, factor, margin=0):
    """Yield the `Planes` of one coarse slice, from the top.

    Parameters
    ----------
    slab : array of shape (fz, n_rows, n_columns)
        Labels, or ice fractions with NaN outside.
    factor : (int, int, int)
    margin : int

    Raises
    ------
    ValueError
        If labels hold other values than AIR, ICE and OUTSIDE.
    """
    scratch, height = Scratch(), factor[1]
    add = _add_fractions if slab.dtype.kind == "f" else _add_labels
    for rows in _strips(slab, factor):
        low, high = rows.start * height - margin, rows.stop * height + margin
        part = slab[:, max(0, low) : high]
        top = max(0, -low)
        inner = slice(top, top + part.shape[1]), slice(margin, margin + part.shape[2])
        shape = high - low, part.shape[2] + 2 * margin
        yield Planes(rows, *add(part, shape, inner, factor, scratch), factor, margin, scratch)


def add_up(parts, out):
    """Sum of some arrays, one after the other: ``sum(axis=0)`` is many times slower."""
    if len(parts) == 1:
        np.copyto(out, parts[0])
        return out
    np.add(parts[0], parts[1], out=out, dtype=out.dtype)
    for part in parts[2:]:
        out += part
    return out


def _strips(slab, factor):
    """Yield slices of the coarse rows that are worked on at a time."""
    n_rows = slab.shape[1] // factor[1]
    step = max(1, STRIP_VOXELS // (factor[0] * factor[1] * max(1, slab.shape[2])))
    for first in range(0, n_rows, step):
        yield slice(first, min(n_rows, first + step))


def _add_labels(labels, shape, inner, factor, scratch):
    """(sums, full) of labels."""
    if labels.dtype.itemsize > 1:
        labels = check_label_values(labels, name="labels").astype(np.uint8)
    phases_only = labels.dtype == bool  # known without a look: a fifth of the time
    labels, n_slices = labels.view(np.uint8), len(labels)
    n_around = factor[1] + 2 * inner[1].start  # rows that may be added for the surroundings
    dtype = code_type(n_slices * max(n_around, factor[1] * factor[2]))
    codes = scratch("codes", shape, dtype)
    inside = _framed(codes, inner, n_slices * outside_code(dtype))
    if labels[0, 0, 0] <= ICE:  # else there is an outside
        add_up(labels, inside)
        if phases_only or np.maximum.reduce(labels, axis=None) <= ICE:
            return (codes,), True
    add_up(encode(labels, scratch("labels", labels.shape, dtype)), inside)
    return (codes,), False


def _add_fractions(fractions, shape, inner, factor, scratch):
    """(sums, full) of ice fractions."""
    check_fraction_values(fractions, name="labels")
    there = ~np.isnan(fractions)
    sums = [scratch(name, shape, np.float32) for name in ("ice", "inside")]
    ice, inside = (_framed(array, inner, 0) for array in sums)
    add_up(np.where(there, fractions, 0).astype(np.float32), ice)
    add_up(there.view(np.uint8), inside)
    return tuple(sums), False


def _framed(array, inner, value):
    """What is inside of the array, which gets that value around it."""
    if array.shape != tuple(s.stop - s.start for s in inner):
        rows, columns = inner
        array[: rows.start] = array[rows.stop :] = value
        array[:, : columns.start] = array[:, columns.stop :] = value
    return array[inner]
