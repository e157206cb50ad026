"""Histograms of grey levels: all that a mixture needs to know of a slice."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Histogram:
    """Counts of grey levels on a regular axis.

    Parameters
    ----------
    first : int
        Index of the first bin; bin ``i`` stands for the grey level ``(first + i) * width``.
    counts : array of shape (n_bins,)
        Voxels per bin.
    width : float
        Grey levels per bin.
    """

    first: int
    counts: np.ndarray
    width: float = 1.0

    @property
    def levels(self):
        """Grey level of every bin, float64 of shape (n_bins,)."""
        return (self.first + np.arange(len(self.counts))) * self.width

    @property
    def n_voxels(self):
        """Voxels counted."""
        return int(self.counts.sum())


def grey_histogram(values, width=1.0):
    """Histogram of the values of a 1-D array.

    Parameters
    ----------
    values : array of shape (n_voxels,)
        Grey levels of the specimen; NaN is not allowed.
    width : float
        Width of a bin; with 1 and integer data the histogram is exact.

    Returns
    -------
    Histogram

    Examples
    --------
    >>> import numpy as np
    >>> grey_histogram(np.array([3, 3, 5], dtype=np.uint8)).counts.tolist()
    [2, 0, 1]
    """
    if values.size == 0:
        return _nothing(width)
    if values.dtype == np.uint8 and width == 1:
        return count_whole_numbers(values)
    index = bin_index(values, width)
    first = int(index.min())
    return _without_empty_ends(first, np.bincount(index - first), width)


def slice_histogram(values):
    """Histogram of the voxels of one slice, with the bin width that suits them."""
    return grey_histogram(values, choose_bin_width(values) if values.size else 1.0)


def bin_index(values, width):
    """Index of the bin that holds each value (int32); a stray huge value counts in the last."""
    if np.issubdtype(values.dtype, np.integer) and width == 1:
        return values.astype(np.int32)
    return np.rint(values / width).clip(-LAST_BIN, LAST_BIN).astype(np.int32)


def count_whole_numbers(*parts, width=1.0, empty=None):
    """Histogram of arrays of whole numbers of 8 or 16 bits, none of them left out but one.

    Parameters
    ----------
    *parts : arrays of any shape
        uint8, uint16 or int16, all alike.
    width : float
        Grey levels per step.
    empty : int, optional
        The number that marks voxels which do not count.

    Returns
    -------
    Histogram

    Examples
    --------
    >>> import numpy as np
    >>> count_whole_numbers(np.array([[-2, 1, 1, 9]], dtype=np.int16), empty=9).counts.tolist()
    [1, 0, 0, 2]
    """
    if not parts:
        return _nothing(width)
    dtype = parts[0].dtype
    counts = sum(map(_count_bytes if dtype == np.uint8 else _count_words, parts))
    first = 0
    if dtype == np.int16:  # the negative ones come last among the words
        counts, first = np.roll(counts, 2**15), -(2**15)
    if empty is not None:
        counts[empty - first] = 0
    return _without_empty_ends(first, counts, width)


def _nothing(width):
    return Histogram(0, np.zeros(0, dtype=np.int64), width)


def _without_empty_ends(first, counts, width):
    filled = np.flatnonzero(counts)
    if not filled.size:
        return _nothing(width)
    counts = counts[filled[0] : filled[-1] + 1].astype(np.int32)  # a fit holds those of all slices
    return Histogram(first + int(filled[0]), counts, width)


def _count_bytes(values):
    """Counts of the 256 byte values, by Pillow: several times faster than ``np.bincount``."""
    image = Image.fromarray(np.ascontiguousarray(values).reshape(1, -1))
    return np.array(image.histogram(), dtype=np.int64)


def _count_words(values):
    """Counts of the 65536 values of 16-bit numbers, some of which are widened at a time."""
    words = np.ascontiguousarray(values).ravel().view(np.uint16)
    counts = np.zeros(2**16, dtype=np.int64)
    for start in range(0, words.size, 2**19):
        counts += np.bincount(words[start : start + 2**19], minlength=2**16)
    return counts


def pool_histograms(histograms):
    """Sum of histograms, on the coarsest of their axes (widths are powers of two).

    Examples
    --------
    >>> import numpy as np
    >>> low, high = Histogram(2, np.array([1, 1])), Histogram(5, np.array([4]))
    >>> pool_histograms([low, high]).counts.tolist()
    [1, 1, 0, 4]
    """
    filled = [h for h in histograms if len(h.counts)]
    if not filled:
        return histograms[0]
    filled = [_coarsen(h, max(h.width for h in filled)) for h in filled]
    first = min(h.first for h in filled)
    counts = np.zeros(max(h.first + len(h.counts) for h in filled) - first, dtype=np.int64)
    for h in filled:
        counts[h.first - first :][: len(h.counts)] += h.counts
    return Histogram(first, counts, filled[0].width)


def _coarsen(histogram, width):
    if histogram.width == width:
        return histogram
    index = np.rint(histogram.levels / width).astype(np.int64)
    counts = np.zeros(index[-1] - index[0] + 1, dtype=np.int64)
    np.add.at(counts, index - index[0], histogram.counts)
    return Histogram(int(index[0]), counts, width)


def choose_bin_width(values):
    """Grey levels per bin: 1 for whole numbers, else far finer than any noise.

    A power of two that follows the bulk of the values (a sample of them, without the
    thousandth at either end), so that one stray voxel does not coarsen all others.

    Examples
    --------
    >>> import numpy as np
    >>> choose_bin_width(np.arange(256.0)), choose_bin_width(np.linspace(0, 1, 1001))
    (1.0, 0.0001220703125)
    """
    if values.dtype.kind == "u":
        return 1.0
    sample = values[:: max(1, values.size // N_SAMPLE)]
    low, high = np.quantile(sample, (0.001, 0.999))
    few_enough = high - low >= 8 and max(abs(low), abs(high)) < LAST_BIN
    if few_enough and (sample == np.rint(sample)).all():
        return 1.0
    finest = max((high - low) / N_BINS, max(abs(low), abs(high)) / 2**16, 2.0**-40)
    return float(2.0 ** np.floor(np.log2(finest)))


N_BINS = 4096
"""Bins of a slice whose grey levels are not whole numbers (at least this many)."""

N_SAMPLE = 2**16
"""Voxels of a slice that its bin width is chosen by."""

LAST_BIN = 2**22
"""Largest index of a bin: bounds the memory that a stray value can ask for."""
