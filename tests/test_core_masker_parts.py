"""The parts of CoreMasker: reduced slices, closed paths, masks, and outlines that stay steady."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from icecoreseg.datasets import make_ice_core
from icecoreseg.preprocessing import core_mask
from icecoreseg.preprocessing._cut import mask_within
from icecoreseg.preprocessing._fan import ANGLES, closed_path
from icecoreseg.preprocessing._reduce import block_mean
from icecoreseg.preprocessing._steady import steady


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(5, 40), st.integers(5, 40))
def test_block_mean_is_the_mean_of_blocks(factor, n_rows, n_columns):
    pixels = np.random.default_rng(n_rows).integers(0, 256, (n_rows, n_columns), dtype=np.uint8)
    whole = pixels[: n_rows // factor * factor, : n_columns // factor * factor]
    expected = whole.reshape(n_rows // factor, factor, -1, factor).mean(axis=(1, 3))
    for dtype in (np.uint8, np.uint16, np.float32):
        assert block_mean(pixels.astype(dtype), factor) == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=15)
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


def test_steady_outvotes_two_of_five():
    outlines = np.full((7, 6), 30.0)
    outlines[2:4, 2:] = 20
    outlines[6] = np.nan
    combined, borrowed, changed = steady(outlines)
    assert borrowed.nonzero()[0].tolist() == [2, 3]
    assert np.nanmin(combined) == 30
    assert np.isnan(combined[6]).all()
    assert not changed.any()


def test_steady_knows_a_line_about_another_centre():
    """The same circle, seen from a centre six pixels off, is no change."""
    outlines = np.full((5, 2 + ANGLES.size), 30.0)
    outlines[2, 0] += 6
    outlines[2, 2:] = np.sqrt(900 - (6 * np.cos(ANGLES)) ** 2) - 6 * np.sin(ANGLES)
    assert not np.any(steady(outlines)[1:])
    outlines[2, 2:] = 30
    assert steady(outlines)[1].nonzero()[0].tolist() == [2]


@pytest.mark.parametrize("kind", ["snow", "firn"])
def test_clean_cylinders_raise_no_alarm(kind):
    """The rim of firn is no casing; a moved centre of the same line is no jump. (No warning.)"""
    core = make_ice_core(kind, n_slices=12, n_columns=96, random_state=0, casing=False)
    mask = core_mask(core.low)
    assert (mask & core.mask_low).sum() > 0.97 * (mask | core.mask_low).sum()
