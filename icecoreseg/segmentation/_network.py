"""The paper's U-Net as a torch module, and the one identity that makes it fast.

Layer widths, names and order follow the network of Bagherzadeh et al. (2023,
doi:10.1109/TGRS.2023.3334867): 1,513,409 parameters, six poolings, nearest upsampling,
skips by concatenation. Nothing in it depends on the statistics of a slice, so a tile
gives what the whole slice gives. Activations work in place: no gradient needs what they
overwrite.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

WIDTHS = (32, 52, 72, 92, 112, 128)
"""Encoder widths of the paper, one per pooling."""

DECODER_WIDTHS = (120, 106, 90, 70, 50, 32)
"""Decoder widths of the paper, lowest resolution first."""

STRIP_PIXELS = 2**17
"""Pixels of a strip: a feature image of 32 channels has 16 MiB, which malloc uses again."""

LIGHT_WIDTHS = (8, 16, 32, 64, 128, 160)
"""As many parameters, but few features where pixels are many: a sixth of the operations."""

ARCHITECTURES = {"unet": WIDTHS, "light": LIGHT_WIDTHS, "bagherzadeh2023": WIDTHS}
"""Encoder widths of each, unless others are asked for."""


class UNet(nn.Module):
    """U-Net with one logit (ice) per pixel.

    Parameters
    ----------
    widths : tuple of int, optional
        Encoder widths, one per pooling, if not those of the architecture. Rows and columns
        of the input must be multiples of ``2 ** len(widths)``.
    architecture : {"unet", "light", "bagherzadeh2023"}
        "bagherzadeh2023" is the published network: no activation after the even
        convolutions, so that two of three convolutions follow each other linearly, and a
        first skip taken before the activation. "unet" has a ReLU after every convolution, as
        has "light", which differs in its widths.
    folded : bool
        Whether upsampling and the convolution behind it run as one transposed
        convolution (see `fold_kernel`); the result is the same.
    context_slices : int
        Neighbouring slices on either side that come as further input channels.

    Examples
    --------
    >>> sum(parameter.numel() for parameter in UNet().parameters())
    1513409
    """

    def __init__(self, widths=None, *, architecture="unet", folded=True, context_slices=0):
        super().__init__()
        widths = widths or ARCHITECTURES[architecture]
        self.context_slices = context_slices
        self.widths, self.architecture, self.folded = tuple(widths), architecture, folded
        for name, n_in, n_out in layer_table(self.widths, 1 + 2 * context_slices):
            layer = nn.utils.skip_init(nn.Conv2d, n_in, n_out, 3, padding="same")
            self.add_module(name, layer)

    @property
    def activates_skips(self):
        """Whether there is an activation after the even convolutions, and the first."""
        return self.architecture != "bagherzadeh2023"

    @property
    def stride(self):
        """Rows and columns of the input must be multiples of this."""
        return 2 ** len(self.widths)

    def forward(self, x):
        """Logits (n, 1, n_rows, n_columns) of grey values (n, n_channels, n_rows, n_columns)."""
        first = self.stem(x)
        return self.head(self.body(halve(first)), first)

    def stem(self, x):
        """First features at full resolution; also the first skip."""
        return self._even("conv1", x)

    def body(self, x):
        """All that happens below full resolution: features (n, width, rows / 2, columns / 2)."""
        skips = []
        for level in range(1, len(self.widths)):
            x = self._even(f"conv{2 * level}", x)
            skips.append(x)
            x = self._odd(f"conv{2 * level + 1}", x)
        x = self._even(f"conv{2 * len(self.widths)}", x)
        for step, skip in enumerate(reversed(skips), start=1):
            x = self._merge(step, x, skip)
        return x

    def head(self, below, first):
        """Logits from the features below and the first skip."""
        return self._convolve("output", self._merge(len(self.widths), below, first))

    def _halves(self, step):
        """Kernel for the features below, folded, weights for the skip, and bias."""
        layer, n_skip = getattr(self, f"up{step}_conv"), skip_widths(self.widths)[step - 1]
        return fold_kernel(layer.weight[:, :-n_skip]), layer.weight[:, -n_skip:], layer.bias

    def _convolve(self, name, x):
        return getattr(self, name)(x)

    def _even(self, name, x):
        """Convolve and activate; the published network has no activation here."""
        x = self._convolve(name, x)
        return F.relu_(x) if self.activates_skips else x

    def _odd(self, name, x):
        return halve(self._convolve(name, x))

    def _merge(self, step, below, skip):
        """Upsample x2, concatenate the skip, convolve, activate."""
        if not self.folded:
            above = F.interpolate(below, scale_factor=2, mode="nearest")
            return F.relu_(self._convolve(f"up{step}_conv", torch.cat([above, skip], dim=1)))
        kernel, of_skip, bias = self._halves(step)
        x = F.conv_transpose2d(below, kernel, bias, stride=2, padding=1)
        return F.relu_(add_convolved(x, skip, of_skip))


def strip_rows(x):
    """Even number of rows that hold about `STRIP_PIXELS` pixels.

    Examples
    --------
    >>> strip_rows(torch.empty(1, 1, 2048, 2048)), strip_rows(torch.empty(1, 1, 512, 8))
    (64, 16384)
    """
    return max(16, STRIP_PIXELS // x.shape[3] // 2 * 2)


def add_convolved(x, skip, weight):
    """Add ``conv2d(skip, weight, padding=1)`` to x, in place.

    In prediction the sum is made in strips of rows, so that the second summand, which is
    as large as the first, is never there as a whole.
    """
    n_rows, strip = skip.shape[2], strip_rows(skip)
    if not torch.is_inference_mode_enabled() or x.device.type != "cpu" or n_rows <= strip:
        return x.add_(F.conv2d(skip, weight, padding=1))
    for start in range(0, n_rows, strip):
        first = max(start - 1, 0)
        part = F.conv2d(skip[:, :, first : start + strip + 1], weight, padding=1)
        x[:, :, start : start + strip] += part[:, :, start - first :][:, :, :strip]
    return x


def halve(x):
    """Max-pool, then activate: the same as the other way round, on a quarter of the pixels."""
    return F.relu_(F.max_pool2d(x, 2))


def layer_table(widths=WIDTHS, n_channels=1):
    """List the 3 x 3 convolutions as (name, input channels, output channels).

    Examples
    --------
    >>> layer_table()[0], layer_table()[-2]
    (('conv1', 1, 32), ('up6_conv', 82, 32))
    """
    widths = tuple(widths)
    decoder = DECODER_WIDTHS if widths == WIDTHS else widths[::-1]
    encoder = [n_channels]
    for width in widths:
        encoder += [width, width]
    table = [(f"conv{i}", *pair) for i, pair in enumerate(pairwise(encoder), start=1)]
    below = widths[-1]
    for step, (skip, width) in enumerate(zip(skip_widths(widths), decoder, strict=True), start=1):
        table.append((f"up{step}_conv", below + skip, width))
        below = width
    return [*table, ("output", below, 1)]


def skip_widths(widths):
    """Features that come beside those from below, one number per step of the decoder.

    Examples
    --------
    >>> skip_widths(WIDTHS)
    (112, 92, 72, 52, 32, 32)
    """
    return (*widths[-2::-1], widths[0])


def fold_kernel(weight):
    """Kernel of the transposed convolution that equals x2 nearest upsampling + convolution.

    Every output pixel of the pair sees only two by two different input pixels, so the
    nine products can be added up beforehand to four: 16/36 of the operations, and neither
    the upsampled nor the concatenated image is ever stored.

    Parameters
    ----------
    weight : tensor of shape (n_out, n_in, 3, 3)

    Returns
    -------
    tensor of shape (n_in, n_out, 4, 4)
        For ``conv_transpose2d(..., stride=2, padding=1)``.

    Examples
    --------
    >>> x, weight = torch.arange(9.0).reshape(1, 1, 3, 3), torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> plain = F.conv2d(F.interpolate(x, scale_factor=2), weight, padding=1)
    >>> folded = F.conv_transpose2d(x, fold_kernel(weight), stride=2, padding=1)
    >>> torch.equal(plain, folded)
    True
    """
    sums = 4 * F.avg_pool2d(weight, 2, stride=1, padding=1)  # of each 2 x 2, zeros around
    return sums.flip(2, 3).transpose(0, 1)


def initialise(network, *, seed, ice_share=0.5):
    """Draw the weights (He et al. 2015, doi:10.1109/ICCV.2015.123) from a private generator.

    The last bias starts at the log-odds of `ice_share`, so that training need not learn
    first how much ice there is. Torch's global generator is not touched.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, layer in network.named_children():
        gain = 1.0 if name == "output" else math.sqrt(2.0)
        fan_in = layer.weight[0].numel()
        with torch.no_grad():
            layer.weight.normal_(0.0, gain / math.sqrt(fan_in), generator=generator)
            layer.bias.zero_()
    with torch.no_grad():
        network.output.bias.fill_(math.log(ice_share / (1.0 - ice_share)))
    return network
