"""Scores against scikit-learn's on the flattened voxels of the specimen, and their laws."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from icecoreseg import AIR, ICE, OUTSIDE
from icecoreseg.metrics import (
    SCORERS,
    confusion_counts,
    dice_score,
    jaccard_score,
    mass_error,
    matthews_score,
    precision_score,
    recall_score,
    score_table,
    voxel_accuracy,
)

LABELS = st.sampled_from([AIR, ICE, OUTSIDE])
PAIRS = {
    precision_score: reference.precision_score,
    recall_score: reference.recall_score,
    dice_score: reference.f1_score,
    jaccard_score: reference.jaccard_score,
}


def label_stacks(shape=(3, 4, 5), elements=LABELS):
    return arrays(np.uint8, shape, elements=elements)


def flat_inside(y_true, y_pred):
    inside = y_true != OUTSIDE
    return y_true[inside], y_pred[inside]


@settings(deadline=None, max_examples=40)
@given(y_true=label_stacks(), y_pred=label_stacks())
@pytest.mark.parametrize("positive", [ICE, AIR])
@pytest.mark.parametrize("ours", list(PAIRS))
def test_scores_equal_scikit_learn(ours, positive, y_true, y_pred):
    """Pooled scores, missed voxels being a third class, equal scikit-learn's."""
    true, predicted = flat_inside(y_true, y_pred)
    counts = confusion_counts(y_true, y_pred).sum(axis=0)
    if counts[positive].sum() == 0 or counts[:, positive].sum() == 0:
        return
    expected = PAIRS[ours](true, predicted, labels=[positive], average="micro")
    assert ours(y_true, y_pred, positive=positive) == pytest.approx(expected, abs=1e-14)


@settings(deadline=None, max_examples=40)
@given(y_true=label_stacks(), y_pred=label_stacks())
def test_accuracy_and_matthews_equal_scikit_learn(y_true, y_pred):
    true, predicted = flat_inside(y_true, y_pred)
    if true.size == 0:
        return
    assert voxel_accuracy(y_true, y_pred) == pytest.approx((true == predicted).mean())
    if len(set(true)) > 1 and len(set(predicted)) > 1:
        expected = reference.matthews_corrcoef(true, predicted)
        assert matthews_score(y_true, y_pred) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(y_true=label_stacks(), y_pred=label_stacks())
def test_laws_of_the_counts(y_true, y_pred):
    """Counts add up, dask gives the same, exchanging the phases exchanges the classes."""
    counts = confusion_counts(y_true, y_pred)
    inside = (y_true != OUTSIDE).sum(axis=(1, 2))
    np.testing.assert_array_equal(counts.sum(axis=(1, 2)), inside)
    lazy = confusion_counts(da.from_array(y_true, chunks=(2, 4, 5)), y_pred)
    np.testing.assert_array_equal(lazy, counts)
    exchanged = [np.where(y == OUTSIDE, y, 1 - y).astype(np.uint8) for y in (y_true, y_pred)]
    np.testing.assert_array_equal(
        confusion_counts(*exchanged), counts[:, ::-1][:, :, [ICE, AIR, 2]]
    )


def test_dice_is_two_jaccard_over_one_plus_jaccard():
    """P2 of the paper's table: the law holds for one table of counts, not for means."""
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 2, (2, 6, 8, 8), dtype=np.uint8)
    dice, jaccard = (f(y_true, y_pred, average=None) for f in (dice_score, jaccard_score))
    np.testing.assert_allclose(dice, 2 * jaccard / (1 + jaccard))
    means = (
        dice_score(y_true, y_pred, average="mean"),
        jaccard_score(y_true, y_pred, average="mean"),
    )
    assert means[0] != pytest.approx(2 * means[1] / (1 + means[1]), abs=1e-6)


def test_pooled_is_not_the_mean_and_empty_slices_are_left_out():
    y_true = np.array([[[1, 1, 1, 0]], [[1, 0, 0, 0]], [[0, 0, 0, 0]], [[255] * 4]], np.uint8)
    y_pred = np.array([[[1, 1, 1, 0]], [[1, 1, 0, 0]], [[0, 0, 0, 0]], [[1] * 4]], np.uint8)
    np.testing.assert_allclose(dice_score(y_true, y_pred, average=None), [1, 2 / 3, np.nan, np.nan])
    assert dice_score(y_true, y_pred, average="mean") == pytest.approx(5 / 6)
    assert dice_score(y_true, y_pred) == pytest.approx(8 / 9)
    table = score_table(y_true, y_pred, average="mean")
    assert (table["n_slices_dice_ice"], table["n_slices_accuracy"]) == (2, 3)


def test_missed_voxels_lower_recall_and_leave_precision():
    y_true, y_pred = np.uint8([[[1, 1, 0, 0]]]), np.uint8([[[1, 255, 0, 255]]])
    assert recall_score(y_true, y_pred) == 0.5
    assert recall_score(y_true, y_pred, positive=AIR) == 0.5
    assert precision_score(y_true, y_pred) == 1
    assert voxel_accuracy(y_true, y_pred) == 0.5


def test_sample_weight_leaves_slices_out():
    rng = np.random.default_rng(1)
    y_true, y_pred = rng.integers(0, 2, (2, 4, 5, 5), dtype=np.uint8)
    for average in ("pooled", "mean"):
        weighted = dice_score(y_true, y_pred, average=average, sample_weight=[1, 1, 0, 0])
        assert weighted == pytest.approx(dice_score(y_true[:2], y_pred[:2], average=average))


def test_undefined_score_is_nan_with_a_warning():
    y = np.zeros((1, 2, 2), np.uint8)
    with pytest.warns(UndefinedMetricWarning, match="dice score is undefined"):
        assert np.isnan(dice_score(y, y))
    assert np.isnan(score_table(y, y)["dice_ice"])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        (np.full((1, 2, 2), 7, np.uint8), np.zeros((1, 2, 2), np.uint8), r"y_true.*\[7\]"),
        (np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 7, np.uint8), r"y_pred.*\[7\]"),
        (np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 3), np.uint8), "shape"),
        (np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2)), "float64.*Threshold"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), "single slice"),
    ],
)
def test_refusals(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        voxel_accuracy(y_true, y_pred)


def test_strange_values_in_a_lazy_prediction_are_found():
    y_true = np.zeros((2, 3, 3), np.uint8)
    y_pred = da.from_array(np.full((2, 3, 3), 9, np.uint8), chunks=1)
    with pytest.raises(ValueError, match=r"y_pred.*\[9\]"):
        voxel_accuracy(y_true, y_pred)


@pytest.mark.parametrize("options", [{"average": "macro"}, {"positive": 2}, {"sample_weight": [1]}])
def test_refused_options(options):
    y = np.zeros((2, 2, 2), np.uint8)
    with pytest.raises(ValueError, match=next(iter(options))):
        dice_score(y, y, **options)


class FixedThreshold(ClassifierMixin, BaseEstimator):
    """Smallest classifier of stacks."""

    def __init__(self, level=0.5):
        self.level = level

    def fit(self, X, y):
        self.classes_ = np.array([AIR, ICE])
        return self

    def predict(self, X):
        return (X > self.level).astype(np.uint8)


def test_scorers_work_in_model_selection():
    X = np.random.default_rng(0).random((6, 8, 8))
    y = (X > 0.3).astype(np.uint8)
    scores = cross_validate(FixedThreshold(0.3), X, y, scoring=SCORERS, cv=3)
    assert all((scores[f"test_{name}"] == 1).all() for name in SCORERS)
    search = GridSearchCV(
        FixedThreshold(), {"level": [0.1, 0.3, 0.6]}, scoring=SCORERS["dice_air"], cv=KFold(2)
    )
    assert search.fit(X, y).best_params_ == {"level": 0.3}


def test_mass_error_of_labels_and_fractions():
    """A block of 20 mm x 10 mm x 10 mm, half ice: 1 cm3 of ice."""
    y = np.zeros((4, 10, 10), np.uint8)
    y[:, :5] = ICE
    options = {"voxel_size_um": (5000, 1000, 1000), "ice_density_kg_m3": 900}
    assert mass_error(y, 1.0, **options) == pytest.approx(-10 + 0)
    fraction = np.full(y.shape, 0.5)
    assert mass_error(fraction, 0.9, **options) == pytest.approx(0, abs=1e-12)
    warmer, colder = (mass_error(y, 1.0, voxel_size_um=1000, temperature_c=t) for t in (-5, -30))
    assert warmer < colder
    with pytest.raises(ValueError, match="weighed_mass_g"):
        mass_error(y, 0, voxel_size_um=1000)
