"""CoreMasker on drawn cores that are cut, broken, shifted, cracked or badly lit.

The truth is the shape that the specimen was cut to: a field of grains is multiplied by it,
and a casing, blur, noise, drift and artefacts are laid over.
"""

import numpy as np
import pytest
from scipy import ndimage

from icecoreseg import CoreMasker
from icecoreseg.datasets import make_ice_core
from icecoreseg.preprocessing import _steady, core_mask

KINDS = {"light snow": (0.12, 1.5), "snow": (0.3, 2.0), "firn": (0.79, 3.0), "ice": (0.96, 2.0)}
CASING = 0.42  # inner radius, in picture widths


def cut(name, n, random):
    """The shape of a specimen: bool array (n, n)."""
    rows, columns = np.mgrid[:n, :n] - (n - 1) / 2
    radius = CASING * n * (0.8 if name == "shifted" else 0.93)
    if name in ("shifted", "touching"):
        turn = random.uniform(0, 2 * np.pi)
        away = CASING * n - radius - (0.02 * n if name == "shifted" else 0.3)
        rows, columns = rows - away * np.sin(turn), columns - away * np.cos(turn)
    turn = random.uniform(0, 2 * np.pi)
    along = np.cos(turn) * columns + np.sin(turn) * rows
    across = np.cos(turn) * rows - np.sin(turn) * columns
    disc = np.hypot(along, across) < radius
    if name == "elliptical":
        return np.hypot(along, across / 0.87) < radius
    if name == "sawn":
        return disc & (along < 0.75 * radius)
    if name == "half":
        return disc & (along < 0.02 * radius)
    if name == "chipped":
        return disc & (np.hypot(along - radius, across) > 0.33 * radius)
    if name == "wedge":
        return disc & ((np.abs(np.arctan2(across, along)) > 0.35) | (along < 0.45 * radius))
    if name == "broken":
        rough = ndimage.gaussian_filter1d(random.standard_normal(720), 12, mode="wrap")
        angle = np.linspace(-np.pi, np.pi, 720)
        depth = 0.15 * np.clip(0.6 + 0.6 * rough / np.abs(rough).max(), 0, 1)
        depth *= np.exp(-(np.abs(angle) ** 6))
        lost = np.interp(np.arctan2(across, along), angle, depth)
        return np.hypot(along, across) < radius * (1 - lost)
    return disc


def scan(kind, name, *, n=256, n_slices=None, noise=9.0, casing=190, seed=0):
    """uint8 scan, and the shape that its specimen was cut to."""
    random = np.random.default_rng(seed)
    fraction, grain = KINDS[kind]
    n_slices = n_slices or (9 if "snow" in kind else 3)  # it takes several to see all of its rim
    specimen = cut(name, n, random)
    field = ndimage.gaussian_filter(
        random.standard_normal((n_slices, n, n), dtype=np.float32), grain, mode="wrap"
    )
    level = np.quantile(field[:, specimen], fraction)
    ice = np.clip((level - field) / field.std() * grain + 0.5, 0, 1) * specimen
    rows, columns = np.mgrid[:n, :n] - (n - 1) / 2
    distance = np.hypot(rows, columns)
    if name == "cracked":
        ice[:, np.abs(rows + 4 * np.sin(columns / 9)) < 1.5] = 0
    if name == "fragments":
        for turn in random.uniform(0, 2 * np.pi, 3):
            middle = CASING * n * 0.965 * np.array([np.sin(turn), np.cos(turn)])
            ice[:, np.hypot(rows - middle[0], columns - middle[1]) < 0.008 * n] = 1
    grey = 22 + 93 * ice
    if casing:
        grey[:, (distance > CASING * n) & (distance < (CASING + 0.03) * n)] = casing
    grey = ndimage.gaussian_filter(grey, (0, 0.8, 0.8)) + random.normal(0, noise, grey.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), np.broadcast_to(specimen, grey.shape)


def with_crumb(X, specimen, radius):
    """The scan with a round piece of ice where the gap is widest."""
    n = X.shape[1]
    rows, columns = np.mgrid[:n, :n]
    within = np.hypot(rows - (n - 1) / 2, columns - (n - 1) / 2) < CASING * n - radius
    away = ndimage.distance_transform_edt(~specimen[0]) * within
    row, column = np.unravel_index(away.argmax(), away.shape)
    return np.where(np.hypot(rows - row, columns - column) < radius, np.uint8(115), X)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
@pytest.mark.parametrize(
    "name", ["round", "touching", "shifted", "elliptical", "sawn", "broken", "cracked", "fragments"]
)
def test_difficult_cores(name, kind):
    """IoU of at least 0.98 on 256 x 256 pictures."""
    X, specimen = scan(kind, name, seed=len(name))
    assert overlap(core_mask(X), specimen) >= 0.98


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_chipped_cores(kind):
    """The chip is wider than pores, which neighbouring slices show together."""
    X, specimen = scan(kind, "chipped", seed=2)
    assert overlap(core_mask(X), specimen) >= 0.98


@pytest.mark.parametrize(("kind", "least"), [("snow", 0.97), ("firn", 0.98)])
@pytest.mark.parametrize("name", ["wedge", "half"])
def test_large_breaks_in_snow_are_outside(name, kind, least):
    """Each slice alone has pores at the rim that look like breaks; together they have not."""
    X, specimen = scan(kind, name, seed=3)
    assert overlap(core_mask(X), specimen) >= least


def test_loose_grains_in_a_corner_are_no_fragments():
    """They fill their corner less than grains that hang together, but nearly as much."""
    X, specimen = scan("snow", "half", seed=0)
    assert overlap(core_mask(X), specimen) >= 0.98


def test_a_casing_that_outweighs_the_ice_does_not_stand_for_it():
    """Half a core of light snow: its casing has more bright voxels than it has ice.

    Ice is 115, and its median less, for most voxels of such thin grains are filled in part.
    """
    X, _ = scan("light snow", "half")
    masker = CoreMasker().fit(X)
    assert masker.air_ == pytest.approx(22, abs=5)
    assert 70 < masker.ice_ < 125


def test_a_wedge_that_broke_out_of_ice_is_outside():
    """It is no pore, though ice has so few of them that it weighs much in their mean width."""
    X, specimen = scan("ice", "wedge", seed=5)
    assert overlap(core_mask(X), specimen) >= 0.98


@pytest.mark.parametrize(("kind", "least"), [("snow", 0.92), ("firn", 0.975), ("ice", 0.975)])
@pytest.mark.parametrize("name", ["round", "sawn", "elliptical"])
def test_small_pictures(name, kind, least):
    """96 pixels across: a pixel of the radius is 5 % of the area."""
    X, specimen = scan(kind, name, n=96, n_slices=9, seed=1)
    assert overlap(core_mask(X), specimen) >= least


@pytest.mark.parametrize("seed", [1, 2])
def test_a_fragment_in_a_wide_gap_of_snow(seed):
    """It holds up the hull of the ice where there is no other grain, and is as bright as ice."""
    X, specimen = scan("snow", "elliptical", n=192, seed=seed)
    assert overlap(core_mask(with_crumb(X, specimen, 2.5)), specimen) >= 0.98


def with_rubble(X, specimen, n_pieces, random):
    """The scan with round pieces of ice all around, a few slices high, two pixels off at least."""
    n = X.shape[1]
    places = np.indices(X.shape) - np.array([0, (n - 1) / 2, (n - 1) / 2]).reshape(3, 1, 1, 1)
    away = ndimage.distance_transform_edt(~specimen[0])
    X = X.copy()
    for _ in range(n_pieces):
        turn, radius = random.uniform(0, 2 * np.pi), random.uniform(0.012, 0.02) * n
        middle = (
            random.uniform(0, len(X)),
            *(CASING * n * 0.96 * np.array([np.sin(turn), np.cos(turn)])),
        )
        z, y, x = (place - at for place, at in zip(places, middle, strict=True))
        piece = (np.hypot(y, x) / radius) ** 2 + (z / random.uniform(2, 8)) ** 2 < 1
        X[piece & (away > 2) & (np.hypot(places[1], places[2]) < CASING * n - 2)] = 115
    return X


@pytest.mark.parametrize(("kind", "least"), [("firn", 0.98), ("ice", 0.98)])
@pytest.mark.parametrize("seed", [1, 2])
def test_thirty_fragments_in_the_gap(kind, least, seed):
    """They hold each other up, and those of thirteen slices lie side by side."""
    random = np.random.default_rng(seed)
    X, specimen = scan(kind, "elliptical", n_slices=9, seed=seed)
    assert overlap(core_mask(with_rubble(X, specimen, 30, random)), specimen) >= least


@pytest.mark.parametrize("seed", [1, 2])
def test_a_crumb_in_the_mouth_of_a_break(seed):
    """It parts the break in two, which must not pass for pores where there are few others."""
    X, specimen = scan("ice", "chipped", n_slices=9, seed=seed)
    assert overlap(core_mask(with_crumb(X, specimen, 2.5)), specimen) >= 0.98


@pytest.mark.parametrize("kind", ["snow", "firn"])
@pytest.mark.parametrize("name", ["half", "elliptical", "chipped"])
def test_large_slices_need_few_neighbours(monkeypatch, name, kind):
    """They show many grains along their rims, which tell fragments too."""
    monkeypatch.setattr(_steady, "LARGE", 2**18)
    X, specimen = scan(kind, name, n=512, n_slices=5, noise=3.0, seed=1)
    masks = core_mask(with_crumb(X, specimen, 7))
    assert min(map(overlap, masks, specimen)) >= 0.98


@pytest.mark.parametrize(("kind", "least"), [("snow", 0.985), ("ice", 0.992)])
def test_a_core_that_the_picture_cuts_off(kind, least):
    """What is beyond the picture is not made up from what is at its edge."""
    X, specimen = scan(kind, "round", n=192, casing=0, seed=2)
    assert overlap(core_mask(X[:, 30:]), specimen[:, 30:]) >= least


@pytest.mark.parametrize(("kind", "least"), [("snow", 0.98), ("ice", 0.99)])
def test_a_leaning_core(kind, least):
    """By half a pixel per slice, as at 27 degrees; each slice has its own outline."""
    X, specimen = (
        np.stack([np.roll(part, round(0.5 * z), axis=1) for z, part in enumerate(stack)])
        for stack in scan(kind, "round", n=192, n_slices=9, casing=0, seed=2)
    )
    masks = core_mask(X)
    assert min(map(overlap, masks[[0, 4, 8]], specimen[[0, 4, 8]])) >= least


@pytest.mark.parametrize("casing", [0, 190])
def test_snow_of_little_ice(casing):
    """12 % of ice, fewer bright voxels than the casing has."""
    X, specimen = scan("light snow", "elliptical", casing=casing)
    assert overlap(core_mask(X), specimen) >= 0.96


@pytest.mark.parametrize("kind", ["snow", "ice"])
def test_large_pictures(kind):
    X, specimen = scan(kind, "sawn", n=1100, n_slices=1)
    assert overlap(core_mask(X), specimen) >= 0.985


@pytest.mark.parametrize("kind", ["snow", "ice"])
def test_drift_and_artefacts(kind):
    """Brightness falls by a third along z; one slice has a saturated bar across the edge."""
    X, specimen = scan(kind, "round", n_slices=9)
    X = X * np.linspace(1.15, 0.85, 9)[:, np.newaxis, np.newaxis]
    X[4, 125:131, 20:120] = 255
    mask = core_mask(np.clip(X, 0, 255).astype(np.uint8))
    assert min(map(overlap, mask, specimen)) >= 0.98


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_high_resolution_phantoms(kind):
    core = make_ice_core(kind, n_slices=4, n_columns=96, random_state=3)
    mask = core_mask(core.high)
    assert overlap(mask, core.mask_high) >= (0.975 if kind == "snow" else 0.985)


def test_noise_does_not_move_the_outline():
    """Twice the usual noise, and far more: a pixel at most."""
    areas = []
    for noise in (5.0, 18.0, 27.0):
        X, _ = scan("firn", "round", noise=noise)
        areas.append(CoreMasker().fit(X).report(X)["radius"].mean())
    assert np.ptp(areas) < 1


@pytest.mark.parametrize("shape", [(40, 320), (320, 40), (20, 200)])
def test_flat_pictures_are_filled(shape):
    """A crop out of a specimen: its long sides are straight, and far from the nearest corner."""
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=shape), 2.5)
    grey = np.where(field < np.quantile(field, 0.6), 115, 22) + rng.normal(0, 9, shape)
    assert core_mask(grey[np.newaxis].clip(0, 255).astype(np.uint8)).mean() > 0.95


@pytest.mark.parametrize("casing", [115, 0])
@pytest.mark.parametrize(("kind", "noise"), [("snow", 11), ("snow", 20), ("firn", 20), ("ice", 20)])
def test_black_beyond_the_field_of_view_does_not_stand_for_air(kind, noise, casing):
    X, specimen = scan(kind, "round", noise=noise, casing=casing, seed=6)
    rows, columns = np.mgrid[:256, :256] - 127.5
    X = np.where(np.hypot(rows, columns) < 0.497 * 256, X, np.uint8(0))
    masker = CoreMasker().fit(X)
    assert masker.air_ == pytest.approx(24, abs=6)
    assert overlap(core_mask(X), specimen) >= 0.98


@pytest.mark.parametrize("kind", ["snow", "firn", "ice"])
def test_a_grey_casing_in_noise_is_found(kind):
    """Its darkest pixels are less than half as bright as those of the ice further in."""
    X, specimen = scan(kind, "round", noise=24, casing=78, seed=2)
    assert overlap(core_mask(X), specimen) >= 0.98


@pytest.mark.parametrize(("name", "noise"), [("round", 24), ("half", 20), ("half", 24)])
def test_noise_does_not_hide_that_snow_has_two_levels(name, noise):
    """A lone core of snow, noise a quarter of the contrast: grey values have one peak only."""
    X, specimen = scan("snow", name, noise=noise, casing=0, seed=1)
    assert overlap(core_mask(X), specimen) >= 0.96


@pytest.mark.parametrize("shade", ["ramp", "cupping", "rings"])
def test_shading_of_solid_ice_does_not_feign_two_levels(shade):
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    distance = np.hypot(rows, columns)
    light = {"ramp": 9 * rows, "cupping": 12 * distance**2, "rings": 6 * np.sin(60 * distance)}
    X = 115 + light[shade] + np.random.default_rng(0).normal(0, 9, (4, 128, 128))
    with pytest.warns(UserWarning, match="one grey level"):
        CoreMasker().fit(np.rint(X).astype(np.uint8))


def test_a_drawing_has_its_air_beyond_it():
    """Without noise all that is outside has one value, as beyond a field of view."""
    X, specimen = scan("ice", "round", noise=0, casing=0)
    masker = CoreMasker().fit(X)
    assert (masker.air_, masker.ice_) == (22, 115)
    assert overlap(masker.transform(X) > 0, specimen) >= 0.98


@pytest.mark.parametrize(("kind", "least"), [("snow", 0.99), ("firn", 0.993), ("ice", 0.993)])
def test_the_outside_of_a_masked_scan_is_not_beyond_the_view(kind, least):
    """The zeros that it was masked with stand for air, as nothing else may."""
    core = make_ice_core(kind, n_slices=8, n_columns=128, random_state=0)
    X = np.where(core.mask_low, np.maximum(core.low, 1), 0)
    masker = CoreMasker(outside=0).fit(X)
    assert masker.air_ == 0
    assert overlap(masker.transform(X) > 0, core.mask_low) >= least
