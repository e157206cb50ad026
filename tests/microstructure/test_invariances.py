"""What must not change: turned, mirrored, framed, rescaled, exchanged."""

import numpy as np
import pytest
from analytic_shapes import gaussian_field
from hypothesis import given, settings
from hypothesis import strategies as st

from icecoreseg import AIR, ICE, OUTSIDE
from icecoreseg.microstructure import (
    MicrostructureMetrics,
    intercept_tensor,
    mean_intercept_length,
    surface_density,
    volume_metrics,
)

FAMILIES = ["amount", "surface", "correlation", "topology", "pores"]
# Per volume, per area or per mass: how a number changes if the voxels double.
POWERS = {
    "volume_mm3": 3,
    "_mm3": -3,
    "_mm1": -1,
    "_m2_kg": -1,
    "_cm3": -3,
    "_mm": 1,
    "_mm2": 2,
    "_g": 3,
}
# The normals are sampled, so that surfaces agree to the error of the sample.
LOOSE = 5e-3


def snow(seed=0, shape=(24, 24, 24)):
    return (gaussian_field(shape, 2, seed=seed) > 0.2).astype(np.uint8)


def turned(y):
    yield "turned in the slice", np.rot90(y, axes=(1, 2))
    yield "laid down", np.rot90(y, axes=(0, 2))
    yield "upside down", y[::-1]
    yield "mirrored", y[:, :, ::-1]


def compare(a, b, names=None):
    for name in names or a:
        np.testing.assert_allclose(a[name], b[name], rtol=LOOSE, atol=1e-9, err_msg=name)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10**6))
def test_turning_and_mirroring(seed):
    y = snow(seed)
    expected = volume_metrics(y, 50, families=FAMILIES)
    same = [n for n in expected if not n.endswith(("_z_mm", "percolating_fraction"))]
    for _, other in turned(y):
        compare(expected, volume_metrics(np.ascontiguousarray(other), 50, families=FAMILIES), same)


def test_adding_outside_changes_nothing():
    y = snow(1)
    expected = volume_metrics(y, 50, families=FAMILIES)
    framed = np.pad(y, ((2, 3), (4, 1), (1, 5)), constant_values=OUTSIDE)
    found = volume_metrics(framed, 50, families=FAMILIES)
    compare(expected, found, [n for n in expected if n != "percolating_fraction"])
    metrics = MicrostructureMetrics(50)
    np.testing.assert_allclose(
        metrics.fit_transform(y), metrics.fit_transform(framed)[2:-3], rtol=1e-12
    )


def test_doubling_the_voxels():
    y = snow(2)
    small, large = (volume_metrics(y, size, families=FAMILIES) for size in (50, 100))
    for name, value in small.items():
        suffix = max((s for s in POWERS if name.endswith(s)), key=len, default=None)
        factor = 1 if suffix is None or name == "density_kg_m3" else 2.0 ** POWERS[suffix]
        assert large[name] == pytest.approx(value * factor, rel=1e-4, abs=1e-9), name


def test_per_slice_scaling_and_axes():
    y = snow(3)
    names = MicrostructureMetrics(50).fit().get_feature_names_out()
    small = MicrostructureMetrics(50).fit_transform(y)
    large = MicrostructureMetrics(100).fit_transform(y)
    swapped = MicrostructureMetrics(50).fit_transform(np.ascontiguousarray(y.transpose(0, 2, 1)))
    for column, name in enumerate(names):
        suffix = max((s for s in POWERS if name.endswith(s)), key=len, default=None)
        factor = 1.0 if suffix is None else 2.0 ** POWERS[suffix]
        np.testing.assert_allclose(large[:, column], small[:, column] * factor, rtol=1e-12)
        partner = name.replace("_x_", "_?_").replace("_y_", "_x_").replace("_?_", "_y_")
        other = names.tolist().index(partner)
        np.testing.assert_allclose(swapped[:, other], small[:, column], rtol=1e-12)


def test_exchanging_the_phases():
    y = snow(4)
    assert surface_density(1 - y, 50) == pytest.approx(surface_density(y, 50), rel=LOOSE)
    exchanged = mean_intercept_length(1 - y, 50, phase=AIR)
    assert exchanged == pytest.approx(mean_intercept_length(y, 50, phase=ICE))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(1, 7))
def test_slices_are_measured_one_by_one(seed, cut):
    y = snow(seed, shape=(8, 16, 12))
    metrics = MicrostructureMetrics(60)
    whole = metrics.fit_transform(y)
    parts = np.concatenate([metrics.fit_transform(y[:cut]), metrics.fit_transform(y[cut:])])
    np.testing.assert_array_equal(whole, parts)


def test_the_tensor_turns_with_the_structure():
    y = (gaussian_field((48, 32, 32), (4, 2, 2), seed=5) > 0).astype(np.uint8)
    upright = intercept_tensor(y, 50)
    lying = intercept_tensor(np.ascontiguousarray(np.rot90(y, axes=(0, 2))), 50)
    np.testing.assert_allclose(upright["lengths_mm"], lying["lengths_mm"], rtol=1e-9)
    total = upright["inclination_deg"] + lying["inclination_deg"]
    assert total == pytest.approx(90, abs=8)
