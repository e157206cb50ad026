"""Where a network predicts is chosen where the voxels are computed."""

import copy

import dask.array as da
import numpy as np
import pytest
import torch

from icecoreseg import UNetSegmenter
from icecoreseg.segmentation import _predict
from icecoreseg.segmentation._device import as_tensor, decoded, tuned_convolutions
from icecoreseg.segmentation._predict import placed_copy


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    y = (rng.random((2, 64, 64)) < 0.5).astype(np.uint8)
    return UNetSegmenter(max_epochs=1, batches_per_epoch=1, patch_size=64, random_state=0).fit(
        30 + 80 * y, y
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_client_without_a_gpu_hands_lazy_work_on(model):
    X = np.full((2, 64, 64), 40, dtype=np.uint8)
    wanting = copy.copy(model).set_params(device="cuda")
    with pytest.raises(ValueError, match="no CUDA device"):
        wanting.predict(X)
    lazy = wanting.predict(da.from_array(X))  # a worker may have one
    with pytest.raises(ValueError, match="no CUDA device"):
        lazy.compute()


def test_lazy_prediction_chooses_when_it_is_computed(model, monkeypatch):
    X = np.random.default_rng(1).integers(20, 120, (2, 64, 64), dtype=np.uint8)
    expected = model.predict(X)
    chosen = []

    def choose(device):
        chosen.append(device)
        return torch.device("cpu")

    monkeypatch.setattr(_predict, "choose_device", choose)
    lazy = model.predict(da.from_array(X, chunks=(1, -1, -1)))
    assert not chosen
    np.testing.assert_array_equal(lazy.compute(), expected)
    assert chosen == ["auto"] * 2


def test_one_copy_per_network_until_its_weights_change(monkeypatch):
    network = torch.nn.Conv2d(1, 1, 3)
    monkeypatch.setattr(_predict, "choose_device", lambda device: torch.device(device))
    assert placed_copy(network, "cpu") is network
    there = placed_copy(network, "meta")
    assert next(there.parameters()).is_meta
    assert not next(network.parameters()).is_meta
    assert placed_copy(network, "meta") is there
    with torch.no_grad():
        network.weight.mul_(2)
    assert placed_copy(network, "meta") is not there


def test_the_choice_of_algorithms_is_given_back():
    before = torch.backends.cudnn.benchmark
    with tuned_convolutions():
        assert torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.benchmark == before


def test_tensors_share_memory_where_they_can():
    """Uint16 comes back as it was; what is locked, turned or of one slice is no obstacle."""
    grey = np.random.default_rng(0).integers(0, 2**16, (3, 4, 5), dtype=np.uint16)
    grey.setflags(write=False)
    tensor = as_tensor(grey)
    assert tensor.data_ptr() == grey.ctypes.data
    for view in (grey, grey[:, ::-1], grey[2:1:-1], grey.T):
        np.testing.assert_array_equal(decoded(as_tensor(view)), view)
