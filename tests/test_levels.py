"""Levels of a slice: counting and looking up, against plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from icecoreseg import AIR, ICE, OUTSIDE
from icecoreseg.labeling._levels import Levels, mean_change
from icecoreseg.labeling.histogram import count_whole_numbers

SLICES = st.sampled_from([np.uint8, np.uint16, np.int16]).flatmap(
    lambda dtype: hnp.arrays(dtype, st.tuples(st.integers(1, 9), st.integers(1, 9)))
)


@settings(deadline=None)
@given(SLICES)
def test_whole_numbers_are_counted(values):
    empty = int(values.flat[0])
    levels, counts = np.unique(values[values != empty], return_counts=True)
    histogram = count_whole_numbers(values, width=0.5, empty=empty)
    filled = histogram.counts > 0
    np.testing.assert_array_equal(histogram.levels[filled], levels * 0.5)
    np.testing.assert_array_equal(histogram.counts[filled], counts)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("outside", [0, np.nan])
@pytest.mark.parametrize("sigma", [(0, 0, 0), (0, 1, 1)])
def test_look_up_and_labels(dtype, outside, sigma):
    """The table of the levels themselves gives the (smoothed) slice back."""
    slab = np.random.default_rng(0).integers(1, 200, (1, 150, 40)).astype(dtype)
    slab[:, :, :5] = 0
    levels = Levels(slab, 0, sigma, outside=outside)
    histogram = levels.histogram
    inside = slab[0] != outside
    grey = levels.look_up(histogram.levels)
    np.testing.assert_array_equal(np.isnan(grey), ~inside)
    expected = levels.values * levels.width
    np.testing.assert_allclose(grey[inside], expected[inside], atol=histogram.width / 1.9)
    threshold = np.median(grey[inside])
    for table in (histogram.levels >= threshold, histogram.levels < threshold):
        labels = levels.label(table)
        np.testing.assert_array_equal(labels == OUTSIDE, ~inside)
        np.testing.assert_array_equal(labels == ICE, levels.look_up(table) == 1)
    assert (
        Levels(slab, 0, sigma, outside=outside).label(histogram.levels < 0)[inside] == AIR
    ).all()


def test_mean_change_tells_a_jump():
    slab = np.full((3, 20, 20), 50, dtype=np.uint8)
    slab[1, 2:] = 150
    slab[:, :2] = 0
    change = mean_change(Levels(slab, 1, (1, 1, 1), outside=0), slab[1], 0)
    assert -90 < change < -30
    alone = mean_change(Levels(slab, 1, (0, 1, 1), outside=0), slab[1], 0)
    assert abs(alone) < 1
    assert mean_change(Levels(slab, 1, (0, 0, 0), outside=0), slab[1], 0) == 0


def test_a_slice_outside_has_no_levels():
    levels = Levels(np.zeros((1, 4, 4), np.uint8), 0, (0, 1, 1), outside=0)
    assert levels.histogram.n_voxels == 0
    assert (levels.label(np.zeros(0)) == OUTSIDE).all()
    assert np.isnan(levels.look_up(np.zeros(0))).all()


def test_an_outside_value_between_the_levels_of_a_slice_is_outside():
    slab = np.array([[[1, 7, 3, 9]]], dtype=np.uint8)
    levels = Levels(slab, 0, (0, 0, 0), outside=7)
    table = np.linspace(0, 1, len(levels.histogram.counts))
    np.testing.assert_array_equal(np.isnan(levels.look_up(table)), slab[0] == 7)
    assert levels.label(table).tolist() == [[AIR, OUTSIDE, AIR, ICE]]
