"""What decides on a block, against plain sums by scipy: over strips of rows, voids, any factor."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d

from icecoreseg import AIR, ICE, OUTSIDE, MaskDownsampler, downsample_labels
from icecoreseg.downsampling import _planes
from icecoreseg.downsampling._blocks import coarse_shape, decide
from icecoreseg.downsampling._counting import block_counts
from icecoreseg.downsampling._planes import iterate_planes
from icecoreseg.downsampling._surroundings import surrounding_fraction


@pytest.fixture
def few_rows(monkeypatch):
    """Strips of a few rows, as large slices have them."""
    monkeypatch.setattr(_planes, "STRIP_VOXELS", 200)


def make_labels(seed, shape, *, with_void=True):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, shape).astype(np.uint8)
    if with_void:  # a disc, as real slices have it, and a few single voxels
        rows, columns = np.ogrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
        labels[:, np.hypot(rows, columns) > 0.9] = OUTSIDE
        labels[rng.random(shape) < 0.01] = OUTSIDE
    return labels


def plain_surroundings(labels, factor, weights):
    """The same by scipy: correlate every plane, then look at the first voxel of each block."""
    reach = len(weights) - 1
    padded = np.pad(labels, [(0, 0), *[(reach, reach + 8)] * 2], constant_values=OUTSIDE)
    sums = []
    for mask in (padded == ICE, padded != OUTSIDE):
        plane = mask.sum(axis=0, dtype=float)
        for axis, f in enumerate(factor[1:]):
            across = [*weights[:0:-1], *[weights[0]] * f, *weights[1:]]
            kernel = np.zeros(2 * len(across) + 1)
            kernel[len(across) :][: len(across)] = across  # begins at the voxel itself
            plane = correlate1d(plane, kernel, axis=axis, mode="constant")
        sums.append(plane[: labels.shape[1] : factor[1], : labels.shape[2] : factor[2]])
    return sums[0] / np.maximum(sums[1], 1)


def all_surroundings(labels, factor, weights):
    """Of every block, strip by strip."""
    found = []
    for planes in iterate_planes(labels, factor, len(weights) - 1):
        n_blocks = (planes.rows.stop - planes.rows.start) * (labels.shape[2] // factor[2])
        found.append(surrounding_fraction(planes, np.arange(n_blocks), weights))
    return np.concatenate(found)


def decide_all(labels, factor, threshold):
    """Labels and ties of all strips."""
    hard, tied = np.empty(coarse_shape(labels, factor), dtype=np.uint8), []
    for planes in iterate_planes(labels, factor):
        first = planes.rows.start * hard.shape[1]
        tied.append(decide(planes, threshold, hard[planes.rows]) + first)
    return hard, np.concatenate(tied)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("factor", [(2, 2, 2), (1, 3, 2), (3, 1, 4), (4, 2, 1), (7, 1, 1)])
@pytest.mark.parametrize("weights", [(1, 1), (7, 4, 1)])
@pytest.mark.parametrize("with_void", [False, True])
def test_surroundings_equal_plain_sums(factor, weights, with_void):
    labels = make_labels(0, (factor[0], 36, 48), with_void=with_void)
    labels[:, :9, 20:30] = ICE  # as many as can be in a sum
    expected = plain_surroundings(labels, factor, weights).ravel()
    found = all_surroundings(labels, factor, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    soft = np.where(labels == OUTSIDE, np.float32(np.nan), labels)
    np.testing.assert_allclose(all_surroundings(soft, factor, weights), found, rtol=1e-5)


@pytest.mark.parametrize("with_void", [False, True])
def test_some_blocks_see_what_all_see(with_void):
    labels = make_labels(0, (2, 36, 48), with_void=with_void)
    (planes,) = iterate_planes(labels, (2, 2, 2), 2)
    blocks = np.flatnonzero(np.random.default_rng(1).random(18 * 24) < 0.02)
    found = surrounding_fraction(planes, blocks, (7, 4, 1))
    np.testing.assert_array_equal(found, all_surroundings(labels, (2, 2, 2), (7, 4, 1))[blocks])
    assert surrounding_fraction(planes, blocks[:0], (7, 4, 1)).size == 0


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("ties", ["balanced", "surroundings", "ice", "air"])
@pytest.mark.parametrize("soft", [False, True])
def test_strips_equal_the_whole(ties, soft, monkeypatch):
    labels = make_labels(0, (2, 36, 48))
    if soft:
        labels = np.where(labels == OUTSIDE, np.float32(np.nan), labels)
    strips = downsample_labels(labels, ties=ties)
    monkeypatch.undo()
    np.testing.assert_array_equal(strips, downsample_labels(labels, ties=ties))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 99),
    st.sampled_from([(2, 2, 2), (4, 4, 4), (2, 8, 2), (1, 3, 2)]),
    st.sampled_from([0.25, 0.5, 0.6]),
)
def test_blocks_that_the_outside_cuts_are_decided_by_what_is_inside(seed, factor, threshold):
    labels = make_labels(seed, (factor[0], 24, 24))
    fraction = downsample_labels(labels, factor, threshold=None)[0].astype(float)
    hard, tied = decide_all(labels, factor, threshold)
    np.testing.assert_array_equal(hard == OUTSIDE, np.isnan(fraction))
    is_tie = np.abs(fraction - threshold) < 1e-6
    np.testing.assert_array_equal(tied, np.flatnonzero(is_tie))
    clear = ~np.isnan(fraction) & ~is_tie
    np.testing.assert_array_equal(hard[clear] == ICE, fraction[clear] > threshold)
    assert (hard[is_tie] == AIR).all()


@pytest.mark.parametrize("wrong", [2, 100, 127, 128, 254])
@pytest.mark.parametrize("with_void", [False, True])
def test_other_values_are_refused(wrong, with_void):
    labels = make_labels(0, (2, 16, 16), with_void=with_void)
    labels[1, 8, 9] = wrong
    with pytest.raises(ValueError, match=str(wrong)):
        downsample_labels(labels)


def test_blocks_of_many_voxels():
    labels = np.ones((41, 41, 41), dtype=np.uint8)
    labels[0] = OUTSIDE
    assert downsample_labels(labels, 41, threshold=None).item() == 1.0
    assert downsample_labels(labels, 41).item() == ICE


@pytest.mark.usefixtures("few_rows")
def test_counts_last_while_the_surroundings_are_looked_at():
    labels = np.random.default_rng(0).integers(0, 2, (2, 40, 20), dtype=np.uint8)
    for planes in iterate_planes(labels, (2, 2, 2), 1):
        ice, _ = block_counts(planes)
        before = ice.copy()
        surrounding_fraction(planes, np.arange(ice.size), (1, 1))
        np.testing.assert_array_equal(ice, before)


def test_fit_refuses_other_marks_of_the_outside():
    labels = np.ones((2, 4, 4), dtype=np.int8)
    labels[0, 0, 0] = -1
    for stack in (labels, da.from_array(labels)):
        with pytest.raises(ValueError, match="labels"):
            MaskDownsampler(2).fit(stack)
