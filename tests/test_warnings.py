"""Mistakes that would pass silently are said."""

import warnings

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from icecoreseg import CoreMasker, GMMLabeler, MicrostructureMetrics, ThresholdLabeler
from icecoreseg._validation import check_stack
from icecoreseg.datasets import make_ice_core
from icecoreseg.labeling._rings import ring_share
from icecoreseg.metrics import mass_error


@pytest.fixture(scope="module")
def core():
    return make_ice_core("firn", n_slices=4, n_columns=64, random_state=0)


@pytest.mark.filterwarnings("ignore:Rings about the middle")  # casing and air
@pytest.mark.parametrize("labeler", [GMMLabeler, ThresholdLabeler])
@pytest.mark.parametrize("lazy", [False, True])
def test_another_outside_value_than_declared(core, labeler, lazy):
    masked = CoreMasker(outside=0).fit_transform(core.low)
    X = da.from_array(masked, chunks=(2, 64, 64)) if lazy else masked
    with pytest.warns(UserWarning, match=r"exactly 0, but outside=nan.*pass outside=0"):
        labeler().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labeler(outside=0).fit(X)
        labeler().fit(CoreMasker().fit_transform(core.low))


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_a_raw_scan_whose_air_is_not_0(kind):
    core = make_ice_core(kind, n_slices=1, n_columns=64, random_state=0)
    raw = core.low // 2 + np.random.default_rng(0).integers(20, 40, core.low.shape, dtype=np.uint8)
    with pytest.warns(UserWarning, match=r"Rings about the middle of the slices \[0\].*CoreMasker"):
        GMMLabeler().fit(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GMMLabeler().fit(np.where(core.mask_low, raw, np.float32(np.nan)))


def test_a_mask_of_0_and_255(core):
    mask = np.where(core.labels_low == 1, 255, 0).astype(np.uint8)
    with pytest.warns(UserWarning, match="pass `mask > 0`"):
        MicrostructureMetrics(60).fit_transform(mask)
    with pytest.warns(UserWarning, match="no ICE"):
        mass_error(mask, 1.0, voxel_size_um=60)
    MicrostructureMetrics(60).fit_transform(mask > 0)


@pytest.mark.parametrize("dtype", [np.uint32, np.float16, np.int16])
def test_dtypes_that_no_scan_has(dtype):
    with pytest.raises(ValueError, match="expected uint8 or uint16, float32 or float64"):
        check_stack(np.zeros((1, 2, 2), dtype=dtype))


def test_score_takes_fractions(core):
    X = np.where(core.mask_low, core.low, np.nan).astype(np.float32)
    labeler = GMMLabeler().fit(X)
    expected = labeler.score(X, core.labels_low)
    assert labeler.score(X, core.fraction_low) == expected
    lazy = da.from_array(core.fraction_low, chunks=(2, 64, 64))
    assert labeler.score(X, lazy) == expected


@pytest.mark.parametrize("bad", [None, [1, 2]])
def test_score_needs_a_stack_of_truth(core, bad):
    X = np.where(core.mask_low, core.low, np.nan).astype(np.float32)
    labeler = GMMLabeler().fit(X)
    with pytest.raises(ValueError, match=r"expected y, got None|Expected y as a stack"):
        labeler.score(X, bad)
    assert labeler.score(X, core.labels_low.tolist()) == labeler.score(X, core.labels_low)


def test_a_voxel_size_in_millimetres(core):
    with pytest.warns(UserWarning, match="or a wrong voxel size"):
        MicrostructureMetrics(0.06).fit_transform(core.labels_low)


@pytest.mark.parametrize("rows", [48, 40])
def test_fits_take_lists_of_cores_the_rest_does_not(core, rows):
    with pytest.raises(ValueError, match="X is a list of 2 stacks; expected one"):
        CoreMasker().fit_transform([core.low, core.low[:, :rows]])


def test_the_rim_of_a_masked_core_is_no_ring():
    """Air that is blurred into the rim of bubbly ice, where pores are few."""
    rng = np.random.default_rng(0)
    radius = np.hypot(*np.mgrid[-47.5:48, -47.5:48])
    grey = np.where(radius < 40, 110, 30) + rng.normal(0, 2, (4, 96, 96))
    grey[:, 30:36, 40:46] = 30
    X = gaussian_filter(grey, (0, 1, 1))
    X[:, radius > 41] = np.nan
    assert np.mean([ring_share(one) for one in X]) < 0.05
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GMMLabeler(smoothing=None).fit(X)


@pytest.mark.parametrize("shape", [(1, 1), (4, 9), (6, 6), (7, 7)])
def test_rings_of_tiny_slices(shape):
    assert ring_share(np.arange(np.prod(shape), dtype=float).reshape(shape)) == 0
