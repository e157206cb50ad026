"""The displays of labelling hold the numbers that they draw."""

import dask.array as da
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from icecoreseg import AIR, GMMLabeler, ThresholdLabeler
from icecoreseg.datasets import make_ice_core
from icecoreseg.display import LabelerComparisonDisplay, MixtureDisplay
from icecoreseg.metrics import dice_score

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def core():
    core = make_ice_core("firn", n_slices=4, n_columns=64, random_state=0)
    return np.where(core.mask_high, core.high, np.float32(np.nan)), core.labels_high


def test_the_curves_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((2, 48, 48)) < 0.6, 110, 40) + rng.normal(0, 9, (2, 48, 48))
    labeler = GMMLabeler(smoothing=None, anchor_strength=0, prior="mixture").fit(X)
    display = MixtureDisplay.from_estimator(labeler, X, slice_index=1)
    theirs = GaussianMixture(2, covariance_type="tied", tol=1e-9, max_iter=1000, random_state=0)
    theirs.fit(X[1].reshape(-1, 1))
    levels = display.levels[:, None]
    np.testing.assert_allclose(
        display.components.sum(axis=0), np.exp(theirs.score_samples(levels)), rtol=1e-3
    )
    ice = theirs.predict_proba(levels)[:, np.argmax(theirs.means_)]
    np.testing.assert_allclose(display.ice, ice, atol=2e-3)
    step = display.levels[1] - display.levels[0]
    assert display.density.sum() * step == pytest.approx(1, abs=0.002)


def test_slice_of_a_lazy_stack_as_the_labeler_smooths_it(core):
    X, _ = core
    labeler = GMMLabeler().fit(X)
    lazily = MixtureDisplay.from_estimator(labeler, da.from_array(X, chunks=(2, -1, -1)))
    display = MixtureDisplay.from_estimator(labeler, X, title="firn").plot()
    np.testing.assert_array_equal(display.density, lazily.density)
    assert display.separation == pytest.approx(labeler.separation_[len(X) // 2])
    assert display.ax_.get_title() == "firn"
    assert len(display.ax_.lines) == 2
    assert len(display.levels) <= 100


def test_three_components_are_drawn(core):
    X, _ = core
    labeler = GMMLabeler(3, random_state=0).fit(X)
    display = MixtureDisplay.from_estimator(labeler, X, slice_index=0).plot()
    assert len(display.ax_.lines) == 3


def test_a_slice_outside_is_refused(core):
    X, _ = core
    X = np.concatenate([X, np.full_like(X[:8], np.nan)])
    labeler = GMMLabeler().fit(X)
    with pytest.raises(ValueError, match="Slice 15 has no voxel inside"):
        MixtureDisplay.from_estimator(labeler, X, slice_index=-1)


def test_labelers_side_by_side(core):
    X, truth = core
    labelers = {"Otsu": ThresholdLabeler(), "mixture": GMMLabeler()}
    display = LabelerComparisonDisplay.from_estimators(labelers, X, truth, slice_index=2).plot()
    assert list(display.labels) == ["truth", "Otsu", "mixture"]
    labels = GMMLabeler().fit(X).predict(X)
    np.testing.assert_array_equal(display.labels["mixture"], labels[2])
    assert display.scores["mixture"] == dice_score(truth, labels, positive=AIR)
    assert display.axes_[3].get_title().startswith("mixture\nF1 of air 0.")
    assert len(display.figure_.axes) == 4
    plain = LabelerComparisonDisplay.from_estimators(labelers, X).plot()
    assert plain.scores is None
    assert plain.axes_[1].get_title() == "Otsu"


def test_no_labeler_is_refused(core):
    with pytest.raises(ValueError, match="labelers must hold at least one labeler, got none"):
        LabelerComparisonDisplay.from_estimators({}, core[0])
