"""Levels of pure air and pure ice in scans of which hardly a voxel is pure.

The phantoms are cut Gaussian fields, blurred in voxels, with exact truth: features are 4 to 6
voxels wide, and the point spread up to 1.2 voxels.
"""

import warnings
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, minimum_filter

from icecoreseg import GMMLabeler
from icecoreseg.labeling._pure import Look, View, look_for_levels

AIR, CONTRAST = 80.0, 90.0
SHAPE = (16, 88, 88)


@cache
def ice_fraction(porosity, width, thin=False):
    """Exact ice fraction of every voxel: a field cut at a level, or cracks about its zeros."""
    fine = [2 * n for n in SHAPE]
    field = gaussian_filter(np.random.default_rng(7).normal(size=fine), width / 2.22, mode="wrap")
    field = np.abs(field) if thin else field
    air = field < np.quantile(field, porosity)
    return 1 - air.reshape([n for edge in SHAPE for n in (edge, 2)]).mean(axis=(1, 3, 5))


def scan(fraction, blur, noise):
    noisy = noise * np.random.default_rng(1).normal(size=SHAPE)
    grey = AIR + CONTRAST * (gaussian_filter(fraction, blur, mode="wrap") + noisy)
    return np.rint(grey).clip(0, 255).astype(np.float32)


def porosity_errors(fraction, X):
    """Percentage points, balanced and not, away from the frame."""
    errors = []
    for prior in ("balanced", "tempered"):
        predicted = GMMLabeler(prior=prior).fit(X).predict_fraction(X)
        errors.append(100 * (fraction.mean() - predicted.mean()))
    return errors


@pytest.mark.parametrize(("porosity", "width", "blur"), [(0.1, 6, 1.2), (0.3, 5, 0.8)])
def test_levels_are_those_of_the_pure_phases(porosity, width, blur):
    """The means of the mixture are off by a fifth of the contrast and more."""
    X = scan(ice_fraction(porosity, width), blur, 0.06)
    labeler = GMMLabeler(prior="tempered").fit(X)
    means = np.median(labeler.means_, axis=0)
    bright = ((X - means[0]) / np.ptp(means)).astype(np.float32)
    look = look_for_levels([View(bright, bright, np.ones(SHAPE, dtype=bool))])
    air, ice = means[0] + np.ptp(means) * np.array([look.air, look.air + look.contrast])
    assert abs(look.blur - blur) < 0.2
    assert abs(ice - AIR - CONTRAST) < 0.02 * CONTRAST
    assert abs(air - AIR) < 0.12 * CONTRAST < 0.2 * CONTRAST < means[0] - AIR


@pytest.mark.parametrize(
    ("porosity", "width", "blur"), [(0.1, 6, 1.2), (0.03, 6, 0.8), (0.1, 4, 0.5), (0.25, 6, 0.8)]
)
def test_porosity_of_thin_structures(porosity, width, blur):
    fraction = ice_fraction(porosity, width)
    balanced, tempered = porosity_errors(fraction, scan(fraction, blur, 0.06))
    assert abs(balanced) < 0.6
    assert abs(balanced) < 0.4 * abs(tempered)


@pytest.mark.parametrize("air_inside", [False, True])
def test_porosity_of_cracks_and_walls(air_inside):
    fraction = ice_fraction(0.25, 20, thin=True)
    fraction = fraction if air_inside else 1 - fraction
    balanced, tempered = porosity_errors(fraction, scan(fraction, 0.8, 0.06))
    assert abs(balanced) < 0.6 < 2 < abs(tempered)


def test_structures_that_cannot_be_resolved_are_named():
    """Features of 4 voxels, blurred by 1.2: most of them never come near the level of air."""
    fraction = ice_fraction(0.25, 4)
    with pytest.warns(UserWarning, match="so thin that hardly a voxel .* several percentage"):
        assert GMMLabeler().fit(scan(fraction, 1.2, 0.12)).balance_ == 0


def test_black_that_is_cut_off_tells_no_mean():
    """Noise below black is lost, and the mean with it: no shift, where half a point is missed."""
    fraction = ice_fraction(0.2, 10)
    X = np.maximum(scan(fraction, 0.8, 0.25), AIR - 5)
    assert GMMLabeler().fit(X).balance_ == 0


@pytest.mark.parametrize("n_slices", [1, 6])
@pytest.mark.parametrize("width", [24, 48])
def test_noise_has_no_balance(n_slices, width):
    X = np.random.default_rng(width).normal(100, 10, (n_slices, width, width)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert GMMLabeler().fit(X).balance_ == 0


def test_a_scan_without_noise_or_blur():
    fraction = np.rint(ice_fraction(0.3, 10))
    X = (AIR + CONTRAST * fraction).astype(np.uint8)
    predicted = GMMLabeler(smoothing=None).fit(X).predict_fraction(X)
    assert abs(predicted.mean() - fraction.mean()) < 1e-3


def test_the_rim_does_not_count():
    """A dark rim lowers the mean grey level of the whole, but not of what is well inside."""
    fraction = ice_fraction(0.25, 20, thin=True)
    inside = np.hypot(*(np.mgrid[-43.5:44, -43.5:44])) < 42
    core = minimum_filter(inside, 7)
    X = np.where(core, scan(fraction, 0.8, 0.06), scan(fraction, 0.8, 0.06) - 30)
    predicted = GMMLabeler(output="fraction").fit_transform(np.where(inside, X, np.nan))
    assert abs(predicted[:, core].mean() - fraction[:, core].mean()) < 0.01


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("level", [np.nan, 110, AIR + CONTRAST], ids=["blank", "flat", "ice"])
@pytest.mark.parametrize("numbers", [[6], [5, 6, 7]])
def test_slices_that_tell_nothing_move_nothing(level, numbers):
    """Labels beside them are no blurred labels of the phases."""
    fraction = ice_fraction(0.3, 6)
    X = scan(fraction, 0.8, 0.08)
    expected = GMMLabeler().fit(X)
    X[numbers] = level + 4 * np.random.default_rng(2).normal(size=X[numbers].shape)
    labeler = GMMLabeler().fit(X)
    rest = np.delete(np.arange(len(X)), numbers)
    error = (labeler.predict_fraction(X)[rest] - fraction[rest]).mean()
    assert abs(error) < 0.006
    assert abs(labeler.balance_ - expected.balance_) < 0.03


def test_a_phase_that_is_hardly_there_raises_no_doubt():
    """A few small bubbles have no pure voxel, and little say in the porosity."""
    assert Look(contrast=2.8, ice=0.7, labelled=0.7).doubtful
    assert not Look(contrast=2.8, ice=0.99, labelled=0.99).doubtful
