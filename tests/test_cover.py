"""Tiles that hold a specimen, against masks of any shape."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from icecoreseg.labeling import _cover
from icecoreseg.labeling._cover import cover


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(_cover, "TILE", (8, 40))
    monkeypatch.setattr(_cover, "NARROWEST", 4)


def blob(seed, share, shape=(30, 90)):
    field = gaussian_filter(np.random.default_rng(seed).random(shape), 6, mode="wrap")
    return field <= np.quantile(field, share)


def tiles(planes, outside, margin=(2, 3)):
    """Rows and columns of all tiles; those of a strip lie next to each other."""
    for rows, runs in cover(planes, outside, margin):
        assert all(left.stop == right.start for (left, _), (right, _) in pairwise(runs))
        yield from ((rows, *run) for run in runs)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), outside=st.sampled_from([0, 255, np.nan]))
def test_every_inside_voxel_is_in_one_tile(seed, share, outside):
    inside = blob(seed, share)
    plane = np.where(inside, 7, outside).astype(float if np.isnan(outside) else np.uint8)
    seen = np.zeros(inside.shape, dtype=int)
    for *tile, _ in tiles([plane], outside):
        seen[tuple(tile)] += 1
        assert all(n <= most for n, most in zip(seen[tuple(tile)].shape, (8, 40), strict=True))
    assert seen.max(initial=0) <= 1
    assert (seen[inside] == 1).all()


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0.5, 1),
    outside=st.sampled_from([0, 255, np.nan]),
    margin=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_nothing_is_outside_around_whole_tiles(seed, share, outside, margin):
    inside = np.stack([blob(seed + z, share) for z in range(3)])
    inside[:, 10:] |= share > 0.7
    planes = np.where(inside, 7, outside).astype(float if np.isnan(outside) else np.uint8)
    framed = np.pad(inside, [(0, 0), *((n, n) for n in margin)])  # outside beyond the picture
    for rows, columns, whole in tiles(planes, outside, margin):
        window = (
            slice(part.start, part.stop + 2 * n)
            for part, n in zip((rows, columns), margin, strict=True)
        )
        assert framed[(slice(None), *window)].all() or not whole


def test_tiles_between_the_rims_of_all_planes_are_whole():
    columns = np.arange(120)
    planes = [np.tile((columns >= 10 + 5 * z) & (columns < 100), (32, 1)) for z in range(3)]
    found = list(tiles([plane.astype(np.uint8) for plane in planes], 0))
    whole = [(rows.start, columns.start, columns.stop) for rows, columns, whole in found if whole]
    assert whole == [(8, 23, 63), (8, 63, 97), (16, 23, 63), (16, 63, 97)]
    assert found[0][1].start == 10
    assert found[-1][1].stop == 100


def test_an_empty_slice_has_no_tiles():
    assert list(cover([np.zeros((20, 20), np.uint8)], 0, (1, 1))) == []
