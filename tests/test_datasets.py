"""make_ice_core: exact truth, faithful tomography, and scans as hard as real ones."""

import numpy as np
import pytest
from scipy.ndimage import correlate1d, gaussian_filter, minimum_filter
from skimage.filters import threshold_otsu
from skimage.transform import iradon, radon
from sklearn.metrics import f1_score
from sklearn.mixture import GaussianMixture

from icecoreseg import AIR, ICE, OUTSIDE
from icecoreseg.datasets import make_ice_core
from icecoreseg.datasets._bubbles import bubbly_ice
from icecoreseg.datasets._microstructure import level_cut_ice, mean_wave_number
from icecoreseg.datasets._scanner import Scanner
from icecoreseg.datasets._specimen import Cylinder
from icecoreseg.datasets._tomography import ParallelBeam

KINDS = ("snow", "firn", "ice")
SMALL = {"n_slices": 4, "n_columns": 48}


@pytest.fixture(scope="module", params=KINDS)
def core(request):
    return make_ice_core(request.param, **SMALL, random_state=0)


def blocks(stack):
    """The 2 x 2 x 2 high-resolution voxels of every low-resolution voxel."""
    n_slices, n_rows, n_columns = (n // 2 for n in stack.shape)
    stack = stack.reshape(n_slices, 2, n_rows, 2, n_columns, 2)
    return stack.transpose(0, 2, 4, 1, 3, 5).reshape(n_slices, n_rows, n_columns, 8)


# The truth


def test_shapes_and_dtypes(core):
    for name, dtype in (("", np.uint8), ("fraction_", np.float32), ("labels_", np.uint8)):
        assert core[name + "low"].shape == (4, 48, 48)
        assert core[name + "high"].shape == (8, 96, 96)
        assert core[name + "low"].dtype == core[name + "high"].dtype == dtype
    assert core.mask_low.dtype == core.mask_high.dtype == bool
    assert core.voxel_size_um == 2 * core.voxel_size_high_um == 58.24


def test_low_fractions_are_the_block_means_of_the_high_ones(core):
    np.testing.assert_array_equal(core.fraction_low, blocks(core.fraction_high).mean(axis=-1))


@pytest.mark.parametrize("resolution", ["low", "high"])
def test_fractions_labels_and_masks_agree(core, resolution):
    fraction, labels = core[f"fraction_{resolution}"], core[f"labels_{resolution}"]
    mask = core[f"mask_{resolution}"]
    np.testing.assert_array_equal(mask, ~np.isnan(fraction))
    np.testing.assert_array_equal(mask, labels != OUTSIDE)
    np.testing.assert_array_equal(labels[mask] == ICE, fraction[mask] >= 0.5)
    assert set(np.unique(labels)) == {AIR, ICE, OUTSIDE}
    assert fraction[mask].min() == 0
    assert fraction[mask].max() == 1
    partly = fraction[mask] * (64 if resolution == "low" else 8)
    np.testing.assert_array_equal(partly, np.rint(partly))


def test_mass_is_the_sum_of_the_fractions(core):
    for resolution, size_um in (("low", core.voxel_size_um), ("high", core.voxel_size_high_um)):
        ice_m3 = np.nansum(core[f"fraction_{resolution}"], dtype=float) * (size_um * 1e-6) ** 3
        np.testing.assert_allclose(core.mass_g, ice_m3 * 918.87e3, rtol=1e-5)
    specimen_m3 = core.mask_low.sum() * (core.voxel_size_um * 1e-6) ** 3
    np.testing.assert_allclose(core.density_kg_m3, core.mass_g * 1e-3 / specimen_m3)
    np.testing.assert_allclose(core.ice_fraction, core.density_kg_m3 / 918.87, rtol=1e-5)


@pytest.mark.parametrize(("kind", "density"), [("snow", 337), ("firn", 723), ("ice", 878)])
def test_densities_of_table_1(kind, density):
    core = make_ice_core(kind, n_slices=8, n_columns=64, n_projections=8, random_state=0)
    np.testing.assert_allclose(core.density_kg_m3, density, rtol=0.02)


def test_colder_ice_is_heavier():
    warm, cold = (make_ice_core(**SMALL, temperature_c=t, random_state=0) for t in (0, -50))
    np.testing.assert_allclose(cold.mass_g / warm.mass_g, 923.47 / 916.72, rtol=1e-5)
    np.testing.assert_array_equal(cold.low, warm.low)


@pytest.mark.parametrize("ice_fraction", [0.2, 0.5, 0.8])
def test_surface_of_the_level_cut_follows_rice(ice_fraction):
    """Interface crossings per length of test line are half the surface density."""
    mask = np.ones((64, 96, 96), dtype=bool)
    wave_number = mean_wave_number(0.1, ice_fraction)
    points = level_cut_ice(mask, ice_fraction, wave_number, np.random.default_rng(0))
    crossings = np.mean([np.mean(np.diff(points >= 4, axis=axis)) for axis in range(3)])
    np.testing.assert_allclose(2 * crossings, 0.1, rtol=0.08)
    np.testing.assert_allclose(points.mean() / 8, ice_fraction, atol=0.003)


def test_bubbles_are_sheared_along_one_horizontal_direction():
    mask = np.ones((64, 96, 96), dtype=bool)
    airy = bubbly_ice(mask, 0.9, 14, np.random.default_rng(0)) < 4
    z, y, x = (np.mean(np.diff(airy, axis=axis)) for axis in range(3))
    assert z > 1.1 * (y + x) / 2  # shorter chords along the core


# The scan


@pytest.fixture(scope="module")
def disc_image():
    """Smooth random image inside the circle; odd, so that skimage's centre is ours."""
    offset = np.hypot(*np.mgrid[-32:33, -32:33])
    noise = gaussian_filter(np.random.default_rng(0).random((65, 65)), 2) - 0.4
    return gaussian_filter(noise * (offset < 26), 1.5)


@pytest.mark.filterwarnings("ignore:Radon transform:UserWarning")  # the blurred rim, 1e-6
def test_projections_match_radon(disc_image):
    angles = np.arange(90) * 2.0
    ours = ParallelBeam(65, 90).project(disc_image[np.newaxis])[0]
    theirs = radon(disc_image, theta=-angles, circle=True).T
    np.testing.assert_allclose(ours, theirs, atol=0.01 * theirs.max())
    np.testing.assert_allclose(ours[0], disc_image.sum(axis=0), atol=1e-3 * theirs.max())


def test_reconstruction_matches_iradon(disc_image):
    beam = ParallelBeam(65, 90)
    profiles = beam.project(disc_image[np.newaxis])
    theirs = iradon(profiles[0].T, theta=-np.arange(90) * 2.0, filter_name="hann", circle=True)
    inside = np.hypot(*np.mgrid[-32:33, -32:33]) < 28
    ours = beam.reconstruct(profiles)[0]
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=0.03 * disc_image.max())


@pytest.mark.parametrize("n_columns", [32, 33])
def test_reconstruction_of_a_projection_is_the_image_after_its_window(n_columns):
    """The Hann window is a known blur; apart from it, nothing moves or changes."""
    random = np.random.default_rng(0)
    offset = np.arange(n_columns) - (n_columns - 1) / 2
    image = random.random((n_columns, n_columns)) * (np.hypot(*np.ix_(offset, offset)) < 8)
    image = gaussian_filter(image, 1.5)
    frequencies = np.hypot(*np.ix_(np.fft.fftfreq(n_columns), np.fft.fftfreq(n_columns)))
    window = np.cos(np.pi * np.minimum(frequencies, 0.5)) ** 2
    expected = np.fft.ifft2(np.fft.fft2(image) * window).real
    beam = ParallelBeam(n_columns, 80)
    found = beam.reconstruct(beam.project(image[np.newaxis]))[0]
    np.testing.assert_allclose(found, expected, atol=0.01 * image.max())


def test_blur_on_the_detector_is_gaussian(disc_image):
    beam = ParallelBeam(65, 4)
    sharp, blurred = (beam.project(disc_image[np.newaxis], blur=blur)[0] for blur in (0, 1.5))
    expected = gaussian_filter(sharp, (0, 1.5), truncate=6)
    np.testing.assert_allclose(blurred, expected, atol=0.005 * sharp.max())


def test_noise_free_scans_recover_the_grey_levels():
    core = make_ice_core("firn", n_slices=2, n_columns=96, noise=0, blur=0, random_state=0)
    for grey, fraction in ((core.low, core.fraction_low), (core.high, core.fraction_high)):
        for value, expected in ((1, 116), (0, 22)):
            deep = minimum_filter(fraction == value, size=(1, 5, 5))
            assert deep.sum() > 50
            np.testing.assert_allclose(grey[deep].mean(), expected, atol=2)


@pytest.mark.parametrize("noise", [0.03, 0.06])
def test_noise_is_what_was_asked_for(noise):
    """Solid ice: the standard deviation at the centre of the low-resolution scan."""
    cylinder = Cylinder(64)
    ice = np.float32(cylinder.specimen().repeat(2, 0).repeat(2, 1))[np.newaxis].repeat(80, 0)
    scanner = Scanner(128, noise, 0.5, 0.0, 0.0, 20, 120)
    high, low = scanner.scan(ice, 2 * cylinder.diameter, np.random.default_rng(0))
    found = low[:, 28:36, 28:36].std()
    np.testing.assert_allclose(found, 100 * noise, rtol=0.08)
    np.testing.assert_allclose(low[:, 28:36, 28:36].mean(), 120, atol=1.5)
    assert high[:, 56:72, 56:72].std() > 3 * found


def test_two_high_slices_overlay_one_low_slice():
    """Shifted by one high-resolution voxel in any direction, the two scans agree less."""
    core = make_ice_core("snow", n_slices=8, n_columns=64, noise=0.02, random_state=0)
    inner = core.mask_low & np.roll(core.mask_low, 1, axis=1) & np.roll(core.mask_low, 1, axis=2)

    def agreement(shift):
        high = blocks(np.roll(core.high, shift, axis=(0, 1, 2))).mean(axis=-1)
        return np.corrcoef(high[1:-1][inner[1:-1]], core.low[1:-1][inner[1:-1]])[0, 1]

    best = agreement((0, 0, 0))
    assert best > 0.97
    for axis in np.eye(3, dtype=int):
        assert agreement(tuple(axis)) < best - 0.005
        assert agreement(tuple(-axis)) < best - 0.005


def test_same_seed_same_core():
    first, again, other = (make_ice_core("ice", **SMALL, random_state=s) for s in (3, 3, 4))
    for name in ("low", "high", "fraction_high"):
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name], equal_nan=True)
    assert first.mass_g == again.mass_g


def test_random_state_instance_moves_on():
    random = np.random.RandomState(0)
    first, second = (make_ice_core(**SMALL, random_state=random) for _ in range(2))
    assert not np.array_equal(first.high, second.high)


# Options


def test_casing_is_a_bright_ring():
    bare, cased = (
        make_ice_core(**SMALL, noise=0, blur=0, casing=c, random_state=0) for c in (False, True)
    )
    cylinder = Cylinder(48)
    middle = cylinder.casing() > 1.7
    assert abs(np.median(cased.high[:, middle]) - 190) < 12
    assert abs(np.median(bare.high[:, middle]) - 21) < 6
    np.testing.assert_array_equal(bare.labels_high, cased.labels_high)


def ring_contrast(stack):
    """Spread of the mean grey value over circles around the axis, high frequencies only."""
    offset = np.arange(stack.shape[1]) - (stack.shape[1] - 1) / 2
    radii = np.rint(np.hypot(*np.ix_(offset, offset))).astype(int).ravel()
    profile = np.bincount(radii, stack[0].ravel()) / np.maximum(np.bincount(radii), 1)
    return np.diff(profile[3 : stack.shape[1] // 4], n=2).std()


def test_ring_artefacts_make_rings():
    options = {**SMALL, "noise": 0, "ice_fraction": 0.99, "random_state": 0}
    clean, rings = (make_ice_core("firn", **options, ring_artefacts=r) for r in (0, 0.01))
    assert ring_contrast(rings.high) > 3 * ring_contrast(clean.high)
    np.testing.assert_array_equal(clean.fraction_high, rings.fraction_high)


def test_beam_hardening_darkens_the_middle():
    options = {**SMALL, "ice_fraction": 0.99, "noise": 0, "random_state": 0}
    flat, cupped = (make_ice_core("firn", **options, beam_hardening=b) for b in (0, 0.2))
    loss = flat.low.astype(float) - cupped.low
    radii = np.hypot(*np.mgrid[-23.5:24, -23.5:24])
    assert loss[:, radii < 5].mean() > loss[:, (radii > 11) & (radii < 14)].mean() + 2


def test_blur_softens_edges():
    sharp, soft = (make_ice_core(**SMALL, noise=0, blur=b, random_state=0) for b in (0, 3))
    assert soft.low[soft.mask_low].std() < 0.7 * sharp.low[sharp.mask_low].std()


def test_fewer_projections_leave_streaks():
    few, many = (
        make_ice_core(**SMALL, noise=0, n_projections=n, random_state=0) for n in (12, 200)
    )
    error = [np.abs(c.low[c.mask_low] - 21 - 93 * c.fraction_low[c.mask_low]) for c in (few, many)]
    assert error[0].mean() > 1.2 * error[1].mean()


def test_larger_voxels_hold_more_grains():
    fine, coarse = (
        make_ice_core(**SMALL, voxel_size_um=size, n_projections=8, random_state=0)
        for size in (30, 90)
    )
    mixed = [np.mean((f > 0) & (f < 1)) for f in (fine.fraction_low, coarse.fraction_low)]
    assert mixed[1] > 1.5 * mixed[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "slush"}, "kind='slush' is not known"),
        ({"n_slices": 0}, "n_slices must be an integer of at least 1, got 0"),
        ({"n_columns": 16}, "n_columns must be an integer of at least 32, got 16"),
        ({"n_projections": 0}, "n_projections must be an integer of at least 1"),
        ({"voxel_size_um": -58}, "voxel_size_um must be a number from 0.001 to 1000, got -58"),
        ({"voxel_size_um": 900}, "too fine for the voxels.*Use a smaller voxel_size_um"),
        ({"ice_fraction": 37}, "ice_fraction must be a number from 0.01 to 0.999, got 37"),
        ({"noise": -0.1}, "noise must be a number from 0 to 2, got -0.1"),
        ({"blur": np.nan}, "blur must be a number from 0 to 20, got nan"),
        ({"beam_hardening": 1}, "beam_hardening must be a number from 0 to 0.4, got 1"),
        ({"ring_artefacts": "many"}, "ring_artefacts must be a number from 0 to 0.5, got 'many'"),
        ({"temperature_c": 258}, "temperature_c=258 is not a temperature of ice"),
    ],
)
def test_refuses_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_ice_core(**{"n_slices": 1, "n_columns": 32, "n_projections": 4, **options})


# Difficulty


def paper_labels(core):
    """5 x 5 Gaussian, tied mixture per high-resolution slice, 2 x 2 x 2 mean above one half."""
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 1.1**2))
    weights = core.mask_high.astype(float)
    grey = core.high * weights
    for axis in (1, 2):
        grey, weights = (correlate1d(stack, kernel, axis=axis) for stack in (grey, weights))
    labels = np.zeros(core.high.shape)
    for image, weight, mask, found in zip(grey, weights, core.mask_high, labels, strict=True):
        pixels = (image[mask] / weight[mask])[:, np.newaxis]
        mixture = GaussianMixture(2, covariance_type="tied", random_state=0).fit(pixels)
        found[mask] = mixture.predict(pixels) == np.argmax(mixture.means_)
    return blocks(labels).mean(axis=-1) > 0.5


@pytest.mark.parametrize(
    ("kind", "paper", "otsu", "tolerance"),
    [
        ("snow", (0.939, 0.966), (0.944, 0.966), (0.015, 0.015)),
        ("firn", (0.987, 0.951), (0.987, 0.954), (0.015, 0.025)),
        ("ice", (0.991, 0.600), (0.988, 0.534), (0.03, 0.16)),
    ],
)
def test_simple_methods_err_as_on_other_simulated_scans(kind, paper, otsu, tolerance):
    """F1 of ice and of air, measured on scans of a simulator that is not ours."""
    core = make_ice_core(kind, n_slices=4, n_columns=128, random_state=0)
    inside = core.mask_low
    truth = core.labels_low[inside]
    by_otsu = np.stack(
        [image > threshold_otsu(image[m]) for image, m in zip(core.low, inside, strict=True)]
    )
    for found, expected in ((paper_labels(core), paper), (by_otsu, otsu)):
        scores = [f1_score(truth, found[inside], pos_label=label) for label in (ICE, AIR)]
        np.testing.assert_array_less(np.abs(np.subtract(scores, expected)), tolerance)
