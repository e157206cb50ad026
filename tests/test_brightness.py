"""BrightnessNormalizer: known drifts are undone, artefacts and blank slices change nothing."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from icecoreseg import BrightnessNormalizer
from icecoreseg.preprocessing import normalize_brightness
from icecoreseg.preprocessing._drift import along_z, complete
from icecoreseg.preprocessing._phase_levels import Bins, choose_bins, median_of

AIR, ICE = 22.0, 115.0
N_SLICES = 16
Z = np.linspace(-1, 1, N_SLICES)
DRIFTS = {
    "none": (1 + 0 * Z, 0 * Z),
    "linear": (1 + 0.15 * Z, 0 * Z),
    "wave": (1 + 0.12 * np.sin(4 * Z), 0 * Z),
    "steps": (np.repeat([0.9, 1.05, 1.1, 0.95], 4), 0 * Z),
    "shift": (1 + 0 * Z, 12 * Z),
}


def scan(fraction, *, noise=0.08, n=96, seed=0):
    """Grey values (float) of a level-cut field, and which voxels are pure ice and pure air."""
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.standard_normal((N_SLICES, n, n)), 2.5, mode="wrap")
    ice = np.clip((np.quantile(field, fraction) - field) / field.std() * 2.5 + 0.5, 0, 1)
    grey = ndimage.gaussian_filter(AIR + (ICE - AIR) * ice, (0, 0.6, 0.6))
    return grey + random.normal(0, noise * (ICE - AIR), grey.shape), ice == 1, ice == 0


def drifting(grey, drift):
    factor, shift = DRIFTS[drift]
    return grey * factor[:, np.newaxis, np.newaxis] + shift[:, np.newaxis, np.newaxis]


def unevenness(stack, grey, phase):
    """Largest departure of a slice's phase mean from the undrifted one, in contrasts."""
    apart = [(a[p].mean() - b[p].mean()) for a, b, p in zip(stack, grey, phase, strict=True)]
    return np.abs(apart - np.median(apart)).max() / (ICE - AIR)


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("fraction", [0.35, 0.8, 0.95])
def test_known_drifts_are_undone(drift, fraction):
    """Ice within 1 % of the contrast; air, too, where there is much of it."""
    grey, ice, air = scan(fraction)
    X = drifting(grey, drift)
    even = BrightnessNormalizer().fit_transform(X)
    assert unevenness(even, grey, ice) < (0.016 if fraction < 0.5 else 0.01)
    if drift != "shift":
        assert unevenness(even, grey, air) < 0.02
        assert drift == "none" or unevenness(X, grey, ice) > 0.1


@pytest.mark.parametrize("fraction", [0.35, 0.8, 0.98])
def test_a_fixed_threshold_labels_as_without_drift(fraction):
    grey, *_ = scan(fraction)
    X = np.clip(np.rint(drifting(grey, "linear")), 0, 255).astype(np.uint8)
    model = BrightnessNormalizer(dtype="float32").fit(X)
    even = model.transform(X)
    threshold = (AIR + ICE) / 2
    wanted = grey >= threshold
    assert (wanted != (even >= threshold)).mean() < 0.005
    assert (wanted != (X >= threshold)).mean() > 2 * (wanted != (even >= threshold)).mean()


def test_large_slices_also_tell_shifts_of_air():
    """With many voxels the level of air is measured, not inferred from ice."""
    grey, ice, air = scan(0.6, n=400)
    even = normalize_brightness(drifting(grey, "shift"))
    assert unevenness(even, grey, ice) < 0.01
    assert unevenness(even, grey, air) < 0.012


@pytest.mark.parametrize("fraction", [0.35, 0.97])
def test_an_artefact_does_not_rescale_its_slice(fraction):
    """3 % of a slice saturated: its other voxels move by no more than 2.5 % of the contrast."""
    grey, *_ = scan(fraction)
    X = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    spoilt = X.copy()
    spoilt[7, 40:60, 30:44] = 255
    model = BrightnessNormalizer(dtype="float32").fit(X)
    expected, found = model.transform(X), model.transform(spoilt)
    untouched = spoilt == X
    assert np.abs(found - expected)[untouched].max() < 0.025 * (ICE - AIR)
    assert np.array_equal(found[:7], expected[:7])
    refitted = BrightnessNormalizer().fit(spoilt)
    assert refitted.ice_ == pytest.approx(model.ice_, abs=0.3)


def test_a_slice_that_is_all_artefact_follows_its_neighbours():
    grey, *_ = scan(0.8)
    X = drifting(grey, "linear")
    report = BrightnessNormalizer().fit(X).report(X)
    spoilt = X.copy()
    spoilt[9] = 3 * X[9] + 50
    found = BrightnessNormalizer().fit(X).report(spoilt)
    assert found["ice"][9] == pytest.approx(report["ice"][9], abs=0.04 * ICE)
    others = np.arange(N_SLICES) != 9
    assert found["ice"][others] == pytest.approx(report["ice"][others])


def test_ice_without_air_is_scaled_by_its_own_level():
    random = np.random.default_rng(0)
    X = random.normal(ICE, 9, (N_SLICES, 40, 40)) * DRIFTS["linear"][0][:, None, None]
    model = BrightnessNormalizer().fit(X)
    assert np.isnan(model.air_)
    assert np.isnan(model.report(X)["air"]).all()
    means = model.transform(X).mean(axis=(1, 2))
    assert np.abs(means - means.mean()).max() < 0.01 * ICE


def test_blank_slices_stay_and_say_nothing():
    grey, *_ = scan(0.8)
    X = drifting(grey, "linear")
    X[[0, 5]] = np.nan
    even = normalize_brightness(X)
    assert np.array_equal(np.isnan(even), np.isnan(X))
    assert unevenness(even[6:], grey[6:], grey[6:] > 100) < 0.01
    nothing = np.full((2, 4, 4), np.nan)
    assert np.isnan(normalize_brightness(nothing)).all()


def test_outside_stays_and_nothing_becomes_it():
    grey, *_ = scan(0.35, noise=0.2)
    X = np.clip(np.rint(drifting(grey, "linear")), 1, 255).astype(np.uint8)
    X[:, :20] = 0
    for dtype in (None, "uint16", "float32"):
        even = BrightnessNormalizer(outside=0, dtype=dtype).fit_transform(X)
        assert even.dtype == (dtype or np.uint8)
        assert np.array_equal(even == 0, X == 0)
    inside = BrightnessNormalizer().fit(X[:, 20:])
    marked = BrightnessNormalizer(outside=0).fit(X)
    assert (marked.air_, marked.ice_) == (inside.air_, inside.ice_)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_lazy_equals_eager(dtype):
    """dask in, dask out, chunks kept; bytes by a table as values by a line."""
    grey, *_ = scan(0.8)
    X = np.rint(drifting(grey, "wave")).clip(0, 255).astype(dtype)
    lazy = da.from_array(X, chunks=(3, -1, -1))
    model = BrightnessNormalizer().fit(lazy)
    found = model.transform(lazy)
    assert found.chunks == lazy.chunks
    assert np.array_equal(found.compute(), model.transform(X))
    assert found.dtype == dtype
    as_float = BrightnessNormalizer().fit(X.astype(np.float64))
    assert as_float.ice_ == pytest.approx(model.ice_, rel=0.01)


def test_blocks_agree_away_from_their_ends():
    grey, *_ = scan(0.8)
    X = drifting(grey, "wave")
    model = BrightnessNormalizer().fit(X)
    whole = model.transform(X)
    halves = np.concatenate([model.transform(X[:8]), model.transform(X[8:])])
    away = [0, 1, 2, 3, 12, 13, 14, 15]
    assert np.array_equal(whole[away], halves[away])


@pytest.mark.parametrize("factor", [0.01, 300.0])
def test_units_do_not_matter(factor):
    """Other units of grey value: the same picture in them."""
    grey, *_ = scan(0.6, n=48)
    X = drifting(grey, "shift")
    once, scaled = normalize_brightness(X), normalize_brightness(factor * X)
    assert scaled == pytest.approx(factor * once, abs=0.01 * factor * (ICE - AIR))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_median_of_a_histogram(values):
    """Within half a bin of numpy's median."""
    values = np.array(values, dtype=np.uint8)
    bins = choose_bins(values.dtype, values)
    found = median_of(bins.count(values)[np.newaxis], bins)[0]
    low, high = np.quantile(values, 0.5, method="lower"), np.quantile(values, 0.5, method="higher")
    assert low - 0.5 <= found <= high + 0.5


def test_bins_of_other_types():
    values = np.random.default_rng(0).normal(5000, 300, 4000).astype(np.uint16)
    bins = choose_bins(values.dtype, values)
    assert isinstance(bins, Bins)
    counts = bins.count(np.append(values, [0, 65535]).astype(np.uint16))
    assert counts.sum() == 4002
    assert median_of(counts[np.newaxis], bins)[0] == pytest.approx(np.median(values), abs=2)


def test_drift_and_steps_pass_and_single_slices_do_not():
    levels = np.stack([np.arange(20.0), np.repeat([50.0, 70.0], 10)], axis=1)
    assert np.array_equal(along_z(levels, 0.5), levels)
    spoilt = levels.copy()
    spoilt[[4, 13]] = 200
    assert np.abs(along_z(spoilt, 0.5) - levels).max() <= 1
    unknown = np.full((3, 2), np.nan)
    assert np.array_equal(complete(unknown, np.zeros(3), (1.0, 2.0)), [[1, 2]] * 3)


def test_refusals():
    X = np.zeros((1, 4, 4), dtype=np.uint8)
    for model, message in (
        (BrightnessNormalizer(dtype="int8"), "dtype='int8'"),
        (BrightnessNormalizer(dtype="grey"), "dtype='grey'"),
        (BrightnessNormalizer(outside=300, dtype="uint8"), "does not fit"),
        (BrightnessNormalizer(outside="0"), "number or NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X)
    floats = np.full((1, 4, 4), np.nan)
    with pytest.raises(ValueError, match="NaN"):
        BrightnessNormalizer(dtype="uint8").fit(floats).transform(floats)
