"""Smoothing by tiles, in 16 bits and in floats, against scipy.ndimage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d, gaussian_filter

from icecoreseg.labeling import _cover, _smoothing
from icecoreseg.labeling._separable import FIXED, FLOATING, Filters
from icecoreseg.labeling._smoothing import (
    OUTSIDE_LEVEL,
    gaussian_kernel,
    level_width,
    smooth_inside,
    smooth_slice,
)

DEFAULT = {"sigma": (1.15,) * 3, "sharpening": 0.8}
PAPER = {"sigma": (0, 1.1, 1.1), "sharpening": 0}


def grains(shape=(13, 70, 90), seed=0):
    """Blobs of grey levels around 40 and 120 with noise, uint8, never 0."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=shape), 2)
    grey = np.where(field > 0, 120, 40) + rng.normal(0, 12, shape)
    return np.rint(grey).clip(1, 255).astype(np.uint8)


def in_grey_levels(slab, number, **options):
    smoothed = smooth_slice(slab, number, **options)
    return smoothed.levels * np.float32(smoothed.width)


def whole_weights(sigma):
    centre, *side = FIXED.weights(gaussian_kernel(sigma)).astype(float) / FIXED.total
    return np.array([*side[::-1], centre, *side])


def by_scipy(slab, sigma, sharpening, kernel=gaussian_kernel):
    """The same kernels by scipy, everything inside."""
    result = 0
    for factor, scale in ((1 + sharpening, 1), (-sharpening, 2)):
        part = slab.astype(float)
        for axis, s in enumerate(sigma):
            part = correlate1d(part, kernel(scale * s), axis=axis) if s else part
        result = result + factor * part
    return result


@pytest.mark.parametrize("options", [DEFAULT, PAPER])
def test_bytes_agree_with_scipy(options):
    """With the same whole weights but for rounding, with a Gaussian within a grey level or so."""
    slab = grains()
    ours = in_grey_levels(slab, 6, **options)[5:-5, 5:-5]
    theirs = by_scipy(slab, **options, kernel=whole_weights)[6, 5:-5, 5:-5]
    np.testing.assert_allclose(ours, theirs, atol=1)
    assert np.abs(ours - theirs).std() < 0.15
    exact = by_scipy(slab, **options)[6, 5:-5, 5:-5]
    assert np.abs(ours - exact).std() < 1
    assert abs((ours - exact).mean()) < 0.1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_other_types_are_smoothed_in_floats(dtype):
    slab = grains().astype(dtype) * (100 if dtype == np.uint16 else 1 / 255)
    ours = in_grey_levels(slab, 6, **DEFAULT)
    theirs = by_scipy(slab, **DEFAULT)[6]
    np.testing.assert_allclose(ours[5:-5, 5:-5], theirs[5:-5, 5:-5], rtol=1e-5)


def test_very_wide_smoothing_of_bytes_is_in_floats():
    slab = grains((1, 64, 64))
    smoothed = smooth_slice(slab, 0, (0, 4, 4))
    levels = smoothed.levels
    assert levels.dtype == np.float32
    assert smoothed.width == 1
    theirs = gaussian_filter(slab[0].astype(float), 4, radius=8)
    np.testing.assert_allclose(levels[8:-8, 8:-8], theirs[8:-8, 8:-8], rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    level=st.integers(1, 255),
    share=st.floats(0.05, 1),
    options=st.sampled_from([DEFAULT, PAPER]),
)
def test_a_constant_specimen_stays_constant_whatever_its_shape(seed, level, share, options):
    rng = np.random.default_rng(seed)
    inside = gaussian_filter(rng.random((3, 20, 20)), 1, mode="wrap")
    inside = inside <= np.quantile(inside, share)
    slab = np.where(inside, level, 0).astype(np.uint8)
    smooth = in_grey_levels(slab, 1, **options, outside=0)[inside[1]]
    np.testing.assert_allclose(smooth, level, atol=2 + 0.03 * level)
    floats = smooth_inside(slab.astype(float), inside, **options)[inside]
    np.testing.assert_allclose(floats, level, rtol=1e-5)


def test_what_lies_outside_has_no_influence():
    slab = grains()
    slab[:, :, :30] = 255
    other = slab.copy()
    other[:, :, :30] = 0
    ours = smooth_slice(slab, 5, **DEFAULT, outside=255).levels
    theirs = smooth_slice(other, 5, **DEFAULT, outside=0).levels
    np.testing.assert_array_equal(ours, theirs)
    assert (ours[:, :30] == OUTSIDE_LEVEL).all()
    marked = np.where(other == 0, np.nan, other)
    floats = smooth_slice(marked, 5, **DEFAULT).levels
    assert np.isnan(floats[:, :30]).all()
    np.testing.assert_allclose(ours[:, 30:] * level_width(0.8), floats[:, 30:], atol=4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("tile", [(256, 256), (32, 64), (7, 150)])
def test_neither_tiles_nor_slabs_change_a_bit(monkeypatch, dtype, tile):
    slab = grains().astype(dtype)
    slab[:, np.hypot(*(np.indices(slab.shape[1:]) - 40)) > 38] = 0
    slab[4, 30:34, 30:34] = 0
    whole = [smooth_slice(slab, number, **DEFAULT, outside=0).levels for number in (1, 6, 11)]
    monkeypatch.setattr(_smoothing, "TILE", tile)
    monkeypatch.setattr(_cover, "TILE", tile)
    monkeypatch.setattr(_cover, "NARROWEST", 8)
    for number, expected in zip((1, 6, 11), whole, strict=True):
        begin = max(0, number - 5)
        piece = smooth_slice(slab[begin : number + 6], number - begin, **DEFAULT, outside=0).levels
        np.testing.assert_array_equal(piece, expected)


@pytest.mark.parametrize("arithmetic", [FIXED, FLOATING])
@pytest.mark.parametrize("beside", [(0, 0), (0, 9), (1, 2), (5, 4), (9, 9)])
def test_what_is_all_inside_has_the_mask_of_its_one_number(arithmetic, beside):
    """To the last bit, also where the stack ends."""
    kernels = [[gaussian_kernel(sigma)] * 3 for sigma in (1.15, 2.3)]
    filters = Filters(kernels, arithmetic, (4, 6), beside)

    def load(step, out):
        assert -beside[0] <= step <= beside[1]
        out[...] = arithmetic.inside

    for found, expected in zip(filters.apply(load, (4, 6)), filters.full, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert filters.full[0].dtype == arithmetic.dtype


@pytest.mark.parametrize("sharpening", [0, 0.8, 1, 3])
def test_no_edge_is_too_sharp_for_16_bits(sharpening):
    """Black and white next to each other overshoot most."""
    slab = np.where(np.indices((11, 24, 24))[2] < 12, 1, 255).astype(np.uint8)
    slab[:, 5, 5] = 255
    options = {"sigma": (1.15,) * 3, "sharpening": sharpening}
    ours = in_grey_levels(slab, 5, **options)
    theirs = by_scipy(slab, **options)[5]
    np.testing.assert_allclose(ours[5:-5, 5:-5], theirs[5:-5, 5:-5], atol=4 * (1 + sharpening))
    assert level_width(sharpening) <= 0.0625


def test_input_is_unchanged():
    slab = grains((3, 20, 20))
    slab[:, :5] = 0
    slab.flags.writeable = False
    smooth_slice(slab, 1, **DEFAULT, outside=0)
    smooth_inside(slab, slab > 0, **DEFAULT)
