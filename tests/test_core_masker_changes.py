"""CoreMasker on drawn cores whose shape changes along z: tapered, broken aslant, ending.

Neighbouring slices then show another outline each, and help only as far as it is known how
they differ.
"""

import numpy as np
import pytest
from scipy import ndimage

from icecoreseg import CoreMasker
from icecoreseg.preprocessing import core_mask
from icecoreseg.preprocessing._steady import alike_slices

N, N_SLICES = 192, 12
RADIUS = 0.38 * N
KINDS = {"snow": (0.3, 2.0), "firn": (0.79, 3.0), "ice": (0.96, 2.0)}


def specimen(name):
    """Bool array (N_SLICES, N, N): what the core was cut to."""
    z, rows, columns = np.mgrid[:N_SLICES, :N, :N].astype(np.float32)
    down, right = rows - (N - 1) / 2, columns - (N - 1) / 2
    along = 0.8 * right + 0.6 * down
    disc = np.hypot(down, right) < RADIUS
    if name == "tapered":  # by 45 degrees
        return np.hypot(down, right) < RADIUS - z
    if name == "tapered after a while":
        return np.hypot(down, right) < RADIUS - np.maximum(z - 5, 0)
    if name == "aslant":  # broken at 45 degrees
        return disc & (along < 0.5 * RADIUS - z)
    if name == "steep":
        return disc & (along < 0.5 * RADIUS - 2 * z)
    if name == "ending":  # broken nearly flat, within a third of its slices
        return disc & (along < RADIUS * (1 - 0.4 * np.maximum(z - 7, 0)))
    return disc


def scan(kind, name, seed):
    """uint8 scan, and the shape of its specimen."""
    random, shape = np.random.default_rng(seed), specimen(name)
    fraction, grain = KINDS[kind]
    noise = random.standard_normal(shape.shape, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, grain, mode="wrap")
    grey = 22 + 93.0 * (shape & (field < np.quantile(field, fraction)))
    middle = (N - 1) / 2
    away = np.hypot(*(np.mgrid[:N, :N] - middle))
    grey[:, (away > 0.43 * N) & (away < 0.46 * N)] = 190
    grey = ndimage.gaussian_filter(grey, (0, 0.8, 0.8)) + random.normal(0, 9, grey.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), shape


def overlaps(mask, shape):
    """IoU of each slice, and of all."""
    both, either = (mask & shape).sum(axis=(1, 2)), (mask | shape).sum(axis=(1, 2))
    return both / either, both.sum() / either.sum()


@pytest.mark.parametrize(("kind", "least"), [("snow", 0.975), ("firn", 0.985), ("ice", 0.99)])
@pytest.mark.parametrize("name", ["tapered", "tapered after a while", "aslant", "steep"])
def test_a_steady_change_is_followed(name, kind, least):
    """A pixel or two per slice; each slice has its own outline."""
    X, shape = scan(kind, name, seed=5)
    each, together = overlaps(core_mask(X), shape)
    assert together >= least
    assert each.min() >= least - 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_core_that_ends_keeps_its_last_slices(kind):
    """They get smaller and smaller: each departs from all of its neighbours, and is right."""
    X, shape = scan(kind, "ending", seed=5)
    masker = CoreMasker().fit(X)
    with pytest.warns(UserWarning, match=r"changes abruptly at slices \[(8, )?9, 10, 11\]"):
        each, _ = overlaps(~np.isnan(masker.transform(X)), shape)
    assert each.min() >= 0.85
    assert not masker.report(X)["borrowed"].any()


@pytest.mark.parametrize("name", ["tapered", "aslant"])
def test_a_fault_of_one_slice_is_replaced_where_the_core_tapers(name):
    X, shape = scan("firn", name, seed=5)
    X[6, : N // 2] = np.minimum(X[6, : N // 2], 30)
    masker = CoreMasker().fit(X)
    with pytest.warns(UserWarning, match=r"slices \[6\] departs"):
        each, _ = overlaps(~np.isnan(masker.transform(X)), shape)
    assert each.min() >= 0.97


def test_who_is_outvoted():
    """A slice between two that agree; none of a row that shrinks, nor the last."""
    outlines = np.full((10, 258), 60.0)
    outlines[2, 2:] = 50
    outlines[6:, 2:] = 60 - 9.0 * np.array([1, 3, 4, 6])[:, np.newaxis]
    _, borrowed, changed = alike_slices(outlines)
    assert borrowed.nonzero()[0].tolist() == [2]
    assert changed.nonzero()[0].tolist() == [6, 7, 8, 9]
