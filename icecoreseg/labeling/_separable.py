"""Separable smoothing of one small window, in 16-bit integers or in floats.

A window of a slice and its neighbours is laid out flat, so that its neighbours along
a row are one element away, those along a column one row length: every step of the
filter is then one long addition or multiplication of contiguous memory. Values
that run over the end of a row end up in the margins, which are thrown away.

Bytes are filtered in 16 bits with whole weights of sum 64. Between the axes a quarter of a
grey level is kept, which adds noise of about a tenth of a level to scans whose own noise
is several; in return there are twice as many numbers per instruction.
"""

import math
from typing import NamedTuple

import numpy as np

from icecoreseg._memory import aligned


class Arithmetic(NamedTuple):
    """Numbers that a window is filtered in.

    Parameters
    ----------
    dtype : dtype
        Of the sums.
    total : int or None
        Sum of the whole weights of an axis; None: weights are floats of sum one.
    shifts : (int, int, int)
        Bits that are rounded away after the axes z, y and x.
    inside : int
        What an inside voxel counts in the filtered mask, so that 16 bits are used.
    """

    dtype: type
    total: int | None
    shifts: tuple
    inside: int

    def weights(self, kernel):
        """Centre and one side of a symmetric kernel, as numbers of this arithmetic."""
        side = kernel[len(kernel) // 2 + 1 :]
        if self.total is None:
            return np.append(kernel[len(kernel) // 2], side).astype(self.dtype)
        side = np.rint(side * self.total).astype(int)
        return np.append(self.total - 2 * side.sum(), side).astype(self.dtype)


FIXED = Arithmetic(np.uint16, 64, (4, 6, 0), 255)
FLOATING = Arithmetic(np.float32, None, (0, 0, 0), 1)
LARGEST_FIXED_RADIUS = 6
"""Wider kernels have weights below 1/64."""


class Filters:
    """Some separable kernels that are applied to the same windows.

    Parameters
    ----------
    kernels : list of (array, array, array)
        Symmetric weights along z, y and x for every filter.
    arithmetic : Arithmetic
        `FIXED` for bytes, else `FLOATING`.
    largest : (int, int)
        Rows and columns of the largest window.
    beside : (int, int), optional
        Slices before and behind the one to filter, if the stack ends within the kernels' reach.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = np.array([0.25, 0.5, 0.25])
    >>> filters = Filters([(np.ones(1), kernel, kernel)], FLOATING, (1, 2))
    >>> def load(step, out):
    ...     out[...] = [[0, 0, 0, 0], [0, 16, 0, 0], [0, 0, 0, 0]]
    >>> filters.apply(load, (1, 2))[0]
    array([[4., 2.]], dtype=float32)
    """

    def __init__(self, kernels, arithmetic, largest, beside=(math.inf, math.inf)):
        self.arithmetic = arithmetic
        self.weights = [[arithmetic.weights(kernel) for kernel in filter_] for filter_ in kernels]
        self.margin = tuple(max(len(w[axis]) - 1 for w in self.weights) for axis in range(3))
        before, behind = (min(self.margin[0], n) for n in beside)
        self.steps = range(-before, behind + 1)
        self.full = [self._full(weights) for weights in self.weights]
        size = math.prod(self.with_margins(largest))
        self._memory = [aligned((size,), arithmetic.dtype) for _ in range(3 + len(kernels))]

    def with_margins(self, shape):
        """Rows and columns that a window of a shape is computed from."""
        return tuple(n + 2 * margin for n, margin in zip(shape, self.margin[1:], strict=True))

    def apply(self, load, shape):
        """Filter a window.

        Parameters
        ----------
        load : callable
            ``load(step, out)`` writes the window's slice `step` (0 is the slice to filter,
            negative ones lie before it; all are in ``steps``), margins included, into a 2-D array.
        shape : (int, int)
            Of the filtered window, no larger than the largest one.

        Returns
        -------
        list of arrays of the window's shape
            One per filter, in the units of the arithmetic; the next call overwrites them.
        """
        window = self.with_margins(shape)
        pair, other, scratch, *sums = (flat[: math.prod(window)] for flat in self._memory)
        self._along_z(load, window, (pair, other, scratch), sums)
        return [
            self._in_plane(flat, weights, window, (pair, other))
            for flat, weights in zip(sums, self.weights, strict=True)
        ]

    def _full(self, weights):
        """What a filter makes of a mask that is inside everywhere in all slices that are there.

        Computed by the same steps as a mask that has an outside, so that both ways agree
        to the last bit.
        """
        value = np.full(1, self.arithmetic.inside, self.arithmetic.dtype)
        for axis, w in enumerate(weights):
            same = np.repeat(value, 2 * len(w) - 1)
            if axis == 0:
                same *= [step in self.steps for step in range(1 - len(w), len(w))]
            self._correlate(same, w, 1, np.empty_like(value), value)
            self._round(value, axis)
        return value[0]

    def _along_z(self, load, window, spare, sums):
        """Every filter's sum along z; all share the sums of the slices on either side."""
        pair, other, scratch = spare
        load(0, pair.reshape(window))
        for total, (along_z, *_) in zip(sums, self.weights, strict=True):
            np.multiply(pair, along_z[0], out=total)
        for step in range(1, self.margin[0] + 1):
            there = [place for place in (-step, step) if place in self.steps]
            for place, out in zip(there, (pair, other), strict=False):
                load(place, out.reshape(window))
            if not there:
                break
            if len(there) == 2:
                np.add(pair, other, out=pair)
            for total, (along_z, *_) in zip(sums, self.weights, strict=True):
                if step < len(along_z):
                    self._add_weighted(pair, along_z[step], scratch, total)
        for total in sums:
            self._round(total, 0)

    def _in_plane(self, flat, weights, window, spare):
        """Sums along y, then along x; the result takes the place of `flat`."""
        pair, total = spare
        source, target = flat, total
        for axis, stride in ((1, window[1]), (2, 1)):
            skip = (self.margin[axis] - len(weights[axis]) + 1) * stride
            n = source.size - 2 * self.margin[axis] * stride
            source, spare = source[skip : source.size - skip], source
            self._correlate(source, weights[axis], stride, pair[:n], target[:n])
            self._round(target[:n], axis)
            source, target = target[:n], spare
        shape = tuple(n - 2 * margin for n, margin in zip(window, self.margin[1:], strict=True))
        steps = (window[1] * source.itemsize, source.itemsize)
        return np.lib.stride_tricks.as_strided(source, shape, steps)

    def _correlate(self, flat, weights, stride, pair, total):
        """Sum over the neighbours `stride` apart, wherever all of them are there."""
        radius, n = len(weights) - 1, total.size
        np.multiply(flat[radius * stride :][:n], weights[0], out=total)
        for step in range(1, radius + 1):
            before, after = (radius - step) * stride, (radius + step) * stride
            np.add(flat[before:][:n], flat[after:][:n], out=pair)
            self._add_weighted(pair, weights[step], pair, total)

    def _add_weighted(self, values, weight, scratch, total):
        if weight != 1:  # as that of the furthest neighbours often is
            values = np.multiply(values, weight, out=scratch)
        np.add(total, values, out=total)

    def _round(self, values, axis):
        shift = self.arithmetic.shifts[axis]
        if shift:
            values += values.dtype.type(1 << (shift - 1))
            values >>= values.dtype.type(shift)
