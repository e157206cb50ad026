"""GMMLabeler against scikit-learn's mixture, and its manners."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.mixture import GaussianMixture

from icecoreseg import AIR, ICE, OUTSIDE, GMMLabeler
from icecoreseg.datasets import make_ice_core
from icecoreseg.labeling._content import explain_slice
from icecoreseg.labeling._smoothing import smooth_inside
from icecoreseg.labeling.histogram import grey_histogram
from icecoreseg.labeling.mixture import fit_mixture

PAPER = {"smoothing": None, "anchor_strength": 0, "tol": 1e-3, "prior": "mixture"}


def noisy_slices(n_slices=3, size=96, ice=0.6, air_grey=30, ice_grey=110, sd=12, seed=0):
    """Blocky two-phase slices with Gaussian noise, uint8, and their true labels."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(n_slices, size, size)), 3, mode="wrap")
    labels = field > np.quantile(field, 1 - ice)
    grey = np.where(labels, ice_grey, air_grey) + rng.normal(0, sd, labels.shape)
    return np.rint(grey).clip(0, 255).astype(np.uint8), labels.astype(np.uint8)


def sklearn_mixture(voxels, **options):
    """scikit-learn's fit of the same voxels, components in rising order.

    Fed float64: its float32 fit loses up to 3 % of the standard deviation in sums over
    millions of voxels.
    """
    model = GaussianMixture(2, covariance_type="tied", init_params="kmeans", **options)
    model.set_params(random_state=20).fit(voxels[:, None].astype(np.float64))
    order = np.argsort(model.means_[:, 0])
    return model, order


@pytest.mark.parametrize(("ice", "sd"), [(0.37, 8), (0.79, 12), (0.9, 15)])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_reproduces_sklearn_on_the_voxels_of_a_slice(ice, sd, tol):
    X, _ = noisy_slices(ice=ice, sd=sd)
    labeler = GMMLabeler(**PAPER | {"tol": tol}).fit(X)
    labels = labeler.predict(X)
    for z, plane in enumerate(X):
        model, order = sklearn_mixture(plane.ravel(), tol=tol, max_iter=1000)
        np.testing.assert_allclose(labeler.means_[z], model.means_[order, 0], rtol=1e-6)
        np.testing.assert_allclose(labeler.covariances_[z], model.covariances_[0, 0], rtol=1e-6)
        np.testing.assert_allclose(labeler.weights_[z], model.weights_[order], rtol=1e-6)
        assert labeler.n_iter_[z] == model.n_iter_
        theirs = np.argsort(order)[model.predict(plane.reshape(-1, 1).astype(float))]
        np.testing.assert_array_equal(labels[z].ravel(), theirs)
        proba = model.predict_proba(plane.reshape(-1, 1).astype(float))[:, order[1]]
        ours = labeler.predict_fraction(X)[z].ravel()
        np.testing.assert_allclose(ours, proba, atol=1e-5)


def test_reproduces_sklearn_inside_a_mask_on_16_bit_data():
    X, _ = noisy_slices(n_slices=1)
    X = X.clip(1).astype(np.uint16) * 200
    X[0, :, :30] = 0
    labeler = GMMLabeler(**PAPER, outside=0).fit(X)
    model, order = sklearn_mixture(X[0, :, 30:].ravel())
    np.testing.assert_allclose(labeler.means_[0], model.means_[order, 0], rtol=1e-6)
    assert (labeler.predict(X)[0, :, :30] == OUTSIDE).all()


def test_float_data_agrees_with_sklearn_to_the_width_of_a_bin():
    X, _ = noisy_slices(n_slices=1)
    X = (X + np.random.default_rng(1).normal(0, 0.3, X.shape)) / 255
    labeler = GMMLabeler(**PAPER | {"tol": 1e-9}).fit(X)
    model, order = sklearn_mixture(X.ravel(), tol=1e-9, max_iter=1000, reg_covar=1e-6)
    np.testing.assert_allclose(labeler.means_[0], model.means_[order, 0], rtol=1e-4)


def test_full_covariances_agree_with_sklearn():
    rng = np.random.default_rng(0)
    voxels = np.r_[rng.normal(40, 6, 20_000), rng.normal(120, 15, 30_000)]
    voxels = np.rint(voxels).clip(0, 255).astype(np.uint8)
    ours = fit_mixture(grey_histogram(voxels), covariance_type="full", tol=1e-6)
    model = GaussianMixture(2, tol=1e-6, random_state=0, max_iter=1000)
    model.fit(voxels[:, None].astype(float))
    order = np.argsort(model.means_[:, 0])
    np.testing.assert_allclose(ours.variances, model.covariances_[order, 0, 0], rtol=1e-4)


def test_full_covariances_never_turn_black_to_ice():
    """A wide ice peak would win far below the air peak; the posterior is clamped there."""
    voxels = np.r_[np.full(500, 58), np.full(500, 62), np.linspace(70, 180, 1000)].astype(np.uint8)
    mixture = fit_mixture(grey_histogram(voxels), covariance_type="full")
    posterior = mixture.posterior(np.arange(256.0))[1]
    assert posterior[0] < 0.5
    assert posterior[255] > 0.5


def test_three_components_fill_in_between():
    rng = np.random.default_rng(0)
    grey = np.r_[rng.normal(30, 4, 3000), rng.normal(70, 4, 1000), rng.normal(110, 4, 4100)]
    X = grey.reshape(1, 90, 90)
    labeler = GMMLabeler(3, smoothing=None).fit(X)
    np.testing.assert_allclose(labeler.means_[0], [30, 70, 110], atol=1)
    fraction = labeler.predict_fraction(X).ravel()
    assert fraction[:3000].max() < 0.1
    np.testing.assert_allclose(fraction[3000:4000].mean(), 0.5, atol=0.03)


def test_smoothing_does_not_bleed_the_outside_into_the_rim():
    X, _ = noisy_slices(ice=0.999, sd=5)
    X[0, 0, 0] = 30
    inside = np.hypot(*(np.indices(X.shape[1:]) - 48)) < 40
    X = np.where(inside, X, 0)
    smoothed = smooth_inside(X, np.broadcast_to(inside, X.shape), (1, 1, 1))
    assert smoothed[:, inside].min() > 60
    plain = gaussian_filter(X.astype(float), (0, 1, 1))
    assert plain[:, inside].min() < 75  # what zeros outside would have done


def test_smoothing_agrees_with_scipy_away_from_edges():
    X, _ = noisy_slices(n_slices=9, size=40)
    ours = smooth_inside(X, np.ones(X.shape, bool), (1.1, 1.1, 1.1))
    theirs = gaussian_filter(X.astype(float), 1.1, radius=2)
    np.testing.assert_allclose(ours[3:-3, 3:-3, 3:-3], theirs[3:-3, 3:-3, 3:-3], rtol=1e-5)


def test_sharpening_is_an_unsharp_mask_of_scipy_gaussians():
    X, _ = noisy_slices(n_slices=15, size=300)
    inside = np.ones(X.shape, bool)
    ours = smooth_inside(X, inside, (1.3,) * 3, sharpening=0.8, inner=slice(5, 9))
    narrow = gaussian_filter(X.astype(float), 1.3, radius=3)
    wide = gaussian_filter(X.astype(float), 2.6, radius=5)
    theirs = (1.8 * narrow - 0.8 * wide)[5:9]
    np.testing.assert_allclose(ours[:, 5:-5, 5:-5], theirs[:, 5:-5, 5:-5], rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("ignore:Structures are so thin")
def test_sharpening_finds_the_small_structures_that_blur_hides():
    _, truth = noisy_slices(n_slices=16, size=64, ice=0.4)
    rng = np.random.default_rng(1)
    truth = gaussian_filter(rng.normal(size=truth.shape), 1.5) > 0.05
    X = gaussian_filter(np.where(truth, 110.0, 20.0), 1.5) + rng.normal(0, 8, truth.shape)
    wrong = {
        sharpening: (GMMLabeler(sharpening=sharpening).fit_transform(X) != truth).mean()
        for sharpening in (0, 0.8)
    }
    assert wrong[0.8] < 0.9 * wrong[0]


def test_smoothing_does_not_depend_on_tiles_or_slabs():
    """To the last bit, masks included: lazy labels must equal those in memory."""
    X, _ = noisy_slices(n_slices=13, size=300)
    inside = np.broadcast_to(np.hypot(*(np.indices(X.shape[1:]) - 150)) < 140, X.shape)
    options = {"sigma": (1.3,) * 3, "sharpening": 0.8}
    whole = smooth_inside(X, inside, **options)
    for first in (0, 4, 8):
        begin, stop = max(0, first - 5), min(13, first + 4)
        part = slice(begin, min(13, stop + 5))
        inner = slice(first - begin, stop - begin)
        piece = smooth_inside(X[part], inside[part], **options, inner=inner)
        np.testing.assert_array_equal(
            piece[inside[first:stop]], whole[first:stop][inside[first:stop]]
        )


def test_smoothing_along_the_core_lowers_the_error():
    X, truth = noisy_slices(n_slices=12, sd=45)
    errors = [
        (GMMLabeler(smoothing=sigma, sharpening=0).fit_transform(X) != truth).mean()
        for sigma in ((0, 1, 1), 1)
    ]
    assert errors[1] < errors[0]


def test_a_slice_without_air_borrows_it_from_the_stack():
    """Alone, a slice of pure ice is split in the middle of its noise."""
    X, _ = noisy_slices(n_slices=6, ice=0.8, sd=20)
    X = np.concatenate([X, noisy_slices(n_slices=1, ice=1, sd=20, seed=1)[0]])
    with pytest.warns(UserWarning, match=r"apart in the slices \[6\]"):
        alone = GMMLabeler(**PAPER).fit(X)
    with pytest.warns(UserWarning, match=r"The slices \[6\] do not show two phases"):
        anchored = GMMLabeler(smoothing=None).fit(X)
    assert anchored.fell_back_.tolist() == [False] * 6 + [True]
    assert (alone.predict(X)[-1] == AIR).mean() > 0.2
    np.testing.assert_allclose(anchored.means_[-1], [30, 110], atol=8)
    assert (anchored.predict(X)[-1] == AIR).mean() < 0.02
    assert alone.separation_[-1] < 2 < 3 < anchored.separation_[-1]


@pytest.mark.filterwarnings("ignore:The mixture did not converge")  # nothing to converge to
def test_noise_without_phases_is_said():
    noise = np.random.default_rng(0).normal(100, 10, (12, 32, 32))
    with pytest.warns(UserWarning, match=r"less than 2 standard deviations apart .*\[0-11\]"):
        GMMLabeler(smoothing=None).fit(noise)


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_no_false_alarm_on_the_phantoms(kind):
    core = make_ice_core(kind, n_slices=4, n_columns=64, random_state=0)
    for scan, mask in ((core.low, core.mask_low), (core.high, core.mask_high)):
        labeler = GMMLabeler().fit(np.where(mask, scan, np.nan).astype(np.float32))
        assert (labeler.separation_ > 2.3).all()


def test_dask_equals_numpy_over_slab_borders():
    X, _ = noisy_slices(n_slices=7, size=32)
    X = np.where(np.hypot(*(np.indices(X.shape[1:]) - 16)) < 14, X.astype(np.float32), np.nan)
    lazy = da.from_array(X, chunks=(2, 16, 32))
    labeler, lazily = GMMLabeler().fit(X), GMMLabeler().fit(lazy)
    np.testing.assert_array_equal(labeler.means_, lazily.means_)
    labels = lazily.predict(lazy)
    assert isinstance(labels, da.Array)
    np.testing.assert_array_equal(labels.compute(), labeler.predict(X))
    proba = lazily.predict_proba(lazy)
    assert proba.shape == (7, 2, 32, 32)
    np.testing.assert_array_equal(proba.compute(), labeler.predict_proba(X))


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 4), seed=st.integers(0, 50))
def test_without_smoothing_along_z_slices_are_independent(cut, seed):
    X, _ = noisy_slices(n_slices=5, size=16, seed=seed)
    labeler = GMMLabeler(smoothing=(0, 1, 1)).fit(X)
    parts = [labeler.predict(X[:cut]), labeler.predict(X[cut:])]
    np.testing.assert_array_equal(np.concatenate(parts), labeler.predict(X))


@settings(max_examples=20, deadline=None)
@given(gain=st.sampled_from([1, 2]), offset=st.integers(0, 20), flip=st.booleans())
def test_labels_do_not_depend_on_brightness_or_orientation(gain, offset, flip):
    X, _ = noisy_slices(n_slices=2, size=32, air_grey=15, ice_grey=80, sd=6)
    other = (X.astype(np.uint16) * gain + offset)[:, :: -1 if flip else 1]
    labels = GMMLabeler(reg_covar=0).fit_transform(X.astype(np.uint16))[:, :: -1 if flip else 1]
    np.testing.assert_array_equal(GMMLabeler(reg_covar=0).fit_transform(other), labels)
    in_bytes = GMMLabeler(reg_covar=0).fit_transform(X)  # smoothed in 16 bits: rounded
    assert (in_bytes[:, :: -1 if flip else 1] != labels).mean() < 0.005


def test_probabilities_sum_to_one_and_fraction_is_the_ice_channel():
    X, _ = noisy_slices(size=32)
    labeler = GMMLabeler().fit(X)
    proba = labeler.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(proba[:, 1], labeler.predict_fraction(X))
    soft = GMMLabeler(output="fraction").fit_transform(X)
    np.testing.assert_array_equal(soft, labeler.predict_fraction(X))
    np.testing.assert_array_equal(labeler.predict(X) == ICE, soft > 0.5)


def test_empty_and_uniform_slices():
    X, _ = noisy_slices(n_slices=3, size=32)
    X[1] = 0
    X[2] = 110
    with pytest.warns(UserWarning, match=r"slices \[2\] do not show"):
        labeler = GMMLabeler(smoothing=None, outside=0).fit(X)
    assert np.isnan(labeler.means_[1]).all()
    labels = labeler.predict(X)
    assert (labels[1] == OUTSIDE).all()
    assert (labels[2] == ICE).all()
    alone = GMMLabeler(smoothing=None, outside=0, anchor_strength=0).fit(X)
    assert (alone.predict(X)[2] == ICE).all()  # one grey level: the stack's mixture decides


def test_slices_that_do_not_converge_are_named():
    X, _ = noisy_slices(sd=30)
    with pytest.warns(UserWarning, match=r"did not converge within 2 steps in the slices \[0, 1"):
        GMMLabeler(max_iter=2).fit(X)


def test_infinities_are_refused_before_they_are_smoothed():
    X = noisy_slices(size=16)[0].astype(np.float32)
    labeler = GMMLabeler(smoothing=1.0).fit(X)
    bad = X.copy()
    bad[-1, 4, 4] = np.inf
    for call in (
        labeler.predict,
        labeler.predict_fraction,
        lambda X: labeler.predict(da.from_array(X, chunks=(1, -1, -1)))[-2].compute(),
        lambda X: explain_slice(labeler, X, len(X) - 2),
    ):
        with pytest.raises(ValueError, match="infinite"):
            call(bad)


def test_refusals():
    X, _ = noisy_slices(size=16)
    with pytest.raises(ValueError, match=r"Pass X\[np.newaxis\]"):
        GMMLabeler().fit(X[0])
    with pytest.raises(ValueError, match="no voxel inside"):
        GMMLabeler().fit(np.full((2, 4, 4), np.nan))
    with pytest.raises(ValueError, match="infinite"):
        GMMLabeler().fit(np.where(X > 100, np.inf, X))
    with pytest.raises(ValueError, match="holds NaN, but outside=0"):
        GMMLabeler(outside=0).fit(np.where(X > 100, np.nan, X))
    with pytest.raises(ValueError, match=r"smoothing must be .auto., None"):
        GMMLabeler(smoothing=-1).fit(X)
    with pytest.raises(ValueError, match="sharpening must be"):
        GMMLabeler(sharpening=-0.5).fit(X)
    with pytest.raises(ValueError, match="covariance_type='diag'"):
        GMMLabeler(covariance_type="diag").fit(X)
    with pytest.raises(ValueError, match="at least 2 different grey levels"):
        GMMLabeler(smoothing=None).fit(np.full((1, 4, 4), 7, dtype=np.uint8))


def test_input_is_unchanged_and_refit_forgets():
    X, _ = noisy_slices(size=24)
    X.flags.writeable = False
    labeler = GMMLabeler().fit(X)
    again = clone(labeler).fit(X[:2]).fit(X)
    np.testing.assert_array_equal(labeler.means_, again.means_)
    assert labeler.score(X, labeler.predict(X)) == 1.0


@pytest.mark.filterwarnings("ignore:Less than 4%")  # the slice of the hot voxel, alone
@pytest.mark.parametrize("smoothing", [None, 1.0])
def test_scaled_grey_levels_give_the_same_labels_after_blank_slices_and_hot_voxels(smoothing):
    """The bins follow each slice: neither its scale nor a neighbour's content matters."""
    X, _ = noisy_slices(n_slices=6, size=64)
    expected = GMMLabeler(smoothing=smoothing).fit_transform(X.astype(np.float32))
    scaled = X.astype(np.float32) / 255
    labels = GMMLabeler(smoothing=smoothing).fit_transform(scaled)
    assert (labels != expected).mean() < 1e-3
    blank = np.concatenate([np.zeros((4, 64, 64), np.float32), scaled])
    with_blank = GMMLabeler(smoothing=(0, 1, 1) if smoothing else None, anchor_strength=0)
    alone = clone(with_blank).fit_transform(scaled)
    np.testing.assert_array_equal(with_blank.fit_transform(blank)[4:], alone)
    blank[4, 0, 0] = 1e6
    np.testing.assert_array_equal(with_blank.fit_transform(blank)[5:], alone[1:])


@pytest.mark.parametrize("factor", [1e6, 2.0**40, 1e30])
def test_huge_whole_numbers_are_told_apart(factor):
    """Floats beyond 2**53 are whole numbers all of them; bins of one level would not reach them."""
    X, _ = noisy_slices(n_slices=1, size=64, sd=5)
    labeler = GMMLabeler(smoothing=None)
    expected = labeler.fit_transform(X.astype(float))
    assert (labeler.fit_transform(X * factor) == expected).mean() > 0.999


def test_labels_are_the_constants():
    X, _ = noisy_slices(size=24)
    assert set(np.unique(GMMLabeler().fit_transform(X))) == {AIR, ICE}
