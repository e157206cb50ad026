"""Tiles that hold a specimen, against masks of any shape."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from icecoreseg.labeling import _cover
from icecoreseg.labeling._cover import SLACK, cover


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(_cover, "TILE", (8, 40))
    monkeypatch.setattr(_cover, "NARROWEST", 4)


def blob(seed, share, shape=(30, 90)):
    field = gaussian_filter(np.random.default_rng(seed).random(shape), 6, mode="wrap")
    return field <= np.quantile(field, share)


def tiles(planes, outside):
    """Rows and columns of all tiles; those of a strip lie next to each other."""
    for rows, runs in cover(planes, outside):
        assert all(left.stop == right.start for left, right in pairwise(runs))
        yield from ((rows, columns) for columns in runs)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), outside=st.sampled_from([0, 255, np.nan]))
def test_every_inside_voxel_is_in_one_tile(seed, share, outside):
    inside = blob(seed, share)
    plane = np.where(inside, 7, outside).astype(float if np.isnan(outside) else np.uint8)
    seen = np.zeros(inside.shape, dtype=int)
    for tile in tiles([plane], outside):
        seen[tile] += 1
        assert all(n <= most for n, most in zip(seen[tile].shape, (8, 40), strict=True))
    assert seen.max(initial=0) <= 1
    assert (seen[inside] == 1).all()


def test_tiles_between_the_rims_of_all_planes_hold_nothing_outside():
    columns = np.arange(120)
    planes = [np.tile((columns >= 10 + 5 * z) & (columns < 100), (16, 1)) for z in range(3)]
    found = [columns for _, columns in tiles([plane.astype(np.uint8) for plane in planes], 0)]
    whole = [columns for columns in found if all(plane[:, columns].all() for plane in planes)]
    assert min(c.start for c in whole) == 20 + SLACK
    assert found[0].start == 10
    assert found[-1].stop == 100


def test_an_empty_slice_has_no_tiles():
    assert list(cover([np.zeros((20, 20), np.uint8)], 0)) == []
