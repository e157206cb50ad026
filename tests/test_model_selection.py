"""DepthSplit cuts every core once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score, cross_validate

from icecoreseg import ThresholdLabeler
from icecoreseg.metrics import SCORERS
from icecoreseg.model_selection import DepthSplit


@given(st.lists(st.integers(3, 30), min_size=1, max_size=4), st.integers(0, 1))
def test_every_test_slice_lies_below_every_training_slice_of_its_core(lengths, gap):
    groups = np.repeat(np.arange(len(lengths)), lengths)
    train, test = next(DepthSplit(0.2, gap=gap).split(groups, groups=groups))
    assert not set(train) & set(test)
    assert len(train) + len(test) == len(groups) - gap * len(lengths)
    for core, length in enumerate(lengths):
        mine = test[groups[test] == core]
        assert len(mine) == max(1, round(0.2 * length))
        assert train[groups[train] == core].max() + gap + 1 == mine.min()


def test_works_in_cross_val_score():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (10, 8, 8)).astype(np.uint8)
    X = np.where(y == 1, 110, 20).astype(np.uint8)
    scores = cross_val_score(ThresholdLabeler(), X, y, cv=DepthSplit(2), groups=[0] * 5 + [1] * 5)
    np.testing.assert_array_equal(scores, [1.0])


@given(st.lists(st.integers(6, 30), min_size=1, max_size=4), st.integers(0, 1))
def test_validation_lies_between_training_and_test(lengths, gap):
    groups = np.repeat(np.arange(len(lengths)), lengths)
    splitter = DepthSplit(0.2, validation_size=0.1, gap=gap)
    parts = splitter.parts(groups, groups=groups)
    train, test = next(splitter.split(groups, groups=groups))
    np.testing.assert_array_equal(train, parts.train)
    np.testing.assert_array_equal(test, parts.test)
    for core, length in enumerate(lengths):
        mine = [part[groups[part] == core] for part in parts]
        n_valid, n_test = max(1, round(0.1 * length)), max(1, round(0.2 * length))
        assert [len(part) for part in mine] == [
            length - n_valid - n_test - 2 * gap,
            n_valid,
            n_test,
        ]
        for upper, lower in pairwise(mine):
            assert upper.max() + gap + 1 == lower.min()


@pytest.mark.parametrize("splitter", [DepthSplit(0.25, validation_size=1), LeaveOneGroupOut()])
def test_cross_validate_with_all_scorers(splitter):
    """Leave-one-specimen-out is scikit-learn's own splitter; both work on stacks."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (12, 8, 8)).astype(np.uint8)
    X = np.where(y == 1, 110, 20).astype(np.uint8)
    groups = np.repeat(["snow", "firn", "ice"], 4)
    X[groups == "ice"] += 10
    result = cross_validate(ThresholdLabeler(60), X, y, groups=groups, cv=splitter, scoring=SCORERS)
    assert len(result["test_dice_air"]) == splitter.get_n_splits(X, y, groups)
    assert min(result[f"test_{name}"].min() for name in SCORERS) == 1.0


def test_refusals():
    with pytest.raises(ValueError, match="Core a has 3 slices: too few"):
        next(DepthSplit(2, gap=1).split(range(3), groups=["a"] * 3))
    with pytest.raises(ValueError, match="test_size must be"):
        next(DepthSplit(1.5).split(range(3)))
    with pytest.raises(ValueError, match="1 to test, 2 to validate, gaps of 0"):
        next(DepthSplit(1, validation_size=2).split(range(3)))
    with pytest.raises(ValueError, match="validation_size must be"):
        next(DepthSplit(validation_size=-1).split(range(3)))
    with pytest.raises(ValueError, match="gap must be"):
        next(DepthSplit(gap=-1).split(range(3)))
    with pytest.raises(ValueError, match="but X has 3 slices"):
        next(DepthSplit().split(range(3), groups=[1]))
