"""The network as CUDA likes it: features in full packs, and few passes over them.

Tensor cores read features in packs, and the published widths (50, 52, 70, 90...) fill none: each
convolution then copies its input into a wider one first. Here weights are padded with zeros
instead, so that features come in packs from the start. What is added stays zero, and so do its
gradients: the parameters, and what the network computes, are those of `UNet`.
"""

import copy

import torch
import torch.nn.functional as F

from icecoreseg.segmentation._device import half_type
from icecoreseg.segmentation._network import UNet, halve


class WideUNet(UNet):
    """The same network in packs of features, on the parameters of another.

    Parameters
    ----------
    network : UNet
        Whose layers are shared, not copied.

    Examples
    --------
    >>> from icecoreseg.segmentation._network import initialise
    >>> network, x = initialise(UNet((3, 5)), seed=0), torch.ones(1, 1, 8, 8)
    >>> torch.allclose(WideUNet(network)(x), network(x), atol=1e-6)
    True
    """

    pack = 8
    """Features that are read together: 16 bytes in half precision."""

    def __init__(self, network):
        super().__init__(
            network.widths,
            architecture=network.architecture,
            context_slices=network.context_slices,
        )
        for name, layer in network.named_children():
            self.add_module(name, layer)

    def forward(self, x):
        """Logits, as of `UNet`."""
        return super().forward(widened(x, 1, pack=self.pack))[:, :1]

    def _convolve(self, name, x):
        return F.conv2d(x, *self._weights(name), padding=1)

    def _weights(self, name):
        layer = getattr(self, name)
        return self._widened((layer.weight, layer.bias))

    def _halves(self, step):
        return self._widened(super()._halves(step))

    def _widened(self, tensors):
        *weights, bias = tensors
        weights = (widened(weight, 0, 1, pack=self.pack) for weight in weights)
        return *weights, widened(bias, 0, pack=self.pack)


def widened(tensor, *axes, pack):
    """Zeros behind the tensor along some axes, up to the next whole pack.

    Examples
    --------
    >>> widened(torch.ones(1, 9, 3), 0, 1, pack=8).shape
    torch.Size([8, 16, 3])
    """
    pads = [-length % pack if axis in axes else 0 for axis, length in enumerate(tensor.shape)]
    if not any(pads):
        return tensor
    return F.pad(tensor, [n for pad in reversed(pads) for n in (0, pad)])


class FusedUNet(WideUNet):
    """A copy for prediction, in half precision: a layer, its bias and its ReLU are one pass.

    Plain operations read and write all features three times per layer, and that, not the
    products, is what takes the time. What is computed with is made once: weights that change
    later, of the network or of the copy, are not seen.

    Parameters
    ----------
    network : UNet
    device : torch.device

    Attributes
    ----------
    origin : tuple (UNet,)
        The network that this is a copy of, hidden from torch.
    """

    pack = 16

    def __init__(self, network, device):
        super().__init__(copy.deepcopy(network).to(device))
        self.origin = (network,)
        self.eval().requires_grad_(False)
        steps = range(1, len(self.widths) + 1)
        others = [n for n, _ in self.named_children() if not n.startswith("up")]
        self._ready = {step: self._laid(WideUNet._halves(self, step)) for step in steps}
        self._ready |= {name: self._laid(WideUNet._weights(self, name)) for name in others}

    def forward(self, x):
        """Logits, as of `UNet`."""
        n, n_channels, *lengths = x.shape
        packs = torch.empty(
            (n, n_channels + -n_channels % self.pack, *lengths),
            dtype=half_type(x.device),
            device=x.device,
            memory_format=torch.channels_last,
        )
        packs.zero_()[:, :n_channels] = x
        return super().forward(packs)

    def _laid(self, tensors):
        """Weights as they are used: in half precision, features last; and a bias."""
        *weights, bias = (tensor.to(half_type(tensor.device)) for tensor in tensors)
        return *(w.contiguous(memory_format=torch.channels_last) for w in weights), bias

    def _weights(self, name):
        return self._ready[name]

    def _halves(self, step):
        return self._ready[step]

    def _even(self, name, x):
        return relu_of(x, *self._weights(name)) if self.activates_skips else self._convolve(name, x)

    def _odd(self, name, x):
        return halve(relu_of(x, *self._weights(name)))

    def _merge(self, step, below, skip):
        kernel, of_skip, bias = self._halves(step)
        above = F.conv_transpose2d(below, kernel, stride=2, padding=1)
        return relu_of(skip, of_skip, bias, above)


def relu_of(x, weight, bias, above=None):
    """``relu(conv2d(x) + above)``; in one pass where cuDNN offers that."""
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    if not fuses(x, weight):
        x = F.conv2d(x, weight, bias, padding=1)
        return F.relu_(x if above is None else x.add_(above))
    if above is None:
        return torch.cudnn_convolution_relu(x, weight, bias, **window)
    return torch.cudnn_convolution_add_relu(x, weight, above, 1.0, bias, **window)


def fuses(x, weight):
    """Whether cuDNN can be asked for a layer in one pass: it counts elements in 32 bits."""
    cudnn = torch.backends.cudnn
    if not x.is_cuda or torch.version.hip or not (cudnn.enabled and cudnn.is_available()):
        return False
    return x[:, 0].numel() * max(weight.shape[:2]) < 2**31
