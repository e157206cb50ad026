"""Training goes on with new cores, from the weights and the grey scale of the old ones."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from icecoreseg import OUTSIDE, UNetSegmenter
from icecoreseg.metrics import dice_score
from tests.segmentation.conftest import make_core, tiny_unet


def weights(model):
    return torch.cat([p.flatten() for p in model.module_.parameters()])


@pytest.fixture
def begun(core):
    return tiny_unet(batches_per_epoch=10).partial_fit(*core)


def test_first_call_is_fit(core, begun):
    assert torch.equal(weights(begun), weights(clone(begun).fit(*core)))


def test_goes_on_and_learns(core, begun):
    """The loss on a core that was never trained on falls; the grey scale is the first one."""
    other, unseen = make_core(seed=3), make_core(seed=9)
    before, grey, first = begun.score(*unseen), begun.grey_scale_, weights(begun).clone()
    loss = begun.history_[-1]["train_loss"]
    brighter = other[0] + np.where(other[0] == 0, 0, 5).astype(np.uint8)
    assert begun.partial_fit(brighter, other[1]) is begun
    assert begun.grey_scale_ == grey
    assert not torch.equal(weights(begun), first)
    assert begun.history_[-1]["train_loss"] < loss
    assert begun.score(*unseen) > before


def test_is_fit_with_warm_start(core, begun):
    other = make_core(seed=3)
    warm = clone(begun).set_params(warm_start=True).fit(*core).fit(*other)
    assert torch.equal(weights(begun.partial_fit(*other)), weights(warm))


def test_fit_starts_anew(core, begun):
    first = weights(begun).clone()
    assert torch.equal(weights(begun.partial_fit(*make_core(seed=3)).fit(*core)), first)
    assert len(begun.training_data_) == 1


def test_validation_keeps_the_best_epoch(begun):
    begun.set_params(max_epochs=2)
    begun.partial_fit(*make_core(seed=3), validation_data=make_core(seed=5))
    assert "valid_loss" in begun.history_[-1]
    assert [row["epoch"] for row in begun.history_] == [1, 2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"context_slices": 1}, "context_slices=0; it cannot be trained further"),
        ({"architecture": "bagherzadeh2023"}, "architecture='unet'; it cannot"),
        ({"widths": (4, 8)}, r"widths=\(4, 6\); it cannot be trained further"),
    ],
)
def test_another_network_is_refused(core, begun, changed, message):
    with pytest.raises(ValueError, match=message):
        begun.set_params(**changed).partial_fit(*core)
    assert begun.training_data_[0]["shapes"] == [[6, 48, 40]]


def test_one_class_is_refused_and_nothing_is_lost(core, begun):
    before = weights(begun).clone()
    with pytest.raises(ValueError, match="are ICE; training needs both"):
        begun.partial_fit(core[0], np.where(core[1] == 0, 255, core[1]))
    assert torch.equal(weights(begun), before)


def test_outside_of_the_new_core_counts(core, begun):
    """The declared value may change between calls; the old one is a grey value then."""
    X, y = make_core(seed=3)
    moved = np.where(X == 0, 255, X)
    begun.set_params(outside=255).partial_fit(moved, y)
    assert begun.grey_scale_.outside == 255
    labels = begun.predict(moved)
    np.testing.assert_array_equal(labels == OUTSIDE, X == 0)
    assert dice_score(y, labels) > 0.8


def test_loaded_models_go_on(core, begun, tmp_path):
    begun.save(tmp_path / "model.safetensors")
    again = UNetSegmenter.load(tmp_path / "model.safetensors")
    other = make_core(seed=3)
    again.partial_fit(*other)
    assert torch.equal(weights(again), weights(begun.partial_fit(*other)))
    assert again.training_data_ == begun.training_data_
    assert len(again.training_data_) == 2


def test_checkpoint_of_the_first_call_is_not_taken_for_the_second(core, tmp_path):
    """Same data, same parameters, other starting weights: another training."""
    model = tiny_unet(batches_per_epoch=5, checkpoint=tmp_path / "one.safetensors")
    first = weights(model.partial_fit(*core)).clone()
    with pytest.raises(ValueError, match="another training: first weights differ"):
        model.partial_fit(*core)
    assert torch.equal(weights(model), first)
    model.set_params(checkpoint=tmp_path / "two.safetensors").partial_fit(*core)
    second = weights(model).clone()
    model.module_ = (
        clone(model).set_params(checkpoint=tmp_path / "one.safetensors").fit(*core).module_
    )
    assert torch.equal(weights(model), first)
    assert torch.equal(weights(model.partial_fit(*core)), second)  # resumed: finished already
