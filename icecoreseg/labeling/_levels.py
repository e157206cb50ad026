"""The grey levels of one slice: counted once, looked up as often as there are answers.

A mixture needs a histogram of the slice, and says what every grey level stands for. Whole
numbers are looked up as they are; where the answer changes but once, as from air to ice,
a comparison replaces the look-up.
"""

from functools import cached_property

import numpy as np

from icecoreseg._validation import inside_mask
from icecoreseg.labeling._labeler import labels_of_fraction
from icecoreseg.labeling._smoothing import smooth_slice
from icecoreseg.labeling.histogram import bin_index, count_whole_numbers, slice_histogram
from icecoreseg.labels import OUTSIDE

ROWS = 128
"""Rows of a slice that are looked up at a time, so that temporaries stay in cache."""


class Levels:
    """Grey levels of one slice of a slab, smoothed if asked for.

    Parameters
    ----------
    slab : array of shape (n_slices, n_rows, n_columns)
        Grey levels; the slice's neighbours are there for the smoothing.
    number : int
        The slice.
    sigma, sharpening
        See `smooth_slice`.
    outside : float or int
        Value of the voxels outside; NaN always counts as outside.

    Attributes
    ----------
    histogram : Histogram
        Of the voxels inside.

    Examples
    --------
    >>> import numpy as np
    >>> slab = np.array([[[0, 3, 3, 5]]], dtype=np.uint8)
    >>> levels = Levels(slab, 0, (0, 0, 0), outside=0)
    >>> levels.histogram.counts.tolist(), levels.histogram.levels.tolist()
    ([2, 0, 1], [3.0, 4.0, 5.0])
    >>> levels.label(np.array([0.0, 0.4, 0.9])).tolist()
    [[255, 0, 0, 1]]
    """

    def __init__(self, slab, number, sigma, *, sharpening=0.0, outside=np.nan):
        self._raw, self._smoothed = slab[number], None
        self.width, self.empty, self._dtype = 1.0, outside, slab.dtype
        rows = (slice(start, start + ROWS) for start in range(0, slab.shape[1], ROWS))
        self._parts = [(some, self._raw[some]) for some in rows]
        if any(sigma):
            options = {"sharpening": sharpening, "outside": outside}
            self._smoothed = smooth_slice(slab, number, sigma, **options)
            _, self._parts, self.width, self.empty = self._smoothed
            self._dtype = self.empty.dtype
        self.is_whole = self._dtype.kind != "f"
        self.histogram = self._count_levels() if self.is_whole else self._put_into_bins()

    def _count_levels(self):
        empty = None if np.isnan(self.empty) else int(self.empty)
        parts = [levels for _, levels in self._parts]
        return count_whole_numbers(*parts, width=self.width, empty=empty)

    def _put_into_bins(self):
        """Histogram of levels that are no whole numbers; the bin of each is kept."""
        inside = [levels[inside_mask(levels, self.empty)] for _, levels in self._parts]
        inside = np.concatenate([np.empty(0, self._dtype), *inside])
        histogram = slice_histogram(inside)
        self._bins = bin_index(inside, histogram.width) - histogram.first
        return histogram

    @cached_property
    def values(self):
        """The (smoothed) grey levels of the slice, in steps of `width`."""
        return self._raw if self._smoothed is None else self._smoothed.levels

    def look_up(self, table, out=None):
        """What a table says of every voxel.

        Parameters
        ----------
        table : array of shape (n_bins,)
            One number per bin of the histogram.
        out : array of shape (n_rows, n_columns), optional
            Where to write the result.

        Returns
        -------
        array of shape (n_rows, n_columns), float32
            NaN outside.
        """
        result = self._all_outside(out, np.float32, np.nan)
        if not self.is_whole:
            return self._look_up_bins(np.asarray(table, dtype=np.float32), result)
        every = np.full(2 ** (8 * self._dtype.itemsize), np.nan, dtype=np.float32)
        every[(self.histogram.first + np.arange(len(table))) % every.size] = table
        if not np.isnan(self.empty):  # perhaps a level between those of the slice
            every[int(self.empty) % every.size] = np.nan
        for where, levels in self._parts:
            every.take(levels.view(f"u{levels.itemsize}"), out=result[where], mode="clip")
        return result

    def _look_up_bins(self, table, result):
        """The same for levels that are no whole numbers, and were put into bins."""
        start = 0
        for where, levels in self._parts:
            inside = inside_mask(levels, self.empty)
            stop = start + np.count_nonzero(inside)
            result[where][inside] = table[self._bins[start:stop]]
            start = stop
        return result

    def label(self, table, out=None):
        """Labels from the ice content of every bin: ICE above one half.

        Parameters
        ----------
        table, out
            See `look_up`.

        Returns
        -------
        array of shape (n_rows, n_columns), uint8
        """
        is_ice = np.asarray(table) > 0.5
        labels = self._all_outside(out, np.uint8, OUTSIDE)
        if not self.is_whole or (is_ice[:-1] > is_ice[1:]).any():
            labels[:] = labels_of_fraction(self.look_up(table))
            return labels
        first_ice = self.histogram.first + int(np.count_nonzero(~is_ice))  # int64 would widen bytes
        for where, levels in self._parts:
            some = labels[where]
            np.greater_equal(levels, first_ice, out=some.view(bool))
            if not np.isnan(self.empty):
                void = (levels == self.empty).view(np.uint8)
                for _ in range(1 + (self.empty >= first_ice)):
                    some -= void  # bytes: 0 - 1 is 255, which is OUTSIDE
        return labels

    def _all_outside(self, out, dtype, value):
        """Memory for answers, that are `value` where no part gives one."""
        result = np.empty(self._raw.shape, dtype=dtype) if out is None else out
        if self._smoothed is not None or not self.is_whole:
            result[:] = value
        return result


def mean_change(levels, raw, outside):
    """By how much smoothing has changed the mean of a slice, from some of its rows.

    Parameters
    ----------
    levels : Levels
        The smoothed slice.
    raw : array of shape (n_rows, n_columns)
        The same slice before.
    outside : float or int
        Value of its voxels outside.
    """
    some = slice(None, None, max(1, len(raw) // 256))
    raw, smoothed = raw[some], levels.values[some]
    inside = inside_mask(raw, outside)
    if not inside.any():
        return 0.0
    return float(smoothed[inside].mean(dtype=float) * levels.width - raw[inside].mean(dtype=float))
