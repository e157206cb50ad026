"""EnsembleSegmenter: means and spreads over members and symmetries."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from icecoreseg.segmentation import EnsembleSegmenter
from tests.segmentation.conftest import make_core, tiny_unet

da = pytest.importorskip("dask.array")


class Column(ClassifierMixin, BaseEstimator):
    """Fraction that grows along the columns: different from every side."""

    def fit(self, X, y):
        return self

    def predict_fraction(self, X):
        ramp = np.linspace(0, 1, X.shape[2], dtype=np.float32)
        return np.where(np.isnan(X), np.float32(np.nan), ramp)

    def __sklearn_is_fitted__(self):
        return True


def test_moments_of_the_symmetries():
    """Four of eight views see the ramp along the columns (two each way), four along the rows."""
    X = np.zeros((1, 5, 5), dtype=np.float32)
    X[0, 0, 0] = np.nan
    model = EnsembleSegmenter(Column(), n_members=1).fit(X, None)
    mean, std = model.predict_fraction(X, return_std=True)
    i, j = np.mgrid[:5, :5] / 4
    views = np.array([j, j, 1 - j, 1 - j, i, i, 1 - i, 1 - i], dtype=float)
    views[:, 0, 0] = np.nan
    np.testing.assert_allclose(mean[0], views.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(std[0], views.std(axis=0), atol=1e-6)
    share, spread = model.ice_fraction(X)
    np.testing.assert_allclose(share, np.nanmean(views), atol=1e-6)
    np.testing.assert_allclose(spread, np.nanmean(views, axis=(1, 2)).std(), atol=1e-6)


def test_members_differ_and_their_mean_is_good(core):
    model = EnsembleSegmenter(tiny_unet(), n_members=2, random_state=0).fit(*core)
    assert len({member.random_state for member in model.members_}) == 2
    X, y = make_core(9)
    mean, std = model.predict_fraction(X, return_std=True)
    assert model.score(X, y) > 0.95
    valid = ~np.isnan(mean)
    wrong = valid & ((mean >= 0.5) != (y == 1))
    assert std[wrong].mean() > 2 * std[valid & ~wrong].mean()  # it doubts where it errs
    lazy = model.predict_fraction(da.from_array(X, chunks=(4, 48, 40)))
    np.testing.assert_allclose(lazy.compute(), mean, atol=1e-6)


def test_frozen_segmenter_is_asked_not_trained(fitted, core):
    X, _ = core
    ensemble = EnsembleSegmenter(FrozenEstimator(fitted), n_members=1, symmetries=False)
    fraction, std = clone(ensemble).fit(*core).predict_fraction(X, return_std=True)
    np.testing.assert_allclose(fraction, fitted.predict_fraction(X), atol=1e-6)
    assert np.nanmax(std) == 0


def test_seeds_reach_into_pipelines(core):
    pipeline = make_pipeline(FunctionTransformer(), tiny_unet(batches_per_epoch=2))
    models = [
        EnsembleSegmenter(pipeline, n_members=2, random_state=seed).fit(*core) for seed in (0, 0)
    ]
    seeds = [[member[-1].random_state for member in model.members_] for model in models]
    assert seeds[0] == seeds[1]
    assert seeds[0][0] != seeds[0][1]


def test_bad_number_of_members(core):
    with pytest.raises(ValueError, match="n_members must be an integer"):
        EnsembleSegmenter(tiny_unet(), n_members=0).fit(*core)
