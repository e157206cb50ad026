"""The parts of CoreMasker: reduced slices, closed paths, masks, and outlines that stay steady."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from skimage.draw import polygon2mask

from icecoreseg.datasets import make_ice_core
from icecoreseg.preprocessing import CoreMasker, _steady, core_mask
from icecoreseg.preprocessing._ball import roll_ball
from icecoreseg.preprocessing._cut import mask_within
from icecoreseg.preprocessing._fan import ANGLES, closed_path
from icecoreseg.preprocessing._fragments import without_fragments
from icecoreseg.preprocessing._hull import round_out
from icecoreseg.preprocessing._lean import moves, supports
from icecoreseg.preprocessing._polar import bilinear_matrix, places, polar
from icecoreseg.preprocessing._reduce import block_mean
from icecoreseg.preprocessing._steady import alike_slices
from icecoreseg.preprocessing._view import pack, pool


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(5, 40), st.integers(5, 40))
def test_block_mean_is_the_mean_of_blocks(factor, n_rows, n_columns):
    pixels = np.random.default_rng(n_rows).integers(0, 256, (n_rows, n_columns), dtype=np.uint8)
    whole = pixels[: n_rows // factor * factor, : n_columns // factor * factor]
    expected = whole.reshape(n_rows // factor, factor, -1, factor).mean(axis=(1, 3))
    for dtype in (np.uint8, np.uint16, np.float32):
        assert block_mean(pixels.astype(dtype), factor) == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=40)
@example(143477, 0.125, 4)
@given(st.integers(0, 10**6), st.floats(0, 3), st.integers(2, 4))
def test_closed_path_beats_every_other(seed, stiffness, n_rows):
    """Against trying all closed paths of a small table."""
    gain = np.random.default_rng(seed).random((n_rows, 4))
    every = np.stack(np.meshgrid(*[range(4)] * n_rows), -1).reshape(-1, n_rows)
    bend = np.abs(np.diff(np.hstack([every, every[:, :1]]), axis=1)).sum(axis=1)
    sums = gain[np.arange(n_rows), every].sum(axis=1) - stiffness * bend
    path = closed_path(gain, stiffness)
    found = gain[np.arange(n_rows), path].sum()
    found -= stiffness * np.abs(np.diff(np.append(path, path[0]))).sum()
    assert found == pytest.approx(sums.max())


@settings(deadline=None, max_examples=25)
@given(st.floats(-5, 45), st.floats(-5, 45), st.floats(2, 40), st.floats(0, 0.3), st.integers(1, 5))
def test_mask_is_that_of_the_polygon(row, column, radius, ripple, waves):
    """Row runs against scikit-image's polygon, of shapes that may leave the picture."""
    radii = radius * (1 + ripple * np.cos(waves * ANGLES))
    mask = mask_within(np.concatenate([[row, column], radii]), (40, 37))
    fine = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    arms = radius * (1 + ripple * np.cos(waves * fine))
    corners = np.stack([row + arms * np.sin(fine), column + arms * np.cos(fine)], axis=1)
    assert (mask ^ polygon2mask((40, 37), corners)).sum() <= 6  # pixels on the line itself


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(-5, 35), st.floats(-5, 35))
def test_polar_is_that_of_scipy(n_rows, n_columns, row, column):
    """Both ways to look between pixels; the picture's edges and what is beyond them as well."""
    image = np.random.default_rng(n_rows).random((n_rows, n_columns), dtype=np.float32)
    radii = np.linspace(0, 40, 300)
    seen = places(row, column, radii, ANGLES)
    expected = map_coordinates(image, seen, order=1, cval=np.nan)
    assert polar(image, row, column, radii, ANGLES) == pytest.approx(expected, 1e-6, 1e-6, True)
    there, matrix = bilinear_matrix(image.shape, *seen)
    assert np.array_equal(there, np.isfinite(expected))
    assert matrix @ image.ravel() == pytest.approx(expected[there], 1e-6, 1e-6)


def test_two_of_five_slices_are_outvoted():
    outlines = np.full((7, 6), 30.0)
    outlines[2:4, 2:] = 20
    outlines[6] = np.nan
    chosen, borrowed, changed = alike_slices(outlines)
    assert borrowed.nonzero()[0].tolist() == [2, 3]
    for number in range(6):  # all are searched in slices with a radius of 30 pixels only
        company = number - 6 + chosen[number].nonzero()[0]
        assert np.all(outlines[company, 2] == 30)
        assert set(company) >= {number - 2, number - 1, number + 1, number + 2} & {0, 1, 4, 5}
    assert not chosen[6].any()
    assert not changed.any()


@pytest.mark.parametrize(("large", "n_read"), [(2**30, 7), (2**10, 3)])
def test_large_slices_wait_for_two_neighbours(monkeypatch, large, n_read):
    monkeypatch.setattr(_steady, "LARGE", large)
    disc = np.hypot(*np.mgrid[-31.5:32, -31.5:32]) < 26
    X = np.where(disc, np.uint8(110), np.uint8(20)) + np.zeros((20, 1, 1), np.uint8)
    masker, seen = CoreMasker(outside=0).fit(X), set()

    def note(slab, block_info=None):
        seen.update(range(*block_info[0]["array-location"][0]))
        return slab

    lazy = da.from_array(X, chunks=(1, -1, -1)).map_blocks(note, dtype=X.dtype, meta=X[:0])
    masker.transform(lazy)[0].compute()
    assert seen == set(range(n_read))


def test_a_line_about_another_centre_is_known():
    """The same circle, seen from a centre six pixels off, is no change."""
    outlines = np.full((5, 2 + ANGLES.size), 30.0)
    outlines[2, 0] += 6
    outlines[2, 2:] = np.sqrt(900 - (6 * np.cos(ANGLES)) ** 2) - 6 * np.sin(ANGLES)
    assert not np.any(alike_slices(outlines)[1:])
    outlines[2, 2:] = 30
    assert alike_slices(outlines)[1].nonzero()[0].tolist() == [2]


def test_pooled_slices_show_every_grain_but_not_a_fault():
    """Four slices, each with half of the pixels of a disc; one has a bar far outside it."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:80, :80] - 40
    disc = np.hypot(rows, columns) < 20
    owner = random.integers(0, 4, disc.shape)
    grains = np.stack([disc & ((owner == n) | (owner == (n + 1) % 4)) for n in range(4)])
    grains[2, 38:42, 66:78] = True
    ice, together = pool([pack(one.astype(np.float32), one) for one in grains])
    assert np.array_equal(together, disc)
    assert np.array_equal(ice > 0.5, disc)


@pytest.mark.parametrize("n_breaks", [0, 1])
def test_ball_rolls_over_pores_and_into_breaks(n_breaks):
    """A disc of radius 45 with round pores of radius 3, some at the rim, and a chip of 15."""
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[:120, :120] - 60
    grains = np.hypot(rows, columns) < 45
    for row, column in random.uniform(-45, 45, (60, 2)):
        grains &= np.hypot(rows - row, columns - column) > 3
    chip = np.hypot(rows, columns - 45) < 15 * n_breaks
    _, centre, radii, ball = roll_ball(grains & ~chip)
    whole = (np.hypot(rows, columns) < 45) & ~chip
    mask = mask_within(np.concatenate([centre, radii]), grains.shape)
    assert 3 < ball < 12
    assert (mask & whole).sum() > 0.98 * (mask | whole).sum()


def test_fragments_are_left_out_and_grains_at_the_rim_are_not():
    """Square grains, cut to a disc, and four small ones in the gap around it."""
    there = np.random.default_rng(0).random((20, 20)) < 0.8
    grains = np.kron(there, np.pad(np.ones((3, 3), dtype=bool), (0, 2)))
    grains &= np.hypot(*(np.mgrid[:100, :100] - 50)) < 33
    scan = grains.copy()
    scan[[50, 50, 8, 92], [5, 95, 50, 50]] = True
    assert np.array_equal(without_fragments(scan), grains)


def test_fragments_do_not_hold_each_other_up():
    """Two dozen crumbs in the gap around a disc, each of which hides the next; halves stay."""
    rows, columns = np.mgrid[:200, :200] - 99.5
    disc = (np.hypot(rows, columns) < 70) & (np.abs(rows - columns) > 4)  # cracked in two
    crumbs = np.zeros_like(disc)
    for turn in np.arange(24) * np.pi / 12:
        crumbs |= np.hypot(rows - 80 * np.sin(turn), columns - 80 * np.cos(turn)) < 4
    assert np.array_equal(without_fragments(disc | crumbs, solid=True), disc)


def test_a_hexagon_is_no_ellipse():
    """Each of its sides lies inside of the ellipse by more than snow would leave empty."""
    hexagon = 60 / np.cos((ANGLES + np.pi / 6) % (np.pi / 3) - np.pi / 6)
    rounded = round_out(hexagon, np.ones(ANGLES.size, dtype=bool), 0.5, 10)
    assert np.abs(rounded - hexagon).mean() < 1.6


def test_a_slope_is_seen_in_rough_outlines():
    """Each slice shows a rim of 40 pixels at a few places only, elsewhere up to 4 pixels less."""
    random = np.random.default_rng(0)
    places = np.arange(-6, 7)
    slope = np.array([0.5, -0.2])
    radii = 40 - random.uniform(0, 4, (13, 32)).repeat(8, axis=1)
    middles = 50 + places[:, np.newaxis] * slope
    upright = np.hstack([np.full((13, 2), 50.0), radii])
    leaning = np.hstack([middles, radii])
    assert not moves(supports(upright), places).any()
    assert np.abs(moves(supports(leaning), places) + middles - 50).max() <= 1


@pytest.mark.parametrize("kind", ["snow", "firn"])
def test_clean_cylinders_raise_no_alarm(kind):
    """The rim of firn is no casing; a moved centre of the same line is no jump. (No warning.)"""
    core = make_ice_core(kind, n_slices=12, n_columns=96, random_state=0, casing=False)
    mask = core_mask(core.low)
    assert (mask & core.mask_low).sum() > 0.97 * (mask | core.mask_low).sum()


def test_a_ring_of_shards_has_no_body_to_judge_fragments_by():
    rows, columns = np.mgrid[-100:100, -100:100]
    distance, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    grains = (distance > 70) & (distance < 80) & (np.sin(24 * angle) > -0.6)
    for solid in (False, True):
        assert np.array_equal(without_fragments(grains, solid=solid), grains)
