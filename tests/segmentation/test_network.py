"""The network against the published layer table and a plain forward pass."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from icecoreseg.segmentation import _network
from icecoreseg.segmentation._network import UNet, fold_kernel, initialise
from icecoreseg.segmentation._tiling import slice_logits, strip_logits
from tests.segmentation.reference_network import LAYERS, plain_logits


def small(architecture="unet", widths=(4, 6, 8)):
    return initialise(UNet(widths, architecture=architecture), seed=0).eval()


def test_layers_are_the_published_ones():
    layers = {name: (m.in_channels, m.out_channels) for name, m in UNet().named_children()}
    assert layers == LAYERS
    assert list(layers) == list(LAYERS)
    assert sum(p.numel() for p in UNet().parameters()) == 1_513_409


@pytest.mark.parametrize("architecture", ["unet", "light", "bagherzadeh2023"])
def test_forward_equals_plain_network(architecture, monkeypatch):
    """Folding, strips and pooling before the activation change nothing, at all widths."""
    monkeypatch.setattr(_network, "STRIP_PIXELS", 0)  # strips of 16 rows
    network = initialise(UNet(architecture=architecture), seed=1).double().eval()
    x = torch.randn(1, 1, 128, 64, generator=torch.Generator().manual_seed(0)).double()
    with torch.inference_mode():
        published = architecture == "bagherzadeh2023"
        expected = plain_logits(network.state_dict(), x, published=published)
        torch.testing.assert_close(network(x), expected)
        network.folded = False
        torch.testing.assert_close(network(x), expected)


def test_folded_gradients_equal_plain_ones():
    network, gradients = small(), []
    x = torch.randn(2, 1, 16, 24, generator=torch.Generator().manual_seed(0))
    for network.folded in (True, False):
        network.zero_grad()
        network(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in network.parameters()])
    torch.testing.assert_close(*gradients)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 7), st.integers(0, 99))
def test_folded_kernel_is_exact(n_in, n_out, size, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, n_in, size, size + 1, generator=generator, dtype=torch.float64)
    weight = torch.randn(n_out, n_in, 3, 3, generator=generator, dtype=torch.float64)
    above = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = torch.nn.functional.conv2d(above, weight, padding=1)
    folded = torch.nn.functional.conv_transpose2d(x, fold_kernel(weight), stride=2, padding=1)
    torch.testing.assert_close(folded, expected)


@pytest.mark.parametrize("architecture", ["unet", "bagherzadeh2023"])
@pytest.mark.parametrize("strip", [2, 6, 16, 64])
def test_strips_equal_whole(architecture, strip):
    network = small(architecture)
    x = torch.randn(1, 1, 40, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(
            strip_logits(network, x, strip=strip), network(x), rtol=0, atol=1e-5
        )


def test_tiles_equal_whole():
    """At the paper's widths, with a slice that is no multiple of the stride."""
    network = initialise(UNet(), seed=3).eval()
    x = np.random.default_rng(0).standard_normal((900, 130), dtype=np.float32)
    whole, tiled = (
        slice_logits(network, torch.from_numpy(x)[None, None], tile_size=size)[0].numpy()
        for size in (2048, 320)
    )
    assert whole.shape == x.shape
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=2e-5)
    assert np.abs(whole).max() > 0.5  # not equal because nothing is there


def test_outside_is_nan_and_skipped():
    """Tiles that lie outside wholly are not run: a slice without specimen costs nothing."""
    x = torch.full((1, 1, 40, 24), torch.nan)
    assert slice_logits(NeverCalled(), x, tile_size=16).isnan().all()
    x[..., 3, 3] = 1.0
    logits = slice_logits(small(), x, tile_size=2048)
    assert logits[0, 3, 3].isfinite()
    assert logits.isnan().sum() == x.numel() - 1


class NeverCalled:
    """Stands for a network that must not be called."""

    stride = 8


def test_initialisation_is_private_and_seeded():
    state = torch.get_rng_state()
    first, same, other = (initialise(UNet((4, 6)), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.conv1.weight, same.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_first_guess_is_the_ice_share():
    network = initialise(UNet((4, 6)), seed=0, ice_share=0.96)
    assert torch.sigmoid(network.output.bias).item() == pytest.approx(0.96)
