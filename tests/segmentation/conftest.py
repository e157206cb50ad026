"""A tiny core and a tiny network: enough to learn that bright is ice, in a second."""

import numpy as np
import pytest

from icecoreseg import OUTSIDE, UNetSegmenter


@pytest.fixture(scope="session")
def core():
    """Grey stack (uint8, 0 outside), labels (OUTSIDE in the corners)."""
    return make_core(seed=0)


def make_core(seed, shape=(6, 48, 40)):
    rng = np.random.default_rng(seed)
    n_slices, n_rows, n_columns = shape
    ice = rng.random((n_slices, n_rows // 4, n_columns // 4)) < 0.6
    y = ice.repeat(4, 1).repeat(4, 2).astype(np.uint8)
    X = np.clip(60 + 80 * y + rng.normal(0, 15, shape), 1, 255).astype(np.uint8)
    rows, columns = np.ogrid[:n_rows, :n_columns]
    corner = (rows - n_rows / 2) ** 2 + (columns - n_columns / 2) ** 2 > (n_rows / 2) ** 2
    X[:, corner], y[:, corner] = 0, OUTSIDE
    return X, y


def tiny_unet(**options):
    defaults = {
        "device": "cpu",  # the same numbers everywhere; see test_cuda for the others
        "widths": (4, 6),
        "max_epochs": 1,
        "patch_size": 32,
        "batches_per_epoch": 50,
        "learning_rate": 0.02,
        "random_state": 0,
        "outside": 0,
    }
    return UNetSegmenter(**(defaults | options))


@pytest.fixture(scope="session")
def fitted(core):
    return tiny_unet().fit(*core)
