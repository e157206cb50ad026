"""Histograms of grey levels: counts, the best split, sums."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from icecoreseg.labeling.histogram import count_whole_numbers, grey_histogram, pool_histograms
from icecoreseg.labeling.mixture import two_means


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300))
def test_histogram_counts_every_byte(values):
    values = np.array(values, dtype=np.uint8)
    histogram = grey_histogram(values)
    assert histogram.n_voxels == len(values)
    expected = np.bincount(values)[histogram.first :]
    np.testing.assert_array_equal(histogram.counts, expected)


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=50).filter(lambda v: len(set(v)) > 1),
)
def test_two_means_finds_the_best_split(values):
    values = np.sort(np.array(values))
    histogram = grey_histogram(values)
    split = histogram.first + two_means(histogram)

    def squares(cut):
        parts = values[values < cut], values[values >= cut]
        return sum(((part - part.mean()) ** 2).sum() for part in parts if len(part))

    best = min(squares(cut) for cut in np.unique(values)[1:])
    assert squares(split) <= best + 1e-6


def test_pooled_histogram_of_nothing():
    nothing = grey_histogram(np.zeros(0))
    assert pool_histograms([nothing, nothing]).n_voxels == 0


def test_a_histogram_holds_its_own_bins_and_no_more():
    """A fit keeps those of all slices: a view of 65 536 counts would be half a megabyte each."""
    values = np.random.default_rng(0).normal(0, 300, (64, 64)).astype(np.int16)
    for histogram in (count_whole_numbers(values), grey_histogram(values.ravel() / 8, 0.125)):
        assert histogram.counts.base is None
        assert histogram.counts.nbytes == 4 * len(histogram.counts)
        assert histogram.n_voxels == values.size
