"""Random changes of patches that leave their labels right, for a whole batch at once.

The numbers are drawn on the host, so that they are the same for every device; turning and
flipping are a matter of where a patch is read (see `_patches`), and the rest is done here.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F

from icecoreseg.segmentation._device import to_device


@dataclass(frozen=True)
class Augmentation:
    """How much patches are changed; 0 is not at all.

    Cores are round and lie in the scanner at any angle, so the eight symmetries of the
    square cost nothing. The rest stands for other tube settings and other cores; grey
    values are in units of their standard deviation.

    Attributes
    ----------
    gain, offset : float
        Standard deviations of the logarithm of a factor, and of a shift.
    gamma : float
        Standard deviation of the curvature g of ``(exp(g x) - 1) / g``, which is a power of
        the grey value where that is a logarithm; the mean and the contrast there stay.
    blur : float
        Largest standard deviation, in pixels, of a Gaussian; drawn uniformly from 0 on.
    noise : float
        Largest standard deviation of white noise; drawn uniformly from 0 on.
    symmetries : bool
        Whether patches are turned and flipped, and neighbouring slices change sides.
    """

    gain: float = 0.05
    offset: float = 0.05
    gamma: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    symmetries: bool = True


@dataclass(frozen=True)
class Changes:
    """What happens to each patch of a batch: arrays of n numbers.

    Attributes
    ----------
    flips : array of shape (n, 3)
        Whether rows and columns are read backwards, and whether they change places: the
        eight symmetries of the square.
    upside_down : array of shape (n,)
        Whether neighbouring slices change sides: a core has no up and down.
    gain, offset, gamma, blur : arrays of shape (n,)
    noise : array of shape (n, n_channels, size, size), or None
    """

    flips: np.ndarray
    upside_down: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    gamma: np.ndarray
    blur: np.ndarray
    noise: np.ndarray | None

    def of(self, members):
        """The changes of some of the patches."""
        kept = (getattr(self, field.name) for field in fields(self))
        return Changes(*(None if values is None else values[members] for values in kept))


def draw_changes(rng, shape, amount):
    """Draw the changes of a batch.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : (int, int, int, int)
        Patches, channels, rows and columns of the batch.
    amount : Augmentation
    """
    n = shape[0]
    flips = rng.integers(2, size=(n, 4)) * amount.symmetries
    gain, offset, gamma = rng.standard_normal((3, n))
    blur, sd = rng.random((2, n))
    noise = None
    if amount.noise:
        noise = rng.standard_normal(shape, dtype=np.float32)
        noise *= (amount.noise * sd).astype(np.float32).reshape(-1, 1, 1, 1)
    return Changes(
        flips[:, :3],
        flips[:, 3] > 0,
        np.exp(amount.gain * gain),
        amount.offset * offset,
        amount.gamma * gamma,
        amount.blur * blur,
        noise,
    )


def relit(x, changes):
    """Blur, bend, stretch and shift the grey values of a batch, and add noise.

    Parameters
    ----------
    x : tensor of shape (n, n_channels, size, size)
        Network input, NaN where void, which it stays. All channels are changed alike.
    changes : Changes

    Examples
    --------
    >>> from dataclasses import replace
    >>> x, rng = torch.tensor([[[[0.0, 2.0, torch.nan]]]]), np.random.default_rng(0)
    >>> none = draw_changes(rng, x.shape, Augmentation(0, 0))
    >>> relit(x, replace(none, gain=np.array([3.0]), offset=np.array([1.0]))).tolist()
    [[[[1.0, 7.0, nan]]]]
    """

    def column(values):
        return to_device(np.float32(values), x.device).view(-1, 1, 1, 1)

    if changes.blur.any():
        x = blurred(x, changes.blur)
    if changes.gamma.any():
        curvature = column(changes.gamma)
        x = torch.expm1(x * curvature).div_(curvature)
    x = torch.addcmul(column(changes.offset), x, column(changes.gain))
    if changes.noise is not None:
        x += to_device(changes.noise, x.device)
    return x


def blurred(x, sigma):
    """Gaussian mean of what is not void, for every patch with a width of its own.

    Parameters
    ----------
    x : tensor of shape (n, n_channels, n_rows, n_columns)
        NaN where void, which it stays.
    sigma : array of shape (n,)
        Standard deviations in pixels.

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, torch.nan, 3.0]]]])
    >>> blurred(x, np.array([100.0])).round(decimals=3).tolist()
    [[[[2.0, nan, 2.0]]]]
    """
    reach = max(1, int(3 * sigma.max()))
    steps = np.arange(-reach, reach + 1) / np.maximum(sigma, 0.1)[:, np.newaxis]
    kernel = to_device(np.exp(-0.5 * steps**2).astype(np.float32), x.device)[:, None, None]
    void = x.isnan()
    pair = torch.stack([x.masked_fill(void, 0.0), (~void).to(x.dtype)], dim=1)
    patches = pair.flatten(1, 2)  # a group of images per patch has its kernel
    n, images = patches.shape[:2]
    flat, kernel = patches.reshape(1, n * images, *x.shape[2:]), kernel.repeat_interleave(images, 0)
    flat = F.conv2d(flat, kernel, padding=(0, reach), groups=n * images)
    flat = F.conv2d(flat, kernel.mT, padding=(reach, 0), groups=n * images)
    values, weight = flat.reshape(pair.shape).unbind(1)
    return (values / weight).masked_fill(void, torch.nan)
