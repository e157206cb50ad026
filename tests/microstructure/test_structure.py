"""Correlation, chords, thickness and topology against known values and other libraries."""

import dask.array as da
import numpy as np
import pytest
from analytic_shapes import ORIENTATIONS, ball, boolean_balls, gaussian_field, layers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import euler_number

from icecoreseg import AIR, ICE, OUTSIDE
from icecoreseg.microstructure import (
    chord_length_distribution,
    connectivity_density,
    correlation_length,
    euler_characteristic,
    euler_density,
    local_thickness,
    mean_intercept_length,
    structure_thickness,
    two_point_correlation,
)
from icecoreseg.microstructure._distance import bounded_squared_distance

MM = 1000
BINARY = arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 1))


def by_fourier(y, inside):
    """S2 by zero-padded Fourier transforms, normalised by the specimen's own."""
    shape = [2 * n for n in y.shape]
    ice, place = (
        np.fft.irfftn(
            np.abs(np.fft.rfftn(x.astype(float), shape, (0, 1, 2))) ** 2, shape, (0, 1, 2)
        )
        for x in (y == ICE, inside)
    )
    return ice / np.maximum(place, 0.5)


def test_two_point_correlation_is_that_of_fourier_transforms():
    y = (gaussian_field((24, 20, 22), 2, seed=1) > 0.3).astype(np.uint8)
    y[:, :5, :5] = OUTSIDE
    expected = by_fourier(y, y != OUTSIDE)
    table = two_point_correlation(y, MM, max_lag_mm=8)
    for axis, name in enumerate("zyx"):
        found = np.asarray(table["s2"])[np.asarray(table["axis"]) == name]
        index = [0, 0, 0]
        index[axis] = slice(0, 9)
        np.testing.assert_allclose(found, expected[tuple(index)], rtol=1e-9)


def test_correlation_of_a_gaussian_field_is_an_arcsine():
    """At level 0: C(r) = (2 / pi) arcsin(exp(-r^2 / 4 sigma^2))."""
    y = (gaussian_field((96, 96, 96), 4, seed=3) > 0).astype(np.uint8)
    table = two_point_correlation(y, MM, max_lag_mm=12)
    lags = np.asarray(table["lag_mm"])
    exact = 2 / np.pi * np.arcsin(np.exp(-(lags**2) / (4 * 16)))
    np.testing.assert_allclose(np.asarray(table["correlation"]), exact, atol=0.06)


def test_correlation_lengths_of_the_boolean_model():
    """S2 of the air is exp(-n |ball united with its shift|); Porod's length follows."""
    y, _ = boolean_balls((110, 110, 110), 6, 8e-4, seed=2)
    ice = y.mean()
    number = -np.log(1 - ice) / (4 / 3 * np.pi * 6**3)
    porod = 4 * ice * (1 - ice) / (4 * np.pi * 36 * number * (1 - ice))
    assert correlation_length(y, MM, kind="porod") == pytest.approx(porod, rel=0.1)
    lags = np.arange(12)
    union = 4 / 3 * np.pi * 6**3 * (1 + 3 * lags / 24 - (lags / 6) ** 3 / 16)
    exact = (np.exp(-number * union) - (1 - ice) ** 2) / (ice * (1 - ice))
    table = two_point_correlation(y, MM, max_lag_mm=11, axes=[1])
    np.testing.assert_allclose(np.asarray(table["correlation"]), exact, atol=0.04)
    exponential = correlation_length(y, MM)
    assert 0.6 < exponential / porod < 1.0


def test_exponential_fit_finds_its_own_length():
    from icecoreseg.microstructure.correlation import fit_exponential

    lags = np.arange(40) * 0.05
    assert fit_exponential(lags, np.exp(-lags / 0.21)) == pytest.approx(0.21, rel=1e-4)


def test_correlation_of_fractions():
    soft = gaussian_field((20, 20, 20), 2, seed=4)
    soft = ((soft - soft.min()) / np.ptp(soft)).astype(np.float32)
    soft[0, 0, 0] = np.nan
    table = two_point_correlation(soft, MM, max_lag_mm=1, axes=[2])
    assert table["s2"][1] == pytest.approx(np.nanmean(soft[..., 1:] * soft[..., :-1]), rel=1e-5)


def test_chords_of_stripes_and_their_mean():
    y = np.zeros((3, 7, 100), np.uint8)
    y[..., np.arange(100) % 10 < 4] = 1
    table = chord_length_distribution(y, 60, axis=2)
    lengths, numbers = np.asarray(table["length_mm"]), np.asarray(table["n_chords"])
    assert lengths[numbers > 0] == pytest.approx([0.24])
    assert numbers.max() == 3 * 7 * 9  # the first stripe is cut by the frame
    air = chord_length_distribution(y, 60, axis=2, phase=AIR, cut_chords="include")
    assert np.asarray(air["n_chords"])[5] == 3 * 7 * 10


@settings(deadline=None, max_examples=25)
@given(arrays(np.uint8, (3, 4, 9), elements=st.sampled_from([0, 1, 255])))
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_included_chords_hold_all_voxels_of_the_phase(axis, y):
    """And the excluded ones agree with a plain search line by line."""
    table = chord_length_distribution(y, MM, axis=axis, cut_chords="include")
    total = (np.asarray(table["length_mm"]) * np.asarray(table["n_chords"])).sum()
    assert total == pytest.approx((y == ICE).sum())
    whole = chord_length_distribution(da.from_array(y, chunks=2), MM, axis=axis)
    expected = [len(c) for line in lines_of(y, axis) for c in whole_chords(line)]
    assert np.asarray(whole["n_chords"]).sum() == len(expected)


def lines_of(y, axis):
    return np.moveaxis(y, axis, -1).reshape(-1, y.shape[axis])


def whole_chords(line):
    text = "".join({0: "a", 1: "i", 255: "o"}[int(v)] for v in line)
    import re

    return re.findall("(?<=a)i+(?=a)", text)


def test_mean_chord_of_random_structure():
    y = (gaussian_field((600, 20, 20), 3, seed=5) > 0).astype(np.uint8)
    table = chord_length_distribution(y, MM, axis=0)
    mean = (np.asarray(table["number_fraction"]) * np.asarray(table["length_mm"])).sum()
    assert mean == pytest.approx(mean_intercept_length(y, MM, axis=0), rel=0.08)
    assert np.asarray(table["length_fraction"]).sum() == pytest.approx(1)


@settings(deadline=None, max_examples=40)
@given(BINARY)
def test_euler_characteristic_is_that_of_scikit_image(y):
    for ours, theirs in ((26, 3), (6, 1)):
        expected = euler_number(y.astype(bool), theirs)
        assert euler_characteristic(y, connectivity=ours) == expected
        lazy = da.from_array(y, chunks=(1, 5, 6))
        assert euler_characteristic(lazy, connectivity=ours) == expected
        assert euler_characteristic(1 - y, phase=AIR, connectivity=ours) == expected


@settings(deadline=None, max_examples=40)
@given(arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 255])))
def test_euler_densities_are_dual_and_lazy(y):
    ice = euler_density(y, MM, connectivity=26)
    air = euler_density(y, MM, phase=AIR, connectivity=6)
    np.testing.assert_allclose(ice, air, atol=1e-12)
    lazy = euler_density(da.from_array(y, chunks=(2, 4, 5)), MM)
    np.testing.assert_allclose(lazy, ice, atol=1e-12)


def test_euler_density_of_a_gaussian_field():
    """chi_V = lambda^(3/2) (a^2 - 1) exp(-a^2 / 2) / (2 pi)^2, with lambda = 1 / 2 sigma^2."""
    field, scale = gaussian_field((120, 120, 120), 3, seed=6), (1 / 18) ** 1.5 / (2 * np.pi) ** 2
    for level in (0.0, 1.8):
        exact = scale * (level**2 - 1) * np.exp(-(level**2) / 2)
        found = euler_density((field > level).astype(np.uint8), MM)
        assert found == pytest.approx(exact, abs=0.12 * scale)
    assert connectivity_density((field > 0).astype(np.uint8), MM) > 0


def test_bounded_distance_is_exact():
    sources = np.random.default_rng(0).random((20, 31, 17)) < 0.002
    exact = np.round(ndimage.distance_transform_edt(~sources) ** 2)
    for bound in (5, 15, 20):
        found = bounded_squared_distance(sources, bound)
        near = exact <= bound**2
        np.testing.assert_array_equal(found[near], exact[near])
        assert (found[~near] > bound**2).all()


@pytest.mark.parametrize("thickness", [5, 8, 13])
def test_thickness_of_layers(thickness):
    """Within one voxel in any orientation (layers cut by the frame left out)."""
    for name in ("upright", "tilted 20", "space diagonal"):
        y = layers((56, 56, 56), thickness, ORIENTATIONS[name])
        values = local_thickness(y, MM)[16:-16, 16:-16, 16:-16]
        assert np.nanmean(values) == pytest.approx(thickness + 0.5, abs=0.6)


@pytest.mark.parametrize("width", [6, 8, 16, 24])
def test_thickness_of_balls(width):
    """Too thin by less than a voxel at any width; the largest ball is that of the definition."""
    lost = []
    for shift in np.random.default_rng(0).random((4, 3)):
        y = ball((width + 7,) * 3, width / 2, shift=shift)
        found = local_thickness(y, MM)
        inscribed = 2 * ndimage.distance_transform_edt(y).max()
        assert np.nanmax(found) == pytest.approx(
            inscribed, abs=0.5 if width <= 16 else 0.05 * width
        )
        lost.append(width - np.nanmean(found))
    assert 0.3 < np.mean(lost) < 1


def test_thickness_is_that_of_a_plain_search():
    """The definition, ball by ball, on a small structure."""
    y = (gaussian_field((18, 18, 18), 2, seed=7) > 0).astype(np.uint8)
    squared = np.round(ndimage.distance_transform_edt(y) ** 2)
    centres = np.argwhere(squared > 0)
    sizes = squared[tuple(centres.T)]
    expected = np.zeros(y.shape)
    for place in centres:
        reach = ((centres - place) ** 2).sum(axis=1) < sizes
        expected[tuple(place)] = 2 * np.sqrt(sizes[reach].max())
    difference = local_thickness(y, MM)[y == ICE] - expected[y == ICE]
    assert np.quantile(np.abs(difference), 0.9) <= 1.0  # the steps of the radii
    assert abs(difference.mean()) < 0.15


def test_thickness_of_either_phase_and_its_limit():
    y = (gaussian_field((40, 40, 40), 3, seed=8) > 0).astype(np.uint8)
    ice, air = (structure_thickness(y, 60, phase=phase)["mean_mm"] for phase in (ICE, AIR))
    assert ice == pytest.approx(structure_thickness(1 - y, 60, phase=AIR)["mean_mm"])
    assert ice == pytest.approx(air, rel=0.25)
    capped = local_thickness(y, 60, max_thickness_mm=0.36)
    assert np.nanmax(capped) == pytest.approx(0.36)
    thick = local_thickness(ball((90, 90, 90), 40), MM)
    assert np.nanmax(thick) == pytest.approx(80, abs=2)


@pytest.mark.parametrize(
    ("y", "size", "message"),
    [
        (np.ones((5, 5, 5), np.uint8), 60, "other phase"),
        (np.eye(5, dtype=np.uint8)[None].repeat(5, 0), (60, 30, 30), "cubic"),
    ],
)
def test_thickness_refuses(y, size, message):
    with pytest.raises(ValueError, match=message):
        local_thickness(y, size)
