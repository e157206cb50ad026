"""UNetSegmenter: learning, manners, and what it refuses."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from icecoreseg import AIR, ICE, OUTSIDE
from icecoreseg.metrics import dice_score
from icecoreseg.segmentation import _training
from tests.segmentation.conftest import make_core, tiny_unet

da = pytest.importorskip("dask.array")


def weights(model):
    return torch.cat([p.flatten() for p in model.module_.parameters()])


def test_learns_and_generalises(fitted):
    X, y = make_core(seed=9)
    assert fitted.score(X, y) > 0.97
    assert dice_score(y, fitted.predict(X), positive=AIR) > 0.95


def test_outputs_agree(fitted, core):
    X, _ = core
    labels, fraction, proba = fitted.predict(X), fitted.predict_fraction(X), fitted.predict_proba(X)
    assert (labels.dtype, fraction.dtype, proba.dtype) == (np.uint8, np.float32, np.float32)
    assert proba.shape == (6, 2, 48, 40)
    np.testing.assert_array_equal(labels == OUTSIDE, X == 0)
    np.testing.assert_array_equal(np.isnan(fraction), X == 0)
    np.testing.assert_array_equal(proba[:, 1], fraction)
    np.testing.assert_array_equal(labels == ICE, np.nan_to_num(fraction) >= 0.5)


def test_threshold_is_applied_at_prediction(fitted, core):
    X, _ = core
    strict = pickle.loads(pickle.dumps(fitted)).set_params(threshold=0.99)
    np.testing.assert_array_equal(
        strict.predict(X) == ICE, np.nan_to_num(fitted.predict_fraction(X)) >= 0.99
    )


def test_same_seed_same_weights(fitted, core):
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = clone(fitted).fit(*core)
    assert torch.equal(weights(fitted), weights(again))
    assert not torch.equal(
        weights(fitted), weights(clone(fitted).set_params(random_state=1).fit(*core))
    )
    assert torch.equal(state[0], torch.get_rng_state())
    np.testing.assert_array_equal(state[1], np.random.get_state()[1])  # noqa: NPY002


def test_lazy_training_is_the_same_training(fitted, core):
    """Chunks decide what is read when, not what is drawn."""
    X, y = (da.from_array(stack, chunks=(2, 48, 40)) for stack in core)
    lazy = clone(fitted).fit(X, y)
    assert torch.equal(weights(fitted), weights(lazy))
    labels = lazy.predict(X)
    assert isinstance(labels, da.Array)
    np.testing.assert_array_equal(labels.compute(), fitted.predict(core[0]))
    assert lazy.predict_proba(X).compute().shape == (6, 2, 48, 40)


def test_blocks_predict_like_the_whole(fitted, core):
    X, _ = core
    whole = fitted.predict_fraction(X)
    np.testing.assert_array_equal(
        np.concatenate([fitted.predict_fraction(X[:2]), fitted.predict_fraction(X[2:])]), whole
    )


def test_several_cores_of_different_size(core):
    other = make_core(seed=1, shape=(4, 24, 64))
    model = tiny_unet().fit([core[0], other[0]], [core[1], other[1]])
    assert min(model.score(*core), model.score(*other)) > 0.95


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 33), (2, 31, 2)])
def test_slices_smaller_than_the_reach(fitted, shape):
    X = np.full(shape, 140, dtype=np.uint8)
    assert fitted.predict(X).shape == shape


def test_void_voxels_do_not_matter(core):
    """Whatever stands where y is void leaves the weights as they are."""
    X, y = core
    changed = X.copy()
    y = y.copy()
    y[:, :10] = OUTSIDE
    changed[:, :10] = np.where(X[:, :10] == 0, 0, 77)
    models = [tiny_unet().fit(stack, y) for stack in (X, changed)]
    assert models[0].grey_scale_ == models[1].grey_scale_


def test_outside_may_be_changed_after_fit(core, fitted):
    X = np.where(core[0] == 0, 255, core[0])
    model = copy.copy(fitted).set_params(outside=255)
    np.testing.assert_array_equal(model.predict(X) == OUTSIDE, X == 255)


def test_outside_that_is_not_declared_is_said(core):
    with pytest.warns(UserWarning, match="exactly 0, but outside=nan"):
        tiny_unet(outside=np.nan).fit(*core)


def test_all_outside_slice(core):
    X, y = core[0].copy(), core[1].copy()
    X[2], y[4] = 0, OUTSIDE
    model = tiny_unet().fit(X, y)
    assert (model.predict(X)[2] == OUTSIDE).all()


def test_soft_labels_keep_the_mass():
    """A voxel half full is predicted as a half, not as ice or air."""
    rng = np.random.default_rng(0)
    fraction = np.repeat(np.repeat(rng.integers(0, 3, (4, 8, 8)) / 2, 4, 1), 4, 2)
    X = 50 + 100 * fraction.astype(np.float32)
    model = tiny_unet(max_epochs=2, outside=np.nan).fit(X, fraction)
    assert np.abs(model.predict_fraction(X) - fraction)[fraction == 0.5].mean() < 0.15


def test_input_is_left_alone_and_may_be_read_only(core):
    X, y = core[0].copy(), core[1].copy()
    X.setflags(write=False)
    y.setflags(write=False)
    tiny_unet().fit(np.asfortranarray(X), y).predict(X)
    np.testing.assert_array_equal(X, core[0])


def test_constructor_only_assigns_and_clone_keeps(core):
    model = tiny_unet(threshold=0.3)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        model.predict(core[0])


def test_pickle(fitted, core):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_fraction(core[0]), fitted.predict_fraction(core[0]))


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_pickle_of_a_gpu_machine(fitted, core):
    """The pickle holds no GPU tensors; where there is no GPU, the device is asked for anew."""
    again = pickle.loads(pickle.dumps(copy.copy(fitted).set_params(device="cuda")))
    assert {weights.device.type for weights in again.module_.parameters()} == {"cpu"}
    with pytest.raises(ValueError, match="use device='auto'"):
        again.predict(core[0])
    labels = again.set_params(device="auto").predict(core[0])
    np.testing.assert_array_equal(labels, fitted.predict(core[0]))


def test_validation_keeps_the_best_epoch(core):
    model = tiny_unet(max_epochs=3, learning_rate=0.05).fit(*core, validation_data=make_core(5))
    losses = [entry["valid_loss"] for entry in model.history_]
    assert model.best_epoch_ == 1 + int(np.argmin(losses))
    assert [entry["epoch"] for entry in model.history_] == [1, 2, 3]
    assert model.history_[-1]["valid_dice_air"] > 0.9
    assert {"train_loss", "learning_rate", "seconds", "valid_dice_ice"} <= set(model.history_[0])


def test_validation_scores_are_those_of_metrics(core):
    other = make_core(5)
    model = tiny_unet().fit(*core, validation_data=other)
    fraction = model.predict_fraction(other[0])
    valid = other[1] != OUTSIDE
    truth = other[1][valid].astype(float)
    expected = log_loss(truth, fraction[valid])
    assert model.history_[0]["valid_loss"] == pytest.approx(expected, rel=1e-2)
    dice = dice_score(other[1], model.predict(other[0]), positive=AIR)
    assert model.history_[0]["valid_dice_air"] == pytest.approx(dice)


BAD_DATA = {
    "shape": (lambda X, y: (X, y[:, 1:]), "X has shape"),
    "single slice": (lambda X, y: (X[0], y[0]), "np.newaxis"),
    "labels": (lambda X, y: (X, np.where(y == 1, 7, y)), r"holds the values \[7\]"),
    "labels as fractions": (lambda X, y: (X, y.astype(float)), r"lie in \[0, 1\]"),
    "fractions": (lambda X, y: (X, np.where(y == 255, np.nan, 2.0 * y)), r"lie in \[0, 1\]"),
    "all void": (lambda X, y: (X, np.full_like(y, 255)), "No valid voxel"),
    "all outside": (lambda X, y: (np.zeros_like(X), y), "No valid voxel"),
    "only ice": (lambda X, y: (X, np.where(y == 0, 255, y)), "are ICE; training needs both"),
    "only air": (lambda X, y: (X, np.where(y == 1, 255, y)), "are AIR; training needs both"),
    "flat": (lambda X, y: (np.full_like(X, 9), y), "one grey value"),
    "NaN": (lambda X, y: (np.where(X == 0, np.nan, X), y), "outside=0 is declared"),
    "infinity": (lambda X, y: (X / np.maximum(0.0, y == 1), y), "infinite"),
    "lists": (lambda X, y: ([X, X], [y]), "X holds 2 stacks, but y holds 1"),
    "list and stack": (lambda X, y: ([X], y), "both lists"),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("lazy", [False, True])
def test_bad_data_is_refused(core, case, lazy):
    spoil, message = BAD_DATA[case]
    with np.errstate(divide="ignore", invalid="ignore"):
        X, y = spoil(*core)
    if lazy and isinstance(X, np.ndarray):
        X, y = da.from_array(X), da.from_array(y)
    with pytest.raises(ValueError, match=message):
        tiny_unet().fit(X, y)


@pytest.mark.parametrize("lazy", [False, True])
def test_bad_stacks_are_refused_in_prediction(core, fitted, lazy):
    """NaN is no outside where 0 is declared; infinities are never grey values."""
    for value, message in ((np.nan, "outside=0 is declared"), (np.inf, "infinite")):
        X = core[0].astype(np.float32)
        X[3, 20, 20] = value
        X = da.from_array(X, chunks=(2, 48, 40)) if lazy else X
        with pytest.raises(ValueError, match=message):
            np.asarray(fitted.predict(X))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: [X, y], "must be a tuple"),
        (lambda X, y: (X, y[1:]), "X has shape"),
        (lambda X, y: (X, np.where(y == 1, 7, y)), r"holds the values \[7\]"),
        (lambda X, y: (X, np.full_like(y, 255)), "validation_data holds no voxel"),
        (lambda X, y: (np.where(X == 0, np.nan, X), y), "outside=0 is declared"),
    ],
)
def test_bad_validation_data_is_refused(core, spoil, message, monkeypatch):
    """Before the first step, not after the first epoch."""
    monkeypatch.setattr(_training, "train_step", None)
    with pytest.raises(ValueError, match=message):
        tiny_unet(batches_per_epoch=1).fit(*core, validation_data=spoil(*core))


def test_training_slices_smaller_than_a_patch():
    """Patches are filled up with void, so that slices of any size can be learned from."""
    X, y = make_core(seed=0, shape=(12, 12, 8))
    model = tiny_unet(batches_per_epoch=80).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.training_data_[0]["n_valid_voxels"] == np.count_nonzero((X != 0) & (y != OUTSIDE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 30}, "multiple of 4"),
        ({"architecture": "vnet"}, "not known"),
        ({"learning_rate": 0}, "must be positive"),
        ({"max_epochs": 0}, "at least 1"),
        ({"device": "toaster"}, "not known to torch"),
        ({"outside": 300}, "does not fit"),
        ({"threshold": 50}, "threshold must lie in"),
        ({"threshold": "a"}, "threshold must lie in"),
        ({"learning_rate": "a"}, "learning_rate must be positive"),
    ],
)
def test_bad_parameters_are_refused(core, options, message):
    with pytest.raises(ValueError, match=message):
        tiny_unet(**options).fit(*core)


def test_exploding_loss_stops_and_keeps_weights(core):
    """The message says what to do; what was learned before is not lost."""
    model = tiny_unet().fit(*core)
    before = weights(model).clone()
    with pytest.raises(FloatingPointError, match="use a smaller one"):
        model.set_params(learning_rate=1e30).fit(*core)
    assert torch.equal(weights(model), before)


def test_grid_search_over_the_learning_rate(core):
    """Slices are the samples of scikit-learn's splitters; scores come from `score`."""
    grid = {"learning_rate": [1e-6, 0.02]}
    search = GridSearchCV(tiny_unet(batches_per_epoch=30), grid, cv=2).fit(*core)
    assert search.best_params_ == {"learning_rate": 0.02}
    assert search.best_score_ > 0.9


def test_warm_start_goes_on(core):
    """Trained further, with the grey scale of the first fit."""
    model = tiny_unet(batches_per_epoch=10, warm_start=True).fit(*core)
    first, grey = weights(model).clone(), model.grey_scale_
    loss = model.history_[-1]["train_loss"]
    brighter = core[0] + np.where(core[0] == 0, 0, 5).astype(np.uint8)
    model.fit(brighter, core[1])
    assert model.grey_scale_ == grey
    assert not torch.equal(weights(model), first)
    assert model.history_[-1]["train_loss"] < loss


def test_patience_stops_early(core):
    model = tiny_unet(max_epochs=30, learning_rate=1e-9, batches_per_epoch=1, patience=2)
    held_out = make_core(5)
    model.fit(*core, validation_data=held_out)
    assert len(model.history_) == model.best_epoch_ + 2 < 30
