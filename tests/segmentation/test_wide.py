"""The forms that CUDA is given compute what the network computes; here on the CPU."""

import warnings
import weakref
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from icecoreseg.segmentation import _replay
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._replay import (
    Recording,
    _capture,
    _run,
    one_by_one,
    played_back,
    recorded,
)
from icecoreseg.segmentation._wide import FusedUNet, WideUNet, widened

CPU = torch.device("cpu")
ARCHITECTURES = ["unet", "light", "bagherzadeh2023"]


def network_and_batch(architecture="unet", context=0, widths=None):
    network = UNet(widths, architecture=architecture, context_slices=context)
    network = initialise(network, seed=1).double()
    generator = torch.Generator().manual_seed(0)
    return network, torch.randn(2, 1 + 2 * context, 128, 64, generator=generator).double()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("context", [0, 1])
def test_padded_features_change_neither_logits_nor_gradients(architecture, context):
    network, x = network_and_batch(architecture, context)
    results = []
    for form in (network, WideUNet(network)):
        network.zero_grad()
        logits = form(x)
        logits.square().mean().backward()
        results.append([logits.detach(), *(p.grad.clone() for p in network.parameters())])
    torch.testing.assert_close(*results)


def test_parameters_are_shared():
    network, x = network_and_batch(widths=(3, 5))
    wide = WideUNet(network)
    assert list(map(id, wide.parameters())) == list(map(id, network.parameters()))
    with torch.no_grad():
        network.output.bias.add_(3.0)
    torch.testing.assert_close(wide(x), network(x))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("context", [0, 1])
def test_fused_is_a_copy_that_gives_the_same(architecture, context):
    network, x = network_and_batch(architecture, context)
    network, x = network.float(), x.float()
    fused = FusedUNet(network, CPU)
    with torch.inference_mode():
        expected = network(x)
        torch.testing.assert_close(fused(x), expected, rtol=1e-4, atol=1e-4)
        for weights in network.parameters():
            weights.zero_()
        torch.testing.assert_close(fused(x), expected, rtol=1e-4, atol=1e-4)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 16]))
@settings(deadline=None)
def test_widened_adds_zeros_up_to_a_whole_pack(n_out, n_in, pack):
    tensor = torch.ones(n_out, n_in, 3, 3)
    wide = widened(tensor, 0, 1, pack=pack)
    for length, before in zip(wide.shape[:2], (n_out, n_in), strict=True):
        assert length % pack == 0
        assert 0 <= length - before < pack
    assert torch.equal(wide[:n_out, :n_in], tensor)
    assert wide.sum() == tensor.sum()


def test_there_is_nothing_to_record_on_the_cpu():
    network, _ = network_and_batch(widths=(3, 5))
    assert recorded(network, (2, 1, 8, 8), CPU) is network


def test_what_is_recorded_is_the_network_of_the_weights_that_it_is_given(monkeypatch):
    """Torch's warning of its own warm-up is not passed on."""

    def record(run, arguments):
        warnings.warn("The AccumulateGrad node's stream does not match ...", stacklevel=1)
        return run

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    network, x = network_and_batch(widths=(3, 5))
    names = [name for name, _ in network.named_parameters()]
    run = partial(_run, network, names, CPU)
    played = _capture(run, x.shape, CPU, list(network.parameters()))
    other = initialise(UNet((3, 5)), seed=2).double()
    torch.testing.assert_close(played(x, *other.parameters()), other(x))


def test_what_does_not_fit_is_not_recorded(monkeypatch):
    def refuse(*_):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    assert _capture(None, (2, 1, 8, 8), CPU, []) is None


def test_what_fails_to_be_recorded_is_said(monkeypatch):
    def fail(*_):
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel...")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", fail)
    with pytest.warns(UserWarning, match="one by one.*not permitted when stream is capturing$"):
        assert _capture(None, (2, 1, 8, 8), CPU, []) is None


def test_other_batches_than_the_recorded_run_as_they_are():
    network, x = network_and_batch(widths=(3, 5))
    asked = []
    recording = Recording(network, x.shape, lambda *arguments: asked.append(arguments))
    assert recording(x) is None
    assert len(asked[0]) == 1 + len(list(network.parameters()))
    torch.testing.assert_close(recording(x[:1]), network(x[:1]))


def test_a_recording_that_is_done_with_is_let_go_of():
    """Although it holds itself alive, as those of torch do."""

    class Played:
        def __init__(self):
            self.myself = self

    network, _ = network_and_batch(widths=(3, 5))
    state = SimpleNamespace(forward=Recording(network, (2, 1, 8, 8), Played()))
    alive = weakref.ref(state.forward._played)
    one_by_one(state)
    assert state.forward is network
    assert alive() is None
    one_by_one(state)
    assert state.forward is network


def test_what_is_played_back_ends_with_the_training(monkeypatch):
    network, _ = network_and_batch(widths=(3, 5))
    recording = Recording(network, (2, 1, 8, 8), None)
    monkeypatch.setattr(_replay, "recorded", lambda *_: recording)
    state = SimpleNamespace(forward=network, device=CPU)
    with suppress(KeyboardInterrupt), played_back(state, (2, 1, 8, 8)):
        assert state.forward is recording
        raise KeyboardInterrupt
    assert state.forward is network
