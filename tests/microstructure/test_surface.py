"""Surface, boundary and intercepts against shapes with known values."""

import itertools

import dask.array as da
import numpy as np
import pytest
from analytic_shapes import (
    ORIENTATIONS,
    ball,
    boolean_balls,
    boolean_surface_density,
    cylinder,
    cylinder_area,
    field_surface_density,
    gaussian_field,
    layers,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm
from skimage.measure import perimeter_crofton

from icecoreseg import AIR, OUTSIDE
from icecoreseg.microstructure import (
    boundary_length,
    intercept_tensor,
    mean_intercept_length,
    optical_diameter,
    perimeter_density,
    specific_surface_area,
    ssa_2d,
    surface_density,
)
from icecoreseg.microstructure._short_chords import count_short_chords

MM = 1000  # a voxel of one millimetre, so that lengths are in voxels


@pytest.mark.parametrize("edges", [(1, 1, 1), (2, 1, 1), (1, 1.5, 1.5)])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_layers_in_any_orientation(name, edges):
    """Eight voxels thick: within 2 %, also where voxels are not cubes."""
    thickness, rotation = 8 * max(edges), ORIENTATIONS[name]
    shape = [round(6 * thickness / edge) + 1 for edge in edges]
    found = [
        surface_density(layers(shape, thickness, rotation, edges, phase=p), np.array(edges) * MM)
        for p in (0.1, 0.5, 0.9, 1.3, 1.7)
    ]
    assert np.mean(found) == pytest.approx(1 / thickness, rel=0.02)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_rods_in_any_orientation(name):
    """Diameter 8 and 16: within 2 %, averaged over the places on the grid."""
    for radius in (4, 8):
        found = []
        for shift in np.arange(16)[:, None] * [0.8192, 0.6711, 0.5497] % 1:  # evenly spread
            rod = cylinder((61, 61, 61), radius, ORIENTATIONS[name], shift=shift)
            area = cylinder_area((61, 61, 61), radius, ORIENTATIONS[name], shift=shift)
            found.append(_surface(rod) / area)
        assert np.mean(found) == pytest.approx(1, abs=0.02)


def _surface(y):
    return surface_density(y, MM) * y.size


@pytest.mark.parametrize("radius", [4, 6, 10, 20])
def test_balls(radius):
    """Whether of ice or of air, and however near the frame."""
    for phase in (0, 1):
        found = [
            _surface(np.uint8(1 - phase) ^ ball((2 * radius + 7,) * 3, radius, shift=shift))
            for shift in np.random.default_rng(1).random((6, 3))
        ]
        assert np.mean(found) == pytest.approx(4 * np.pi * radius**2, rel=0.02)


@pytest.mark.parametrize(("sigma", "level"), [(3, 0.0), (3, 1.0), (4, 0.3), (4, -1.2)])
def test_gaussian_fields(sigma, level):
    """Snow-like random structure: S_V, L_A and both intercepts."""
    field = gaussian_field((96, 96, 96), sigma, seed=2)
    y = (field > level).astype(np.uint8)
    exact = field_surface_density(level, sigma)
    assert surface_density(y, MM) == pytest.approx(exact, rel=0.06)
    assert perimeter_density(y, MM).mean() == pytest.approx(np.pi / 4 * exact, rel=0.06)
    ice = y.mean()
    assert mean_intercept_length(y, MM) == pytest.approx(4 * ice / exact, rel=0.06)
    air = mean_intercept_length(y, MM, phase=AIR)
    assert air == pytest.approx(4 * (1 - ice) / exact, rel=0.06)


def test_marching_cubes_follows_a_fraction_field():
    field = gaussian_field((64, 64, 64), 5, seed=3)
    fraction = norm.cdf(4 * field).astype(np.float32)
    found = surface_density(fraction, MM, method="marching_cubes")
    assert found == pytest.approx(surface_density(fraction, MM), rel=0.03)
    lazy = da.from_array(fraction, chunks=(20, 64, 64))
    assert surface_density(lazy, MM, method="marching_cubes") == pytest.approx(found, rel=1e-5)


def test_marching_cubes_leaves_the_outline_out():
    fraction = np.full((20, 20, 20), 0.9, np.float32)
    fraction[:, :, 12:] = 0.1
    fraction[:, 14:] = np.nan
    found = surface_density(fraction, MM, method="marching_cubes")
    assert found == pytest.approx(1 / 19, rel=1e-4)  # one flat surface across 19 cells


def test_marching_cubes_on_labels_is_refused():
    with pytest.raises(ValueError, match="needs ice fractions"):
        surface_density(np.zeros((3, 3, 3), np.uint8), MM, method="marching_cubes")


@pytest.mark.parametrize(("radius", "ice"), [(4, 0.2), (4, 0.58), (8, 0.58), (8, 0.8)])
def test_boolean_model(radius, ice):
    """Overlapping balls, sharp crevices included: neighbours miss up to 11 %, here within 1.5 %."""
    number = -np.log(1 - ice) / (4 / 3 * np.pi * radius**3)
    for seed in range(2):
        y, _ = boolean_balls((80, 80, 80), radius, number, seed=seed)
        exact = boolean_surface_density((80, 80, 80), radius, number, seed=seed)
        assert surface_density(y, MM) == pytest.approx(exact, rel=0.015)
        assert surface_density(y, MM, extrapolate=False) < 0.98 * exact


@pytest.mark.parametrize(("ice", "width"), [(0.2, 8), (0.58, 16)])
def test_neighbours_miss_what_the_boolean_model_says(ice, width):
    """P(h) = 2 (q - q^(U(h) / V)) / h with the air q: Stoyan's formula, mean of 13 directions."""
    number = -np.log(1 - ice) / (np.pi / 6 * width**3)
    ratios = []
    for seed in range(3):
        y, _ = boolean_balls((80, 80, 80), width // 2, number, seed=seed)
        exact = boolean_surface_density((80, 80, 80), width // 2, number, seed=seed)
        ratios.append(surface_density(y, MM, extrapolate=False) / exact)
    h = np.sqrt([1, 2, 3])
    united = 1 + 1.5 * h / width - (h / width) ** 3 / 2
    slope = -np.log(1 - ice) * 1.5 / width
    expected = (1 - (1 - ice) ** (united - 1)) / h / slope
    weights = [3 * 0.0915558, 6 * 0.0739611, 4 * 0.0703913]
    assert np.mean(ratios) == pytest.approx(expected @ weights, abs=0.01)


@settings(deadline=None, max_examples=30)
@given(arrays(np.uint8, (5, 6, 7), elements=st.sampled_from([0, 1, 1, 255])), st.integers(0, 4))
def test_short_chords_are_counted_alike_in_slabs_and_by_hand(y, cut):
    whole = count_short_chords(y)
    parts = count_short_chords(y[:cut]) + count_short_chords(y, fresh=cut) if cut else whole
    np.testing.assert_array_equal(parts, whole)
    for axis in range(3):
        patterns = np.zeros(3, int)
        for line in np.moveaxis(y, axis, -1).reshape(-1, y.shape[axis]):
            steps = [int(a + b == 1) for a, b in itertools.pairwise(line.tolist())]
            ends = [255 not in (a, b) for a, b in zip(line, line[3:], strict=False)]
            patterns[0] += sum(steps)
            patterns[1] += sum(a & b for a, b in itertools.pairwise(steps))
            patterns[2] += sum(e & (sum(steps[i : i + 3]) > 1) for i, e in enumerate(ends))
        assert patterns.tolist() == whole[axis].tolist()


def test_extrapolation_leaves_flat_layers_as_they_are():
    flat = layers((97, 49, 49), 8, ORIENTATIONS["oblique"])
    assert surface_density(flat, MM) == surface_density(flat, MM, extrapolate=False)


def test_ssa_units_and_optical_diameter():
    """A ball of 1 mm radius: SSA = 3 / (r rho) = 3.27 m2/kg, optical diameter 2 mm."""
    y = ball((120, 120, 120), 20)
    ssa = specific_surface_area(y, 50, ice_density_kg_m3=917)
    assert ssa == pytest.approx(3 / (1e-3 * 917), rel=0.01)
    assert optical_diameter(3.2715, ice_density_kg_m3=917) == pytest.approx(2, rel=1e-3)


def test_perimeter_is_that_of_scikit_image():
    y = gaussian_field((1, 200, 150), (0, 4, 4), seed=5) > 0.2
    y[:, [0, -1]] = y[:, :, [0, -1]] = False  # skimage counts the frame
    assert boundary_length(y, MM)[0] == pytest.approx(perimeter_crofton(y[0], 4), rel=1e-12)


def test_anisotropic_pixels_of_a_disc():
    y, x = np.mgrid[-40:41, -80:81]
    disc = ((y * 2) ** 2 + x**2 < 60**2)[np.newaxis]
    assert boundary_length(disc, (1, 2000, 1000))[0] == pytest.approx(2 * np.pi * 60, rel=0.02)


def test_outline_and_frame_are_no_surface():
    """Full ice in a round outline, touching the frame: no boundary at all."""
    place = np.mgrid[:3, -20:21, -20:21]
    y = np.ones((3, 41, 41), np.uint8)
    y[(place[1:] ** 2).sum(axis=0) > 20**2] = OUTSIDE
    assert (boundary_length(y, MM) == 0).all()
    assert surface_density(y, MM) == 0
    assert np.isnan(mean_intercept_length(y, MM))


def test_two_d_ssa_forms():
    y = ball((1, 121, 121), 50)
    mm1 = ssa_2d(y, 100)
    assert mm1[0] == pytest.approx(2 / 5, rel=0.02)
    m2_kg = ssa_2d(y, 100, unit="m2_kg", ice_density_kg_m3=917)
    assert m2_kg[0] == pytest.approx(4 / np.pi * mm1[0] * 1e3 / 917)
    with pytest.raises(ValueError, match="unit"):
        ssa_2d(y, 100, unit="m2/kg")


def test_intercepts_of_stretched_structure():
    """Stretched twofold along z: the tensor, the ratio, and the 2-D bias of the field notes."""
    field = gaussian_field((128, 64, 64), (6, 3, 3), seed=6)
    y = (field > 0).astype(np.uint8)
    tensor = intercept_tensor(y, MM)
    # Fitting an ellipsoid to a rose of intersections flattens it a little.
    assert tensor["vertical_over_horizontal"] == pytest.approx(1.8, abs=0.2)
    assert tensor["inclination_deg"] < 10
    upright = mean_intercept_length(y, MM, axis=0)
    across = mean_intercept_length(y, MM, axis=2)
    assert upright / across == pytest.approx(2, rel=0.1)
    per_slice = 4 / np.pi * perimeter_density(y, MM).mean() / surface_density(y, MM)
    assert 1.1 < per_slice < 1.3


def test_intercept_per_slice_and_axis():
    y = np.zeros((2, 40, 61), np.uint8)
    y[0, :, np.arange(61) % 6 < 2] = 1
    assert mean_intercept_length(y, MM, axis=2, per_slice=True)[0] == pytest.approx(2, rel=0.06)
    assert np.isnan(mean_intercept_length(y, MM, axis=1, per_slice=True)).all()
    with pytest.raises(ValueError, match="axis"):
        mean_intercept_length(y, MM, axis=0, per_slice=True)


def test_single_slices_have_no_surface():
    with pytest.raises(ValueError, match="ssa_2d"):
        surface_density(np.zeros((1, 5, 5), np.uint8), MM)


def test_implausible_ssa_warns():
    y = np.random.default_rng(0).integers(0, 2, (8, 8, 8), dtype=np.uint8)
    with pytest.warns(UserWarning, match="above 100"):
        specific_surface_area(y, 5)


def test_lazy_equals_whole():
    y = (gaussian_field((30, 20, 25), 2, seed=7) > 0).astype(np.uint8)
    y[:, :4, :4] = OUTSIDE
    lazy = da.from_array(y, chunks=(7, 20, 25))
    for extrapolate in (False, True):
        options = {"correct_orientation": False, "extrapolate": extrapolate}
        assert surface_density(lazy, MM, **options) == surface_density(y, MM, **options)
    assert surface_density(lazy, MM) == pytest.approx(surface_density(y, MM), rel=5e-3)
    np.testing.assert_array_equal(boundary_length(lazy, MM), boundary_length(y, MM))
