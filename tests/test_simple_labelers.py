"""MassThresholdLabeler and LocalThresholdLabeler."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_local

from icecoreseg import (
    AIR,
    ICE,
    OUTSIDE,
    LocalThresholdLabeler,
    MassThresholdLabeler,
    ThresholdLabeler,
)
from icecoreseg.datasets import make_ice_core
from icecoreseg.metrics import dice_score, mass_error

CUBES = {"voxel_size_um": 1000, "ice_density_kg_m3": 917}


def mass_of(n_voxels):
    return n_voxels * 0.917e-3


@pytest.fixture(scope="module")
def firn():
    core = make_ice_core("firn", n_slices=2, n_columns=64, random_state=0)
    return core, np.where(core.mask_low, core.low, np.nan).astype(np.float32)


class TestMassThreshold:
    @given(
        X=arrays(np.uint8, (2, 4, 5), elements=st.integers(0, 9)),
        share=st.floats(0.01, 0.99),
    )
    @settings(deadline=None, max_examples=40)
    def test_no_threshold_comes_nearer_to_the_weighed_mass(self, X, share):
        n_ice = share * X.size
        labeler = MassThresholdLabeler(mass_of(n_ice), **CUBES).fit(X)
        found = np.count_nonzero(labeler.predict(X) == ICE)
        best = min(abs(np.count_nonzero(X >= level) - n_ice) for level in range(11))
        assert abs(found - n_ice) == pytest.approx(best)
        assert labeler.mass_error_ == pytest.approx(100 * (found / n_ice - 1))

    def test_weighs_the_phantom(self, firn):
        core, X = firn
        labels = MassThresholdLabeler(core.mass_g, voxel_size_um=core.voxel_size_um).fit_transform(
            X
        )
        error = mass_error(labels, core.mass_g, voxel_size_um=core.voxel_size_um)
        assert abs(error) < 1.5  # percent: half of the voxels of one of its grey levels
        assert dice_score(core.labels_low, labels) > 0.96

    def test_floats_are_divided_finely(self, firn):
        core, X = firn
        X = X + np.random.default_rng(0).normal(0, 3, X.shape).astype(np.float32)
        labeler = MassThresholdLabeler(core.mass_g, voxel_size_um=core.voxel_size_um).fit(X)
        assert abs(labeler.mass_error_) < 0.1
        error = mass_error(labeler.predict(X), core.mass_g, voxel_size_um=core.voxel_size_um)
        assert error == pytest.approx(labeler.mass_error_, abs=1e-6)

    def test_outside_and_slabs_change_nothing(self, firn):
        core, X = firn
        options = {"voxel_size_um": core.voxel_size_um}
        labels = MassThresholdLabeler(core.mass_g, **options).fit_transform(X)
        bytes_ = np.where(core.mask_low, np.maximum(core.low, 1), 0).astype(np.uint8)
        lazy = da.from_array(bytes_, chunks=(1, 64, 64))
        theirs = MassThresholdLabeler(core.mass_g, outside=0, **options).fit_transform(lazy)
        assert isinstance(theirs, da.Array)
        np.testing.assert_array_equal(labels, theirs)
        np.testing.assert_array_equal(labels == OUTSIDE, ~core.mask_low)

    def test_more_than_full_of_ice_is_refused(self):
        X = np.ones((1, 2, 2), np.uint8)
        assert (MassThresholdLabeler(mass_of(4), **CUBES).fit_transform(X) == ICE).all()
        with pytest.raises(ValueError, match=r"5 voxels of ice, but the specimen has 4"):
            MassThresholdLabeler(mass_of(5), **CUBES).fit(X)

    @pytest.mark.parametrize("mass", [0, -1.0, np.nan, np.inf, "1 g", True])
    def test_no_mass_is_refused(self, mass):
        with pytest.raises(ValueError, match="weighed_mass_g must be a positive number"):
            MassThresholdLabeler(mass, **CUBES).fit(np.ones((1, 2, 2)))

    def test_an_empty_specimen_is_refused(self):
        with pytest.raises(ValueError, match="no voxel inside"):
            MassThresholdLabeler(1.0, **CUBES).fit(np.full((1, 2, 2), np.nan))


class TestLocalThreshold:
    @pytest.mark.parametrize("method", ["mean", "gaussian"])
    def test_equals_scikit_image_away_from_the_borders(self, method):
        plane = np.random.default_rng(0).normal(100, 20, (60, 60))
        labels = LocalThresholdLabeler(method, block_size=13, offset=3).fit_transform(plane[None])
        theirs = plane > threshold_local(plane, 13, method=method, offset=3)
        inner = (slice(10, -10),) * 2
        np.testing.assert_array_equal(labels[0][inner], theirs[inner])

    @pytest.mark.parametrize("method", ["mean", "gaussian"])
    def test_follows_a_gradient_that_defeats_one_threshold(self, method):
        rng = np.random.default_rng(1)
        ice = rng.random((2, 8, 8)).repeat(8, 1).repeat(8, 2) < 0.6
        X = np.where(ice, 110, 60) + np.linspace(0, 120, 64) + rng.normal(0, 5, ice.shape)
        local = LocalThresholdLabeler(method, block_size=51).fit_transform(X)
        assert dice_score(ice.astype(np.uint8), local) > 0.9
        assert dice_score(ice.astype(np.uint8), ThresholdLabeler().fit_transform(X)) < 0.85

    @given(fill=st.integers(0, 255), method=st.sampled_from(["mean", "gaussian"]))
    @settings(deadline=None, max_examples=20)
    def test_what_lies_outside_does_not_bleed_in(self, fill, method):
        rng = np.random.default_rng(2)
        X = rng.integers(50, 120, (1, 20, 20)).astype(np.float32)
        X[:, :7] = np.nan
        labeler = LocalThresholdLabeler(method, block_size=9)
        alone = labeler.fit_transform(X[:, 7:])
        np.testing.assert_array_equal(labeler.fit_transform(X)[:, 7:], alone)
        X[:, :7] = fill
        X[:, 7:][X[:, 7:] == fill] += 0.5
        theirs = LocalThresholdLabeler(method, block_size=9, outside=fill).fit_transform(X)
        assert (theirs[:, :7] == OUTSIDE).all()
        assert set(np.unique(theirs[:, 7:])) <= {AIR, ICE}

    def test_refusals(self):
        X = np.ones((1, 4, 4))
        with pytest.raises(ValueError, match="block_size must be odd, got 4"):
            LocalThresholdLabeler(block_size=4).fit(X)
        with pytest.raises(ValueError, match="method='median' is not known"):
            LocalThresholdLabeler("median").fit(X)
        with pytest.raises(ValueError, match="offset must be finite"):
            LocalThresholdLabeler(offset=np.nan).fit(X)


def test_weighed_mass_of_scaled_greys_after_a_blank_slice():
    """The bins follow each slice: a first slice of zeros does not coarsen those of the others."""
    rng = np.random.default_rng(0)
    ice = rng.random((4, 32, 32)) < 0.6
    X = (np.where(ice, 110, 30) + rng.normal(0, 8, ice.shape)) / 255
    X = np.concatenate([np.zeros((1, 32, 32)), X])
    mass_g = ice.sum() * 917 * 1e-12 * 1e3  # voxels of 100 um
    labeler = MassThresholdLabeler(mass_g, voxel_size_um=100, ice_density_kg_m3=917).fit(X)
    assert abs(labeler.mass_error_) < 0.1
    np.testing.assert_array_equal(labeler.predict(X)[1:], ice)
