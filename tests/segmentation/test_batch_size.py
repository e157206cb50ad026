"""Patches per step: chosen by the kind of device, and written down."""

import pytest
import torch

from icecoreseg import UNetSegmenter
from icecoreseg.segmentation._parameters import batch_size
from tests.segmentation.conftest import tiny_unet
from tests.segmentation.test_unet import weights


@pytest.mark.parametrize(("patch_size", "expected"), [(64, 256), (128, 64), (512, 4), (2048, 1)])
def test_a_step_on_cuda_has_as_many_pixels_whatever_the_patches(patch_size, expected):
    parameters = {"batch_size": "auto", "patch_size": patch_size}
    assert batch_size(parameters, torch.device("cuda")) == expected
    assert batch_size(parameters, torch.device("cpu")) == 4
    assert batch_size(parameters | {"batch_size": 7}, torch.device("cuda")) == 7


def test_the_number_is_kept_in_files(core, tmp_path):
    path = tmp_path / "model.safetensors"
    for asked, chosen in (("auto", 4), (3, 3)):
        model = tiny_unet(batch_size=asked, batches_per_epoch=2).fit(*core)
        model.save(path)
        assert model.batch_size_ == UNetSegmenter.load(path).batch_size_ == chosen
        assert UNetSegmenter.load(path).batch_size == asked


def test_a_checkpoint_knows_the_number_not_the_wish(core, tmp_path):
    options = {"checkpoint": tmp_path / "run.safetensors", "batches_per_epoch": 2}
    first = tiny_unet(**options).fit(*core)
    again = tiny_unet(batch_size=4, **options).fit(*core)
    assert torch.equal(weights(again), weights(first))
    with pytest.raises(ValueError, match=r"batch_size differ \(batch_size was 4, now 64\)"):
        tiny_unet(batch_size=64, **options).fit(*core)


@pytest.mark.parametrize("bad", ["large", 0, 2.5, None])
def test_bad_sizes_are_refused(core, bad):
    with pytest.raises(ValueError, match='batch_size, unless "auto", must be an integer'):
        tiny_unet(batch_size=bad).fit(*core)
