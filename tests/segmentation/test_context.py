"""Neighbouring slices as channels: what the network sees, learns from them, and keeps."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from icecoreseg import OUTSIDE, UNetSegmenter
from icecoreseg.segmentation import EnsembleSegmenter
from icecoreseg.segmentation._augment import Augmentation
from icecoreseg.segmentation._context import network_input
from icecoreseg.segmentation._delegation import context_of
from icecoreseg.segmentation._model_file import read_model, write_model
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._survey import GreyScale
from icecoreseg.segmentation._tiling import slice_logits, strip_logits
from tests.segmentation.conftest import make_core, tiny_unet
from tests.segmentation.test_sampling import sampler
from tests.segmentation.test_unet import weights

da = pytest.importorskip("dask.array")


def neighbour_core(seed, n_slices=24):
    """Ice where the slice above or the slice below is bright: a slice alone says nothing."""
    rng = np.random.default_rng(seed)
    bright = (rng.random((n_slices, 8, 8)) < 0.3).repeat(4, 1).repeat(4, 2)
    y = np.full(bright.shape, OUTSIDE, dtype=np.uint8)
    y[1:-1] = bright[:-2] | bright[2:]
    X = np.clip(60 + 80 * bright + rng.normal(0, 10, bright.shape), 1, 255).astype(np.uint8)
    X[:, :3, :3], y[:, :3, :3] = 0, OUTSIDE
    return X, y


def neighbour_unet(**options):
    return tiny_unet(**({"context_slices": 1, "batches_per_epoch": 150} | options))


@pytest.fixture(scope="module")
def seeing():
    """Fitted on a core whose labels are in the neighbours, and scored on another."""
    return neighbour_unet().fit(*neighbour_core(0), validation_data=neighbour_core(1))


def test_only_the_first_layer_grows():
    """Two more input channels are 2 * 32 * 9 weights; the default is the paper's network."""
    counts = [
        sum(p.numel() for p in UNet(context_slices=context).parameters()) for context in (0, 1)
    ]
    assert counts == [1_513_409, 1_513_409 + 2 * 32 * 9]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_neighbours_are_those_of_a_stack_filled_towards_the_middle(seed, context):
    """Voxel by voxel: step outwards from the slice, and keep the last value that was there."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 4, (5, 2, 2)).astype(np.uint8)
    z = int(rng.integers(5))
    options = {"context_slices": context, "grey": GreyScale(0.0, 1.0, 0)}
    found = network_input(torch.from_numpy(X), slice(z, z + 1), **options)[0]
    expected = np.full((1 + 2 * context, 2, 2), np.nan)
    for row, column in np.ndindex(2, 2):
        for sign in (-1, 1):
            value = np.nan
            for step in range(context + 1):
                there = 0 <= z + sign * step < 5
                seen = X[z + sign * step, row, column] if there else 0
                value = seen if seen else value
                expected[context + sign * step, row, column] = value
    np.testing.assert_array_equal(found, expected)


def test_labels_in_the_neighbours_are_learnt_only_with_them(seeing):
    X, y = neighbour_core(2)
    alone = neighbour_unet(context_slices=0).fit(*neighbour_core(0))
    assert seeing.score(X, y) > 0.95
    assert alone.score(X, y) < 0.6  # about half of the voxels are ice


def test_lazy_slabs_are_predicted_as_the_whole(seeing):
    """Chunks of one, two and more slices see over their borders."""
    X, _ = neighbour_core(3, n_slices=9)
    whole = {name: getattr(seeing, name)(X) for name in ("predict", "predict_fraction")}
    proba = seeing.predict_proba(X)
    lazy = da.from_array(X, chunks=((1, 2, 5, 1), -1, -1))
    for name, expected in whole.items():
        np.testing.assert_array_equal(getattr(seeing, name)(lazy).compute(), expected)
    found = seeing.predict_proba(lazy)
    assert found.shape == proba.shape
    np.testing.assert_array_equal(found.compute(), proba)


def test_end_slices_see_themselves(seeing):
    """The first and last slice are predicted as if they were there twice."""
    X, _ = neighbour_core(4, n_slices=4)
    doubled = np.concatenate([X[:1], X, X[-1:]])
    np.testing.assert_array_equal(
        seeing.predict_fraction(X), seeing.predict_fraction(doubled)[1:-1]
    )
    alone = seeing.predict(X[:1])
    np.testing.assert_array_equal(alone, seeing.predict(X[[0, 0, 0]])[1:2])


def test_outside_is_that_of_the_slice(seeing):
    """A void neighbour does not make a voxel void, nor the other way round."""
    X, _ = neighbour_core(4, n_slices=5)
    X[2, 8:16] = 0
    fraction = seeing.predict_fraction(X)
    np.testing.assert_array_equal(np.isnan(fraction), X == 0)


def test_lazy_training_is_the_same_training(seeing):
    """Neighbours in other chunks are seen, in training and in validation."""
    lazy = [da.from_array(stack, chunks=(5, -1, -1)) for stack in neighbour_core(0)]
    valid = tuple(da.from_array(stack, chunks=(4, -1, -1)) for stack in neighbour_core(1))
    again = neighbour_unet().fit(*lazy, validation_data=valid)
    assert torch.equal(weights(again), weights(seeing))
    assert again.history_[0]["valid_loss"] == pytest.approx(seeing.history_[0]["valid_loss"])


@pytest.mark.parametrize("room", [7, 17, 20])
def test_slabs_with_their_neighbours_are_read_once_per_epoch(monkeypatch, room):
    """With room for so many slices; a slab has up to seven."""
    X, y = (da.from_array(stack, chunks=(5, -1, -1)) for stack in neighbour_core(0))
    voxel_bytes = X.dtype.itemsize + y.dtype.itemsize
    budget = room * 32 * 32 * voxel_bytes
    one, read = sampler([X], [y], n_batches=20, context_slices=1, budget=budget), []
    load = one._store._read
    monkeypatch.setattr(one._store, "_read", lambda pack: read.append(pack) or load(pack))
    for x, target in one.batches(0):
        assert (x.shape, target.shape) == ((4, 3, 16, 16), (4, 16, 16))
    assert sum(map(one._store.n_bytes, one._store._kept)) <= budget
    assert sorted(read) == list(range(5))


def test_validation_scores_see_over_slab_borders(seeing):
    """The loss in the history is that of predictions of the whole stack."""
    X, y = neighbour_core(1)
    valid = y != OUTSIDE
    expected = log_loss(y[valid].astype(float), seeing.predict_fraction(X)[valid])
    assert seeing.history_[0]["valid_loss"] == pytest.approx(expected, rel=1e-2)


def test_channels_are_cut_alike_and_the_outer_ones_change_sides():
    """Slices that differ by a constant still do; half of the time below comes above."""
    ramp = 1 + np.random.default_rng(0).permutation(1024).reshape(32, 32).astype(np.float32)
    X = np.stack([ramp - 1e4, ramp, ramp + 1e4])
    y = np.full(X.shape, OUTSIDE, dtype=np.uint8)
    y[1] = ramp % 2
    one = sampler([X], [y], context_slices=1, augmentation=Augmentation(0, 0), n_batches=15)
    signs, step = [], np.float32(1e4 / one.scale.sd)
    for x, target in one.batches(0):
        below, above = x[:, 0] - x[:, 1], x[:, 2] - x[:, 1]
        torch.testing.assert_close(below, -above, rtol=1e-4, atol=0)
        torch.testing.assert_close(above.abs(), torch.full_like(above, step), rtol=1e-4, atol=0)
        signs += above[:, 0, 0].sign().tolist()
        grey = x[:, 1] * one.scale.sd + one.scale.mean
        torch.testing.assert_close(grey.round() % 2, target)
    assert 15 < signs.count(1.0) < 45


def test_tiles_and_strips_give_the_whole_slice():
    """At the full network's reach, from three channels of one slice."""
    network = initialise(UNet((4,) * 6, context_slices=1), seed=3).eval()
    x = np.random.default_rng(0).normal(size=(3, 600, 70)).astype(np.float32)
    x[:, 100:130, :20] = np.nan
    x = torch.from_numpy(x)[None]
    whole, tiled = (slice_logits(network, x, tile_size=size) for size in (2048, 320))
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-5, equal_nan=True)
    padded = x[:, :, :576, :64].nan_to_num()
    with torch.inference_mode():
        torch.testing.assert_close(
            strip_logits(network, padded, strip=16), network(padded), rtol=0, atol=1e-5
        )


def test_save_and_load(seeing, tmp_path):
    path, (X, _) = tmp_path / "model.safetensors", neighbour_core(2, n_slices=3)
    seeing.save(path)
    again = UNetSegmenter.load(path)
    assert again.get_params() == seeing.get_params()
    np.testing.assert_array_equal(again.predict_fraction(X), seeing.predict_fraction(X))


def test_files_from_before_the_parameter_have_no_context(fitted, core, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    tensors, card = read_model(path, kind="UNetSegmenter", version=1)
    del card["parameters"]["context_slices"]
    write_model(path, tensors, card, kind="UNetSegmenter", version=1)
    again = UNetSegmenter.load(path)
    assert again.context_slices == 0
    np.testing.assert_array_equal(again.predict_fraction(core[0]), fitted.predict_fraction(core[0]))


def test_checkpoints_tell_the_context(core, tmp_path):
    """One from before the parameter is one without context; another context is refused."""
    path = tmp_path / "run.safetensors"
    options = {"checkpoint": path, "batches_per_epoch": 2}
    first = tiny_unet(**options).fit(*core)
    kind = {"kind": "training checkpoint", "version": 1}
    tensors, card = read_model(path, **kind)
    assert json.loads(card["identity"].pop("context_slices")) == 0
    write_model(path, tensors, card, **kind)
    assert torch.equal(weights(tiny_unet(**options).fit(*core)), weights(first))
    with pytest.raises(ValueError, match="context_slices differ"):
        tiny_unet(context_slices=1, **options).fit(*core)


def test_ensemble_sees_over_slab_borders(seeing):
    X, _ = neighbour_core(5, n_slices=6)
    model = EnsembleSegmenter(FrozenEstimator(seeing), n_members=1).fit(X, None)
    lazy = da.from_array(X, chunks=(2, -1, -1))
    mean, std = model.predict_fraction(X, return_std=True)
    lazy_mean, lazy_std = model.predict_fraction(lazy, return_std=True)
    np.testing.assert_allclose(lazy_mean.compute(), mean, atol=1e-6)
    np.testing.assert_allclose(lazy_std.compute(), std, atol=1e-6)
    np.testing.assert_array_equal(model.predict(lazy).compute(), model.predict(X))
    for found, expected in zip(model.ice_fraction(lazy), model.ice_fraction(X), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_context_is_found_through_wrappers(seeing):
    pipeline = make_pipeline(FunctionTransformer(), FrozenEstimator(seeing))
    assert context_of(EnsembleSegmenter(pipeline)) == 1
    assert context_of(FunctionTransformer()) == 0


def test_bad_context_is_refused(core, tmp_path):
    for bad in (-1, 0.5, True):
        with pytest.raises(ValueError, match="context_slices must be an integer of at least 0"):
            tiny_unet(context_slices=bad).fit(*core)
    with pytest.raises(ValueError, match="context_slices=1 is not known"):
        UNetSegmenter.from_published_weights(tmp_path / "none", context_slices=1)
    model = tiny_unet(batches_per_epoch=1, warm_start=True).fit(*core)
    with pytest.raises(ValueError, match="fitted network has context_slices=0"):
        model.set_params(context_slices=1).fit(*core)


def test_slices_fewer_than_the_context():
    X, y = make_core(0, shape=(2, 32, 32))
    model = tiny_unet(context_slices=3, batches_per_epoch=5).fit(X, y)
    lazy = model.predict(da.from_array(X, chunks=(1, -1, -1))).compute()
    np.testing.assert_array_equal(lazy, model.predict(X))
