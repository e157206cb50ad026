"""MassCalibratedSegmenter: the labels weigh what the core weighs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin

from icecoreseg import OUTSIDE
from icecoreseg.metrics import mass_error
from icecoreseg.segmentation import MassCalibratedSegmenter
from tests.segmentation.conftest import tiny_unet

da = pytest.importorskip("dask.array")

PHYSICS = {"voxel_size_um": (58.0, 60.0, 60.0), "ice_density_kg_m3": 917.0}


class Identity(ClassifierMixin, BaseEstimator):
    """Takes the grey values for fractions."""

    def predict_fraction(self, X):
        return X


def mass_g(n_voxels):
    return n_voxels * np.prod(PHYSICS["voxel_size_um"]) * 1e-18 * 917.0 * 1e3


def fractions(seed, shape=(3, 20, 20)):
    rng = np.random.default_rng(seed)
    X = rng.beta(0.4, 0.4, shape).astype(np.float32)
    X[rng.random(shape) < 0.1] = np.nan
    return X


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.floats(0.01, 0.99))
def test_labels_weigh_what_the_balance_says(seed, share):
    X = fractions(seed)
    weighed = mass_g(share * np.count_nonzero(~np.isnan(X)))
    model = MassCalibratedSegmenter(Identity(), **PHYSICS).fit(X, weighed)
    labels = model.predict(X)
    error = mass_error(labels, weighed, **PHYSICS)
    assert error == pytest.approx(model.mass_error_, abs=1e-9)
    assert model.soft_mass_error_ == pytest.approx(mass_error(X, weighed, **PHYSICS), abs=1e-3)
    # No other threshold comes closer, but for voxels of the same bin.
    candidates = np.sort(X[~np.isnan(X)])
    n_ice = share * candidates.size
    best = np.abs(np.arange(candidates.size + 1) - n_ice).min()
    n_found = np.count_nonzero(labels == 1)
    assert abs(n_found - n_ice) <= best + np.count_nonzero(
        np.abs(candidates / model.threshold_ - 1) < 3e-4
    )


def test_lazy_stacks_stay_lazy():
    X = fractions(0)
    model = MassCalibratedSegmenter(Identity(), **PHYSICS).fit(
        da.from_array(X, chunks=1), mass_g(500)
    )
    labels = model.predict(da.from_array(X, chunks=1))
    assert isinstance(labels, da.Array)
    np.testing.assert_array_equal(labels.compute(), model.predict(X))
    assert ((labels.compute() == OUTSIDE) == np.isnan(X)).all()


def test_calibrates_a_unet(fitted, core):
    """5 % less mass than the segmenter says is met by a higher threshold."""
    X, _ = core
    n_ice = 0.95 * np.nansum(fitted.predict_fraction(X))
    model = MassCalibratedSegmenter(fitted, **PHYSICS).fit(X, mass_g(n_ice))
    assert model.threshold_ > 0.5
    assert model.mass_error_ == pytest.approx(0, abs=0.1)
    assert model.soft_mass_error_ == pytest.approx(100 / 0.95 - 100, abs=1e-3)


@pytest.mark.parametrize(
    ("mass", "message"),
    [(0.0, "positive number"), (-1.0, "positive"), ("1 g", "positive"), (9.0, "but the specimen")],
)
def test_bad_masses_are_refused(mass, message):
    with pytest.raises(ValueError, match=message):
        MassCalibratedSegmenter(Identity(), **PHYSICS).fit(fractions(0), mass)


def test_unfitted_is_said():
    with pytest.raises(ValueError, match="not fitted"):
        MassCalibratedSegmenter(Identity(), **PHYSICS).predict(fractions(0))
    with pytest.raises(ValueError, match="not fitted"):
        MassCalibratedSegmenter(tiny_unet(), **PHYSICS).fit(fractions(0), 1.0)
