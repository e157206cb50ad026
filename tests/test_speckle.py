"""SpeckleFilter: salt and pepper go, everything else stays."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from sklearn.base import clone

from icecoreseg import SpeckleFilter
from icecoreseg.datasets import make_ice_core
from icecoreseg.preprocessing import remove_speckles
from icecoreseg.preprocessing._median import _median_of_nine, median_inside

SLICES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
DTYPES = st.sampled_from([np.uint8, np.uint16, np.float32, np.float64])


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), SLICES))
def test_network_is_scipys_median(pixels):
    expected = ndimage.median_filter(pixels, 3)
    inner = (slice(1, -1), slice(1, -1))
    assert np.array_equal(_median_of_nine(pixels)[inner], expected[inner])


def test_network_over_several_strips():
    pixels = np.random.default_rng(0).normal(size=(200, 70)).astype(np.float32)
    expected = ndimage.median_filter(pixels, 3)
    assert np.array_equal(_median_of_nine(pixels)[1:-1, 1:-1], expected[1:-1, 1:-1])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([3, 5]), st.integers(3, 11), DTYPES)
def test_median_is_that_of_the_inside(seed, size, edge, dtype):
    """Against a plain loop with np.sort, outside and picture's edge left out."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 200, (edge, edge + 1)).astype(dtype)
    inside = random.random(pixels.shape) < 0.7
    median, half = median_inside(pixels, inside, size), size // 2
    for row, column in np.argwhere(inside):
        near = np.s_[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
        values = np.sort(pixels[near][inside[near]])
        assert median[row, column] == values[(len(values) - 1) // 2]


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_salt_and_pepper_on_phantoms(kind):
    """What was sprinkled is removed, nearly all else keeps its very value."""
    core = make_ice_core(kind, n_slices=2, n_columns=96, random_state=0)
    random = np.random.default_rng(1)
    salt = core.mask_low & (random.random(core.low.shape) < 0.01)
    X = np.where(core.mask_low, core.low, 0).astype(np.uint8)
    X[X == 0] = 1
    X[~core.mask_low] = 0
    noisy = X.copy()
    noisy[salt] = np.where(random.random(salt.sum()) < 0.5, 1, 255)
    speckle = SpeckleFilter(outside=0)
    filtered = speckle.fit_transform(noisy)
    moved = np.abs(noisy.astype(int) - X) > 100  # visible speckles
    assert np.abs(filtered.astype(int) - X)[moved].mean() < 25
    assert (filtered == X)[~salt].mean() > 0.998
    assert ((filtered == 0) == (X == 0)).all()
    assert np.array_equal(speckle.fit_transform(X), X) or (speckle.transform(X) == X).mean() > 0.998


def test_outside_is_no_neighbour():
    """A lone row of specimen next to a black outside keeps its values, speckle apart."""
    X = np.zeros((1, 7, 9), dtype=np.uint8)
    X[0, 3] = 120
    X[0, 3, 4] = 250
    filtered = remove_speckles(X, threshold=40, outside=0)
    assert filtered[0, 3].tolist() == [120] * 9
    assert not np.delete(filtered[0], 3, axis=0).any()
    blank = np.where(X == 0, np.nan, X).astype(np.float32)
    filtered = remove_speckles(blank, threshold=40)
    assert filtered[0, 3].tolist() == [120] * 9
    assert np.array_equal(np.isnan(filtered), np.isnan(blank))


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.uint8, (2, 6, 7)), st.integers(0, 300), st.integers(0, 255))
def test_voxels_change_only_beyond_the_threshold(X, threshold, outside):
    filtered = remove_speckles(X, threshold=threshold, outside=outside)
    moved = np.abs(filtered.astype(int) - X)
    assert (moved[moved > 0] > threshold).all()
    assert np.array_equal(filtered[X == outside], X[X == outside])
    flipped = remove_speckles(X[:, ::-1, ::-1], threshold=threshold, outside=outside)
    assert np.array_equal(flipped[:, ::-1, ::-1], filtered)


def test_fractional_threshold_is_exact():
    X = np.full((1, 3, 3), 100, dtype=np.uint8)
    X[0, 1, 1] = 140
    assert remove_speckles(X, threshold=39.9)[0, 1, 1] == 100
    assert remove_speckles(X, threshold=40)[0, 1, 1] == 140
    assert remove_speckles(X.astype(np.float32), threshold=39.9)[0, 1, 1] == 100


def test_lazy_equals_eager_and_blocks_equal_whole():
    X = np.random.default_rng(0).integers(0, 256, (7, 20, 21), dtype=np.uint8)
    lazy = da.from_array(X, chunks=(3, -1, -1))
    speckle = SpeckleFilter(outside=9).fit(lazy)
    assert speckle.threshold_ == SpeckleFilter(outside=9).fit(X).threshold_
    whole = speckle.transform(X)
    assert isinstance(speckle.transform(lazy), da.Array)
    assert np.array_equal(speckle.transform(lazy).compute(), whole)
    assert np.array_equal(
        np.concatenate([speckle.transform(X[:2]), speckle.transform(X[2:])]), whole
    )


def test_learned_threshold_grows_with_noise_and_contrast():
    random = np.random.default_rng(0)
    quiet = random.normal(100, 2, (2, 50, 50))
    loud = random.normal(100, 8, (2, 50, 50))
    split = quiet + 90 * (np.arange(50) < 25)
    learned = [SpeckleFilter().fit(X).threshold_ for X in (quiet, loud, split)]
    assert learned[1] == pytest.approx(4 * learned[0], rel=0.2)
    assert learned[2] == pytest.approx(46, abs=3)
    assert SpeckleFilter().fit(np.full((1, 4, 4), np.nan)).threshold_ == 0


def test_manners():
    X = np.random.default_rng(0).integers(0, 256, (1, 9, 9), dtype=np.uint16)
    X.flags.writeable = False
    speckle = SpeckleFilter(threshold=5, size=5)
    assert speckle.fit_transform(X).dtype == np.uint16
    assert np.array_equal(clone(speckle).fit_transform(X), speckle.transform(X))
    for bad, message in (
        ({"size": 4}, "odd"),
        ({"size": 1}, "size"),
        ({"threshold": -1}, "threshold"),
        ({"threshold": "a"}, "threshold"),
        ({"outside": -1}, "does not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            SpeckleFilter(**bad).fit(X)
    with pytest.raises(ValueError, match="infinite"):
        remove_speckles(np.full((1, 3, 3), np.inf))
    with pytest.raises(Exception, match="not fitted"):
        SpeckleFilter().transform(X)
