"""ThresholdLabeler against scikit-image's thresholds."""

import dask.array as da
import numpy as np
import pytest
from skimage import filters
from sklearn.cluster import KMeans

from icecoreseg import AIR, ICE, OUTSIDE, ThresholdLabeler
from icecoreseg.labeling.thresholds import METHODS


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    ice = rng.random((3, 24, 24)) < 0.7
    X = np.rint(np.where(ice, 110, 30) + rng.normal(0, 8, ice.shape)).clip(1, 255)
    X[:, :4] = np.nan
    return X.astype(np.float32)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"kmeans"}))
def test_equals_scikit_image_on_the_voxels_inside(stack, method):
    labeler = ThresholdLabeler(method).fit(stack)
    labels = labeler.predict(stack)
    assert (labels[:, :4] == OUTSIDE).all()
    for z, plane in enumerate(stack[:, 4:]):
        threshold = getattr(filters, f"threshold_{method}")(plane.ravel())
        assert labeler.thresholds_[z] == pytest.approx(threshold)
        np.testing.assert_array_equal(labels[z, 4:], plane > threshold)


def test_kmeans_reaches_the_optimum_of_scikit_learn(stack):
    for z, labels in enumerate(ThresholdLabeler("kmeans").fit_transform(stack)):
        values = stack[z, 4:].reshape(-1, 1)
        kmeans = KMeans(2, n_init=5, random_state=0).fit(values)
        bright = np.argmax(kmeans.cluster_centers_)
        np.testing.assert_array_equal(labels[4:].ravel(), kmeans.labels_ == bright)


def test_a_threshold_by_hand(stack):
    labels = ThresholdLabeler(70.0).fit_transform(stack)
    np.testing.assert_array_equal(labels[:, 4:] == ICE, stack[:, 4:] > 70)


def test_lazy_labels_equal_those_in_memory(stack):
    labeler = ThresholdLabeler().fit(stack)
    lazy = labeler.predict(da.from_array(stack, chunks=(2, 24, 24)))
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy, labeler.predict(stack))


def test_slices_without_contrast_take_the_median_threshold(stack):
    stack[1] = np.nan
    stack[2, 4:] = 110
    labels = ThresholdLabeler().fit_transform(stack)
    assert (labels[1] == OUTSIDE).all()
    assert (labels[2, 4:] == ICE).all()


def test_no_two_peaks_is_said_and_survived(stack):
    labeler = ThresholdLabeler("minimum").fit(stack)
    ramp = np.linspace(1, 200, stack.size, dtype=np.float32).reshape(stack.shape)
    with pytest.warns(UserWarning, match="does not have two peaks"):
        labels = labeler.predict(ramp)
    assert set(np.unique(labels)) == {AIR, ICE}


def test_refusals(stack):
    with pytest.raises(ValueError, match="method='otzu' is not known"):
        ThresholdLabeler("otzu").fit(stack)
    with pytest.raises(ValueError, match="finite number"):
        ThresholdLabeler(np.inf).fit(stack)
