"""The light architecture: as many parameters, a sixth of the operations, and all else works."""

import copy

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from icecoreseg import UNetSegmenter
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._tiling import slice_logits
from tests.segmentation.conftest import make_core
from tests.segmentation.test_checkpoint import Killed, kill, stop_after, weights
from tests.segmentation.test_onnx import windows


def light(**options):
    defaults = {"max_epochs": 2, "batches_per_epoch": 3, "patch_size": 64, "batch_size": 2}
    return UNetSegmenter(architecture="light", outside=0, random_state=0, **(defaults | options))


@pytest.fixture(scope="module")
def fitted():
    return light().fit(*make_core(seed=0))


def operations(network):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 256, 256))
    return counter.get_total_flops()


def test_as_many_parameters_and_a_sixth_of_the_operations():
    paper, small = UNet(), UNet(architecture="light")
    n_parameters = [sum(p.numel() for p in network.parameters()) for network in (paper, small)]
    assert n_parameters[1] == pytest.approx(n_parameters[0], rel=0.01)
    assert operations(small) < operations(paper) / 6


def test_tiles_and_strips_equal_the_plain_network():
    network = initialise(UNet(architecture="light"), seed=3).eval()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((832, 128), dtype=np.float32))
    tiled = slice_logits(network, x[None, None], tile_size=320)[0]
    network.folded = False
    with torch.inference_mode():
        plain = network(x[None, None])[0, 0]
    torch.testing.assert_close(tiled, plain, rtol=0, atol=2e-5)
    assert plain.abs().max() > 0.5  # not equal because nothing is there


def test_save_and_load(fitted, tmp_path):
    X, _ = make_core(seed=1)
    fitted.save(tmp_path / "model.safetensors")
    again = UNetSegmenter.load(tmp_path / "model.safetensors")
    assert (again.architecture, again.widths) == ("light", None)
    np.testing.assert_array_equal(again.predict_fraction(X), fitted.predict_fraction(X))


def test_onnx(fitted, tmp_path):
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    fitted.export_onnx(tmp_path / "model.onnx")
    session = reference.ReferenceEvaluator(str(tmp_path / "model.onnx"))
    X, _ = make_core(seed=1, shape=(1, 64, 64))
    (fraction,) = session.run(None, {"grey": windows(X, 0)})
    np.testing.assert_allclose(fraction[:, 0], fitted.predict_fraction(X), atol=1e-5)


def test_a_killed_training_goes_on(fitted, tmp_path, monkeypatch):
    path, core = tmp_path / "run.safetensors", make_core(seed=0)
    with monkeypatch.context() as patch:
        stop_after(patch, 4, end=kill)
        with pytest.raises(Killed):
            light(checkpoint=path).fit(*core)
    assert torch.equal(weights(light(checkpoint=path).fit(*core)), weights(fitted))


def test_another_network_is_not_trained_further(fitted):
    other = copy.copy(fitted).set_params(architecture="unet")
    with pytest.raises(ValueError, match="architecture='light'; it cannot"):
        other.partial_fit(*make_core(seed=1))
