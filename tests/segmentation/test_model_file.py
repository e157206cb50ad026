"""Model files: what was saved comes back; what is not ours is refused, and runs nothing."""

import copy
import json
import pickle
import struct

import numpy as np
import pytest
import torch

from icecoreseg import UNetSegmenter
from icecoreseg.segmentation._model_file import read_model
from icecoreseg.segmentation._network import UNet, initialise
from tests.segmentation.conftest import tiny_unet
from tests.segmentation.reference_network import plain_logits


def test_save_and_load(fitted, core, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    again = UNetSegmenter.load(path)
    np.testing.assert_array_equal(again.predict_fraction(core[0]), fitted.predict_fraction(core[0]))
    assert again.get_params() == fitted.get_params()
    assert again.history_ == fitted.history_
    assert again.grey_scale_ == fitted.grey_scale_
    assert list(tmp_path.iterdir()) == [path]  # no partial file is left


def test_a_model_of_a_gpu_loads_where_there_is_none(fitted, core, tmp_path):
    """Device and checkpoint belong to the machine of the training; folders are made."""
    path = tmp_path / "new" / "folder" / "model.safetensors"
    model = copy.copy(fitted).set_params(device="cuda:7", checkpoint="gone.safetensors")
    model.save(path)
    again = UNetSegmenter.load(path)
    assert (again.device, again.checkpoint) == ("auto", None)
    np.testing.assert_array_equal(again.predict(core[0]), fitted.predict(core[0]))


def test_card_can_be_read_without_us(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    card = json.loads(header["__metadata__"]["card"])
    assert card["parameters"]["widths"] == [4, 6]
    assert set(card["versions"]) == {"icecoreseg", "torch", "python"}


def test_card_tells_data_scores_and_voxel_size(core, tmp_path):
    """What a stranger asks of a model; the voxel size stays with it when it is saved again."""
    path = tmp_path / "model.safetensors"
    model = tiny_unet(batches_per_epoch=2).fit(*core, validation_data=core)
    model.save(path, voxel_size_um=60)
    UNetSegmenter.load(path).save(path)
    _, card = read_model(path, kind="UNetSegmenter", version=1)
    assert card["voxel_size_um"] == [60, 60, 60]
    assert card["history"][0]["valid_dice_ice"] == model.history_[0]["valid_dice_ice"]
    valid = core[1][core[0] != 0]
    (data,) = card["training_data"]
    assert (data["shapes"], data["n_valid_voxels"]) == ([[6, 48, 40]], valid.size)
    assert data["ice_share"] == pytest.approx(valid.mean())
    with pytest.raises(ValueError, match="voxel_size_um must be one positive number"):
        model.save(path, voxel_size_um=-1)


def change_header(path, **changes):
    """Rewrite entries of the header's metadata."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + n])
    header["__metadata__"] |= changes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + n :])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "99"}, "Install a newer icecoreseg"),
        ({"format": "other"}, "is not a file of icecoreseg's UNetSegmenter"),
        ({"kind": "training checkpoint"}, "'training checkpoint'"),
        ({"card": "{"}, "damaged"),
        ({"card": "{}"}, "damaged card"),
        ({"card": '{"parameters": {"colour": 3}}'}, "damaged card"),
    ],
)
def test_foreign_and_newer_files(fitted, tmp_path, changes, message):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    change_header(path, **changes)
    with pytest.raises(ValueError, match=message):
        UNetSegmenter.load(path)


def test_truncated_file(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        UNetSegmenter.load(path)


def test_weights_of_another_network(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    _, card = read_model(path, kind="UNetSegmenter", version=1)
    card["parameters"]["widths"] = [4, 8]
    change_header(path, card=json.dumps(card))
    with pytest.raises(ValueError, match="does not hold this network"):
        UNetSegmenter.load(path)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a model file ran code",)


def test_pickle_is_never_run(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="damaged or no safetensors"):
        UNetSegmenter.load(path)


def test_missing_file_and_unfitted_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="No model file"):
        UNetSegmenter.load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="not fitted"):
        UNetSegmenter().save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_old_file_survives_a_failed_save(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        fitted.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def published(path, seed=0, **extra):
    """Checkpoint in the manner of the published code; return its weights."""
    network = initialise(UNet(architecture="bagherzadeh2023"), seed=seed)
    weights = network.state_dict()
    torch.save({"state_dict": weights, "optimizer": {"lr": 1e-4}} | extra, path)
    return weights


def test_published_weights(tmp_path):
    """Imported weights predict what the published network does on values in [0, 1]."""
    weights = published(tmp_path / "checkpoint.pth")
    model = UNetSegmenter.from_published_weights(tmp_path / "checkpoint.pth", outside=0)
    X = np.random.default_rng(0).integers(1, 256, (1, 64, 64)).astype(np.uint8)
    x = torch.from_numpy(X[:, np.newaxis] / np.float32(255))
    expected = torch.sigmoid(plain_logits(weights, x, published=True))[:, 0].numpy()
    np.testing.assert_allclose(model.predict_fraction(X), expected, atol=1e-5)


def test_published_weights_refuse_code_and_other_networks(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": Bomb()}, path)
    with pytest.raises(ValueError, match="weights alone"):
        UNetSegmenter.from_published_weights(path)
    torch.save({"conv1.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="does not hold this network"):
        UNetSegmenter.from_published_weights(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="no state dict"):
        UNetSegmenter.from_published_weights(path)
    with pytest.raises(FileNotFoundError):
        UNetSegmenter.from_published_weights(tmp_path / "none.pth")


def test_parameters_that_json_does_not_know(core, tmp_path):
    """Paths, torch devices, numpy numbers and generators do not keep a model from being saved."""
    path = tmp_path / "model.safetensors"
    model = tiny_unet(
        device=torch.device("cpu"),
        threshold=np.float32(0.5),
        random_state=np.random.RandomState(0),
        checkpoint=tmp_path / "run.safetensors",
        batches_per_epoch=2,
    ).fit(*core)
    model.save(path)
    again = UNetSegmenter.load(path)
    assert (again.device, again.threshold, again.random_state) == ("cpu", 0.5, None)
    np.testing.assert_array_equal(again.predict(core[0]), model.predict(core[0]))
