"""What is the same on CUDA, what is not waited for, and what happens when memory ends.

Skipped where there is no CUDA device. Half precision keeps about three digits, so that fractions
are compared with a tolerance; patches and labels of the store are compared exactly.
"""

import warnings
from contextlib import contextmanager

import dask.array as da
import numpy as np
import pytest
import torch

from icecoreseg import OUTSIDE
from icecoreseg.segmentation import _device, _replay, _run
from icecoreseg.segmentation._device import half_precision, to_device
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._predict import place, slab_logits
from icecoreseg.segmentation._replay import Recording, recorded
from icecoreseg.segmentation._sampling import PatchSampler
from icecoreseg.segmentation._state import new_state
from icecoreseg.segmentation._store import SliceStore
from icecoreseg.segmentation._survey import GreyScale, survey
from icecoreseg.segmentation._training import add_gradients, settle, train_step
from tests.segmentation.conftest import make_core, tiny_unet

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CUDA = torch.device("cuda")


@contextmanager
def never_waiting():
    """Anything that waits for the device raises."""
    torch.cuda.synchronize()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the mode a prototype
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.fixture
def little_memory():
    """About a gigabyte for torch, whatever the card has."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2**30 / total))
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_learns_and_leaves_the_module_on_the_cpu(core):
    model = tiny_unet(device="cuda").fit(*core)
    assert model.score(*make_core(9)) > 0.97
    assert model.batch_size_ == 2**20 // 32**2
    assert next(model.module_.parameters()).device.type == "cpu"
    on_cuda = model.predict_fraction(core[0])
    on_cpu = model.set_params(device="cpu").predict_fraction(core[0])
    np.testing.assert_allclose(on_cuda, on_cpu, atol=0.05)


@pytest.mark.parametrize("options", [{}, {"context_slices": 1}, {"tile_size": 16}])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_predicts_as_the_cpu(options, dtype):
    X, y = make_core(0, shape=(9, 48, 40))
    model = tiny_unet(device="cpu", batches_per_epoch=20, **options).fit(X.astype(dtype), y)
    on_cpu, labels = model.predict_fraction(X), model.predict(X)
    model.set_params(device="cuda")
    np.testing.assert_allclose(model.predict_fraction(X), on_cpu, atol=0.05)
    lazy = da.from_array(X, chunks=(2, -1, -1))
    np.testing.assert_allclose(model.predict_fraction(lazy).compute(), on_cpu, atol=0.05)
    clear = np.abs(np.nan_to_num(on_cpu, nan=1.0) - 0.5) > 0.05
    np.testing.assert_array_equal(model.predict(X)[clear], labels[clear])


@pytest.mark.parametrize("budget", [2**31, 40_000])
@pytest.mark.parametrize("context", [0, 1])
def test_patches_are_those_of_the_cpu(budget, context):
    """All slices on the card, or so few at a time that they take turns."""
    Xs, ys = map(list, zip(make_core(0), make_core(1, shape=(9, 12, 64)), strict=True))
    Xs[1], ys[1] = Xs[1].astype(np.uint16) * 200, np.where(ys[1] == OUTSIDE, np.nan, ys[1])
    Xs[0], ys[0] = (da.from_array(stack, chunks=(2, -1, -1)) for stack in (Xs[0], ys[0]))
    found, drawn = survey(Xs, ys, outside=0), []
    options = {"patch_size": 16, "batch_size": 8, "n_batches": 9, "seed": 0}
    for device in (torch.device("cpu"), CUDA):
        store = SliceStore(Xs, ys, device=device, budget=budget, join=True, halo=context)
        sampler = PatchSampler(store, found, context_slices=context, **options)
        drawn.append([tuple(t.cpu() for t in batch) for batch in sampler.batches(0, ahead=True)])
    for on_cpu, on_cuda in zip(*drawn, strict=True):
        torch.testing.assert_close(on_cuda, on_cpu, rtol=1e-5, atol=1e-5, equal_nan=True)


def test_threads_work_in_the_stream_of_the_caller(core):
    """A stream that is behind: what threads hand over waits for it, and is waited for."""
    store = SliceStore([core[0]], [core[1]], device=CUDA, budget=2**30, join=True)
    options = {"patch_size": 16, "batch_size": 8, "n_batches": 9, "seed": 0}
    sampler = PatchSampler(store, survey([core[0]], [core[1]], outside=0), **options)
    expected = [x.cpu() for x, _ in sampler.batches(0)]
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        torch.cuda._sleep(10**8)
        found = [x.clone() for x, _ in sampler.batches(0, ahead=True)]
    side.synchronize()
    for x, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(x.cpu(), wanted, rtol=0, atol=0, equal_nan=True)


def test_steps_do_not_wait(core):
    """Neither the patches, nor forward, backward, the optimiser, and the loss of a step."""
    state = new_state(initialise(UNet((4, 6)), seed=0), CUDA)
    if state.scaler.is_enabled():
        pytest.skip("a card without bfloat16 has to look at the gradients")
    state.forward = recorded(state.forward, (8, 1, 16, 16), CUDA)
    store = SliceStore([core[0]], [core[1]], device=CUDA, budget=2**30, join=True)
    options = {"patch_size": 16, "batch_size": 8, "n_batches": 9, "seed": 0}
    sampler = PatchSampler(store, survey([core[0]], [core[1]], outside=0), **options)
    batches = sampler.batches(0)
    state.late.append(train_step(state, *next(batches), 1e-3))  # memory, and choice of algorithms
    with never_waiting():
        for x, target in batches:
            state.late.append(train_step(state, x, target, 1e-3))
    settle(state)
    assert np.isfinite(state.sums).all()


def test_prediction_does_not_wait(core):
    network = place(initialise(UNet((4, 6)), seed=0), CUDA)
    options = {"network": network, "grey": GreyScale(100.0, 40.0, 0), "tile_size": 64}
    list(slab_logits(core[0], **options))
    with never_waiting():
        logits = list(slab_logits(core[0], **options))
    assert torch.isfinite(torch.cat(logits).cpu()[torch.from_numpy(core[0] != 0)]).all()


@pytest.mark.parametrize("architecture", ["unet", "light", "bagherzadeh2023"])
@pytest.mark.parametrize("context", [0, 1])
def test_one_pass_per_layer_gives_what_the_network_gives(architecture, context):
    """Fused with bias and activation, in half precision, against float32 in plain layers."""
    network = UNet(architecture=architecture, context_slices=context)
    network = initialise(network, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 1 + 2 * context, 192, 128, generator=generator)
    with torch.inference_mode():
        expected, found = network(x), place(network, CUDA)(x.to(CUDA)).float().cpu()
    assert (found - expected).norm() < 0.02 * expected.norm()


def test_layers_in_one_pass_do_not_read_what_was_in_memory_before():
    """Torch hands cuDNN the memory of the result as a summand, with the factor zero."""
    network = initialise(UNet(), seed=0).eval()
    x = torch.randn(1, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    placed = place(network, CUDA)
    torch.cuda.empty_cache()
    poison = torch.full((2**29,), torch.nan, device=CUDA)
    del poison
    with torch.inference_mode():
        expected, found = network(x), placed(x.to(CUDA)).float().cpu()
    assert (found - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("architecture", ["unet", "bagherzadeh2023"])
def test_recorded_passes_give_what_is_launched_one_by_one(architecture):
    """Logits and gradients, on other values and weights than those of the recording."""
    network = initialise(UNet(architecture=architecture), seed=0)
    forward = new_state(network, CUDA).forward
    played = recorded(forward, (4, 1, 64, 64), CUDA)
    assert isinstance(played, Recording)
    with torch.no_grad():
        network.conv3.weight.mul_(1.5)
    generator, results = torch.Generator().manual_seed(0), []
    x = torch.randn(4, 1, 64, 64, generator=generator).to(CUDA)
    for call in (forward, played):
        network.zero_grad()
        with half_precision(CUDA):
            logits = call(x)
        logits.float().square().mean().backward()
        results.append([logits.detach().float().clone(), *(p.grad for p in network.parameters())])
    for one_by_one, as_one in zip(*results, strict=True):
        assert (one_by_one - as_one).norm() < 0.02 * one_by_one.norm()
    assert played(x[:2]).shape == (2, 1, 64, 64)


def test_validation_sees_the_latest_weights(core):
    model = tiny_unet(device="cuda", max_epochs=3, batches_per_epoch=5)
    model.fit(*core, validation_data=make_core(5))
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(set(losses)) == 3


def test_training_where_a_recording_does_not_fit(core, little_memory, monkeypatch):
    """No room for all features of a batch: passes are launched one by one, in parts."""
    taken = []
    monkeypatch.setattr(_replay, "recorded", lambda *a: taken.append(recorded(*a)) or taken[-1])
    model = tiny_unet(device="cuda", widths=(64, 64), batch_size=2048, batches_per_epoch=2)
    model.fit(*core)
    assert not isinstance(taken[0], Recording)
    assert np.isfinite(model.history_[0]["train_loss"])


def test_a_slice_that_does_not_fit_is_cut(little_memory):
    """The paper's network on 4096 x 4096 takes more than a gigabyte; in tiles it does not."""
    network = place(initialise(UNet(), seed=0), CUDA)
    X = np.random.default_rng(0).integers(1, 256, (2, 4096, 4096), dtype=np.uint8)
    options = {"network": network, "grey": GreyScale(128.0, 70.0, 0)}
    found = [logits.cpu() for logits in slab_logits(X, tile_size=4096, **options)]
    tiles = [logits.cpu() for logits in slab_logits(X, tile_size=512, **options)]
    torch.testing.assert_close(torch.cat(found), torch.cat(tiles), rtol=0.1, atol=0.1)


def test_a_batch_that_does_not_fit_is_cut(little_memory):
    state = new_state(initialise(UNet(), seed=0), CUDA)
    generator = torch.Generator().manual_seed(0)
    x = to_device(torch.randn(64, 1, 256, 256, generator=generator).numpy(), CUDA)
    loss = add_gradients(state, x, (x[:, 0] > 0).float(), torch.tensor(x.numel(), device=CUDA))
    assert state.parts > 1
    assert torch.isfinite(loss).item()


def test_room_for_slices_is_a_power_of_two_below_half():
    room, free = _device.slice_bytes(CUDA), torch.cuda.mem_get_info()[0]
    assert room & (room - 1) == 0
    assert free // 8 < room <= free // 2


def test_training_with_little_room_for_slices(core, monkeypatch):
    """Packs that take turns give the same kind of training, from lazy stacks too."""
    monkeypatch.setattr(_run, "slice_bytes", lambda device: 6 * core[0][0].size)
    lazy = [da.from_array(stack, chunks=(2, -1, -1)) for stack in core]
    model = tiny_unet(device="cuda").fit(*lazy, validation_data=make_core(5))
    assert model.score(*make_core(9)) > 0.95
    assert model.history_[0]["valid_dice_air"] > 0.9
