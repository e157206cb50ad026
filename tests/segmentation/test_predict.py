"""Prediction as a stream: groups of slices, formats, and a device that is too small."""

import numpy as np
import pytest
import torch

from icecoreseg.segmentation import _predict, _tiling
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._predict import fetched
from icecoreseg.segmentation._tiling import fitting_logits, slices_at_once
from tests.segmentation.conftest import make_core, tiny_unet


@pytest.fixture
def network():
    return initialise(UNet((4, 6, 8)), seed=0).eval()


@pytest.fixture
def x():
    """Seven slices of 200 x 70, with a void corner."""
    values = np.random.default_rng(0).normal(size=(7, 1, 200, 70)).astype(np.float32)
    values[:, :, :40, :30] = np.nan
    return torch.from_numpy(values)


def small_device(monkeypatch, n_pixels):
    """Let the network refuse launches of more pixels; return the sizes that it was asked for."""
    run, asked = _tiling.run, []

    def refusing(network, x):
        asked.append(x.shape[0] * x.shape[2] * x.shape[3])
        if asked[-1] > n_pixels:
            raise torch.cuda.OutOfMemoryError("too much")
        return run(network, x)

    monkeypatch.setattr(_tiling, "run", refusing)
    return asked


def test_out_of_memory_means_fewer_slices_then_smaller_tiles(network, x, monkeypatch):
    """Logits stay the same, and what was learned about the device is not forgotten."""
    monkeypatch.setattr(_tiling, "HALO", 32)
    monkeypatch.setattr(_tiling, "SMALLEST_TILE", 16)
    whole = fitting_logits(network, x, tile_size=2048)
    assert whole.shape == (7, 200, 70)
    for n_pixels in (3 * 200 * 72, 100 * 72):
        asked = small_device(monkeypatch, n_pixels)
        network = initialise(UNet((4, 6, 8)), seed=0).eval()
        found = fitting_logits(network, x, tile_size=2048)
        torch.testing.assert_close(found, whole, rtol=0, atol=1e-5, equal_nan=True)
        assert max(asked) > n_pixels
        asked.clear()
        fitting_logits(network, x, tile_size=2048)
        assert max(asked) <= n_pixels
    small_device(monkeypatch, 10)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        fitting_logits(network, x, tile_size=2048)


def test_slices_run_together_on_cuda_only(network):
    assert slices_at_once(network, (224, 224), 2048) == 1
    meta = network.to("meta")
    assert slices_at_once(meta, (224, 224), 2048) == 334
    assert slices_at_once(meta, (2048, 2048), 2048) == 4
    assert slices_at_once(meta, (4000, 4000), 2048) == slices_at_once(meta, (9000, 9000), 2048) == 1
    assert slices_at_once(meta, (4096, 4096), 8192) == 4


@pytest.mark.parametrize("context", [0, 1])
def test_groups_of_slices_are_predicted_as_single_ones(context, monkeypatch):
    X, y = make_core(0, shape=(7, 48, 40))
    model = tiny_unet(context_slices=context, batches_per_epoch=5).fit(X, y)
    alone = model.predict_fraction(X), model.predict(X), model.predict_proba(X)
    monkeypatch.setattr(_predict, "slices_at_once", lambda *_: 3)
    together = model.predict_fraction(X), model.predict(X), model.predict_proba(X)
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_number_formats_do_not_matter(fitted, core, dtype):
    """Read-only and turned stacks neither."""
    X, expected = core[0].astype(dtype), fitted.predict_fraction(core[0])
    X.setflags(write=False)
    for stack in (X, np.asfortranarray(X), X[::-1].copy()[::-1]):
        np.testing.assert_array_equal(fitted.predict_fraction(stack), expected)


def test_a_slice_is_fetched_when_the_next_is_under_way():
    handed = []
    slices = fetched(handed.append(i) or torch.tensor(i) for i in range(3))
    assert [(int(slice_), len(handed)) for slice_ in slices] == [(0, 2), (1, 3), (2, 3)]
    assert list(fetched([])) == []
