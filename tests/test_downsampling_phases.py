"""Blocks of which none is outside, which are counted two bytes at a time, against plain sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import downscale_local_mean

from icecoreseg import AIR, ICE, OUTSIDE, downsample_labels
from icecoreseg.downsampling import _phases
from icecoreseg.downsampling._phases import label_phases

FACTORS = [(2, 2, 2), (1, 1, 2), (3, 5, 2), (4, 1, 2), (1, 127, 2), (2, 2, 3), (8, 8, 2), (1, 2, 4)]
ORDERS = [(0, 1, 2), (0, 2, 1), (2, 1, 0), (2, 0, 1)]


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Strips of a few rows, as large slices have them."""
    monkeypatch.setattr(_phases, "STRIP_VOXELS", 100)


def label(labels, factor, least):
    """What is found of a coarse slice, or None."""
    _, *shape = (n // f for n, f in zip(labels.shape, factor, strict=True))
    coarse = np.full(shape, 7, dtype=np.uint8)
    return coarse if label_phases(labels, factor, least, coarse) else None


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 99),
    st.sampled_from(FACTORS),
    st.tuples(st.integers(1, 5), st.integers(1, 9)),
    st.sampled_from([0.02, 0.3, 0.5, 0.75, 0.999999]),
    st.sampled_from(["air", "ice"]),
    st.sampled_from(ORDERS),
    st.sampled_from([np.uint8, bool]),
)
def test_labels_equal_the_block_mean_of_scikit_image(
    seed, factor, n_blocks, threshold, ties, order, dtype
):
    rng = np.random.default_rng(seed)
    shape = np.multiply(factor, (2, *n_blocks))
    labels = (rng.random(shape) < rng.random()).astype(dtype)
    fraction = downscale_local_mean(labels, factor)
    expected = np.where(np.abs(fraction - threshold) < 1e-5, ties == "ice", fraction > threshold)
    labels = np.ascontiguousarray(labels.transpose(order)).transpose(np.argsort(order))
    labels.flags.writeable = False
    result = downsample_labels(labels, factor, threshold=threshold, ties=ties)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("least", [0, 1, 4, 8, 9])
@pytest.mark.parametrize("step", [1, 2])
def test_views_are_counted_as_they_lie(least, step):
    labels = np.random.default_rng(0).integers(0, 2, (2, 12 * step + 1, 20), dtype=np.uint8)
    some = labels[:, 1::step, 1:17]
    counts = some.reshape(2, -1, 2, 8, 2).sum(axis=(0, 2, 4))
    np.testing.assert_array_equal(label(some, (2, 2, 2), least), counts >= least)


@pytest.mark.parametrize("factor", [(2, 2, 2), (1, 3, 2), (4, 1, 2)])
@pytest.mark.parametrize("wrong", [2, 3, 100, 127, 128, 129, 254, OUTSIDE])
def test_no_value_hides_anywhere(factor, wrong):
    shape = factor[0], 4 * factor[1], 6
    for place in np.ndindex(shape):
        for around in (AIR, ICE):
            labels = np.full(shape, around, dtype=np.uint8)
            labels[place] = wrong
            assert label(labels, factor, 1) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=16, max_size=16), st.sampled_from(["air", "ice"]))
def test_wrong_values_are_named_and_no_sum_hides_them(values, ties):
    labels = np.array(values, dtype=np.uint8).reshape(2, 2, 4)
    strange = np.setdiff1d(labels, [AIR, ICE, OUTSIDE])[:5].tolist()
    if strange:
        with pytest.raises(ValueError) as error:
            downsample_labels(labels, ties=ties)
        assert f"labels holds the values {strange};" in str(error.value)


@pytest.mark.parametrize("values", [(128, 128), (1, 255), (254, 3), (64, 192), (255, 2)])
def test_sums_that_run_over_do_not_pass(values):
    for low, high in (values, values[::-1]):
        labels = np.zeros((2, 2, 2), dtype=np.uint8)
        labels[0, 0, 0], labels[1, 0, 0] = low, high
        assert label(labels, (2, 2, 2), 1) is None
        labels[1, 0, 0], labels[0, 1, 1] = AIR, high
        assert label(labels, (2, 2, 2), 1) is None


def test_other_blocks_are_left_to_the_general_way():
    labels = np.ones((2, 4, 6), dtype=np.uint8)
    assert label(labels, (2, 2, 3), 1) is None
    assert label(labels.astype(np.float32), (2, 2, 2), 1) is None
    assert label(labels.astype(np.int16), (2, 2, 2), 1) is None
    assert label(np.ones((64, 2, 2), dtype=np.uint8), (64, 2, 2), 1) is None
    assert (label(np.ones((127, 1, 2), dtype=np.uint8), (127, 1, 2), 254) == ICE).all()
    assert (label(np.ones((127, 1, 2), dtype=np.uint8), (127, 1, 2), 255) == AIR).all()
