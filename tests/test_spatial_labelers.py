"""Labelers that look at the neighbourhood: minimum cut, seeds, contours, superpixels, sequence."""

from itertools import product

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.measure import label as skimage_label
from skimage.segmentation import morphological_chan_vese
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from icecoreseg import (
    AIR,
    ICE,
    OUTSIDE,
    ChanVeseLabeler,
    GMMLabeler,
    GraphCutLabeler,
    RandomWalkerLabeler,
    SequentialLabeler,
    SpeckleFilter,
    SuperpixelLabeler,
    ThresholdLabeler,
    WatershedLabeler,
)
from icecoreseg.labeling._contour import move_contour
from icecoreseg.labeling._cut import minimum_cut
from icecoreseg.labeling.seeded import find_seeds
from icecoreseg.labeling.sequential import remove_small_patches
from icecoreseg.metrics import dice_score

RAW = GMMLabeler(smoothing=None)
SPATIAL = [
    ChanVeseLabeler,
    GraphCutLabeler,
    RandomWalkerLabeler,
    SuperpixelLabeler,
    WatershedLabeler,
]
by_name = pytest.mark.parametrize("kind", SPATIAL, ids=lambda kind: kind.__name__)


class Hide(FunctionTransformer):
    """A step that marks the last ten rows as outside."""

    def transform(self, X):
        X = X.copy()
        X[:, -10:] = np.nan
        return X


def noisy_slices(sd, seed=0, n_slices=2, size=80):
    """Smooth two-phase slices (60 % ice, greys 40 and 100) with noise, and their labels."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(n_slices + 40, size, size)), 4, mode="wrap")[:n_slices]
    labels = (field > np.quantile(field, 0.4)).astype(np.uint8)
    return 40 + 60.0 * labels + rng.normal(0, sd, labels.shape), labels


def in_a_disc(X, fill):
    rows, columns = np.ogrid[-1 : 1 : X.shape[1] * 1j, -1 : 1 : X.shape[2] * 1j]
    disc = np.broadcast_to(rows**2 + columns**2 < 0.9, X.shape)
    return np.where(disc, X, fill), disc


class TestMinimumCut:
    @given(
        odds=arrays(float, (3, 4), elements=st.floats(-4, 4)),
        inside=arrays(bool, (3, 4)),
        smoothness=st.floats(0, 3),
    )
    @settings(deadline=None, max_examples=40)
    def test_no_labelling_has_less_energy(self, odds, inside, smoothness):
        every = np.array(list(product([False, True], repeat=12))).reshape(-1, 3, 4)
        energy = self.energy(every, odds, inside, smoothness)
        found = minimum_cut(odds, inside, smoothness)
        ours = self.energy(found[None], odds, inside, smoothness)[0]
        assert ours <= energy.min() + 0.02  # capacities are rounded to 0.001
        assert not found[~inside].any()

    @staticmethod
    def energy(labels, odds, inside, smoothness):
        """The definition, pair by pair."""
        energy = -np.where(labels & inside, odds, 0).sum((1, 2))
        cells = list(product(range(3), range(4)))
        for (i, a), (j, b) in ((p, q) for p in cells for q in cells if p < q):
            if max(abs(i - j), abs(a - b)) == 1 and inside[i, a] and inside[j, b]:
                cost = smoothness / np.hypot(i - j, a - b)
                energy = energy + cost * (labels[:, i, a] != labels[:, j, b])
        return energy

    @given(odds=arrays(float, (5, 6), elements=st.floats(-4, 4, width=16)))
    @settings(deadline=None, max_examples=20)
    def test_without_smoothness_the_odds_decide(self, odds):
        np.testing.assert_array_equal(minimum_cut(odds, np.ones((5, 6), bool), 0.0), odds > 0)


@by_name
class TestSpatial:
    def test_mends_what_noise_has_torn(self, kind):
        X, truth = noisy_slices(sd=25)
        guess = dice_score(truth, RAW.fit_transform(X))
        assert guess < 0.92
        assert dice_score(truth, kind(RAW).fit_transform(X)) > 0.95
        assert dice_score(truth, kind(RAW).fit_transform(X), positive=AIR) > 0.93

    def test_clear_slices_are_hardly_touched(self, kind):
        X, truth = noisy_slices(sd=5, n_slices=4)
        assert dice_score(truth, kind().fit_transform(X)) > 0.955

    def test_what_lies_outside_does_not_matter(self, kind):
        X, truth = noisy_slices(sd=15)
        masked, disc = in_a_disc(X.astype(np.float32), np.nan)
        labels = kind(RAW).fit_transform(masked)
        np.testing.assert_array_equal(labels == OUTSIDE, ~disc)
        assert dice_score(np.where(disc, truth, OUTSIDE), labels) > 0.96
        dark, _ = in_a_disc(X.astype(np.float32), -500)
        guess = GMMLabeler(smoothing=None, outside=-500)
        theirs = kind(guess, outside=-500).fit_transform(dark)
        np.testing.assert_array_equal(labels, theirs)

    def test_slices_of_one_phase_survive(self, kind):
        X, _ = noisy_slices(sd=6, n_slices=3)
        X[1] = np.random.default_rng(1).normal(100, 6, X[1].shape)
        X[2] = np.nan
        with pytest.warns(UserWarning, match=r"slices \[1\] do not show two phases"):
            labels = kind(GMMLabeler(smoothing=(0, 1, 1), sharpening=0)).fit_transform(X)
        assert (labels[1] == ICE).mean() > 0.999
        assert (labels[2] == OUTSIDE).all()

    def test_lazy_labels_equal_those_in_memory(self, kind):
        X, _ = noisy_slices(sd=15, n_slices=3)
        labeler = kind().fit(X)  # its guess smooths along the core, over the slabs' borders
        lazy = labeler.predict(da.from_array(X, chunks=(2, 80, 80)))
        assert isinstance(lazy, da.Array)
        np.testing.assert_array_equal(lazy, labeler.predict(X))

    def test_the_guess_of_a_pipeline(self, kind):
        X, _ = noisy_slices(sd=15)
        X[:, :10] = np.nan
        X[0, 40, 40] = 255
        pipeline = make_pipeline(SpeckleFilter(), RAW)
        cleaned = RAW.fit(SpeckleFilter().fit_transform(X)).predict_fraction

        class Cleaned(GMMLabeler):
            def predict_fraction(self, X):
                return cleaned(SpeckleFilter().fit_transform(X))

        expected = kind(Cleaned(smoothing=None)).fit_transform(X)
        np.testing.assert_array_equal(kind(pipeline).fit_transform(X), expected)
        assert (kind(make_pipeline(Hide(), RAW)).fit_transform(X)[:, -10:] == OUTSIDE).all()

    def test_refusals(self, kind):
        X, _ = noisy_slices(sd=5)
        with pytest.raises(ValueError, match="labeler must have predict_fraction"):
            kind(ThresholdLabeler()).fit(X)
        with pytest.raises(ValueError, match=r"labeler has outside=0, expected nan"):
            kind(GMMLabeler(outside=0)).fit(X)


@pytest.mark.filterwarnings("ignore:The two phases are less than 2")  # bytes at random
@pytest.mark.filterwarnings("ignore:Less than 4%")
@given(X=arrays(np.uint8, (1, 9, 11), elements=st.integers(0, 12)))
@settings(deadline=None, max_examples=15)
def test_any_bytes_become_labels(X):
    X[0, 0, :2] = 3, 9  # at least two grey levels inside
    guess = GMMLabeler(smoothing=None, outside=0, max_iter=5, tol=np.inf)
    for kind in SPATIAL:
        labels = kind(guess, outside=0).fit_transform(X)
        assert set(np.unique(labels)) <= {AIR, ICE, OUTSIDE}
        np.testing.assert_array_equal(labels == OUTSIDE, X == 0)


@pytest.mark.parametrize(
    ("labeler", "message"),
    [
        (RandomWalkerLabeler(confidence=0.5), "confidence must lie in"),
        (RandomWalkerLabeler(beta=-1), "beta must be a number from 0"),
        (WatershedLabeler(smoothing=-1), "smoothing must be a number from 0"),
        (GraphCutLabeler(smoothness=np.nan), "smoothness must be a number from 0"),
        (ChanVeseLabeler(n_iterations=0), "n_iterations must be an integer of at least 1"),
        (SuperpixelLabeler(superpixel_size=0), "superpixel_size must be an integer"),
        (SuperpixelLabeler(compactness=0), "compactness must be positive"),
        (SequentialLabeler(median_size=4), "median_size must be odd, got 4"),
        (SequentialLabeler(min_size=0), "min_size must be an integer of at least 1"),
    ],
)
def test_wrong_parameters_are_refused(labeler, message):
    with pytest.raises(ValueError, match=message):
        labeler.fit(noisy_slices(sd=5)[0])


def test_random_walker_with_seeds_of_one_phase_keeps_the_guess():
    """scikit-image's walker would give every voxel to the one phase that has seeds."""
    X, _ = noisy_slices(sd=20, n_slices=1)
    X = np.where(X < 70, 69.0, 100.0)
    X[0, :, :40] = 71.0
    guess = ThresholdFraction().fit(X)
    assert not (find_seeds(guess.predict_fraction(X)[0], X[0] > 0, 0.95) == 1).any()
    walker = RandomWalkerLabeler(guess).fit(X)
    np.testing.assert_array_equal(walker.predict(X), X > 70)


class ThresholdFraction(ThresholdLabeler):
    """A guess that is never certain of air: 0.1, 0.6, 1."""

    def predict_fraction(self, X):
        return np.select([X > 90, X > 70], [1.0, 0.6], 0.1).astype(np.float32)


def test_contour_equals_scikit_image():
    """On an image framed in air, since the two treat the image's edge differently."""
    image = np.pad(noisy_slices(sd=25, n_slices=1)[0][0], 10, constant_values=40)
    start = image > 60
    for n_smoothings in (0, 2):  # even: scikit-image's operators alternate over all calls
        ours = move_contour(image, np.ones_like(start), start, 4, n_smoothings)
        theirs = morphological_chan_vese(image, 4, init_level_set=start, smoothing=n_smoothings)
        np.testing.assert_array_equal(ours, theirs)


class TestSequential:
    def test_beats_its_threshold(self):
        X, truth = noisy_slices(sd=25)
        assert dice_score(truth, ThresholdLabeler().fit_transform(X)) < 0.92
        assert dice_score(truth, SequentialLabeler().fit_transform(X)) > 0.96

    def test_without_filter_and_cleaning_it_is_the_threshold(self):
        X, _ = noisy_slices(sd=25)
        bare = SequentialLabeler(median_size=1, min_size=1)
        np.testing.assert_array_equal(bare.fit_transform(X), ThresholdLabeler().fit_transform(X))

    @pytest.mark.parametrize("size", [3, 5])
    def test_what_lies_outside_does_not_matter(self, size):
        X, _ = noisy_slices(sd=20)
        labels = [
            SequentialLabeler(median_size=size, outside=fill).fit_transform(in_a_disc(X, fill)[0])
            for fill in (np.nan, -500.0, 900.0)
        ]
        np.testing.assert_array_equal(labels[0], labels[1])
        np.testing.assert_array_equal(labels[0], labels[2])

    @given(
        labels=arrays(np.uint8, (8, 9), elements=st.sampled_from([AIR, ICE, ICE, OUTSIDE])),
        size=st.integers(1, 6),
    )
    @settings(deadline=None, max_examples=40)
    def test_no_small_patch_of_ice_is_left(self, labels, size):
        cleaned = remove_small_patches(labels, size)
        np.testing.assert_array_equal(cleaned == OUTSIDE, labels == OUTSIDE)
        patches = skimage_label(cleaned == ICE, connectivity=1)
        sizes = np.bincount(patches.ravel())[1:]
        assert (sizes >= size).all()
        if size == 1:
            np.testing.assert_array_equal(cleaned, labels)
