"""What `experiment_unet.py` compares: each variant departs from the default in one thing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from icecoreseg.segmentation._augment import augment
from icecoreseg.segmentation._loss import void_aware_loss
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._state import Schedule, new_state

NARROW = (8, 16, 32, 64, 128, 160)
MIDDLE = (16, 32, 64, 96, 112, 128)


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes
    ----------
    parameters : dict
        Those of `UNetSegmenter` that are not the default.
    adapt : callable, optional
        Changes a `TrainingRun` before it begins, where no parameter can.
    hard : bool
        Whether the labels are hard ones instead of ice fractions.
    grey : callable, optional
        What happens to grey stacks before training and prediction.
    """

    parameters: dict = field(default_factory=dict)
    adapt: Callable | None = None
    hard: bool = False
    grey: Callable | None = None


# --- networks ---------------------------------------------------------------------------


def normalised(run):
    """Batch normalisation after every convolution but the last.

    Its statistics are fixed after training, so a tile still gives what its slice gives; those
    of group or instance normalisation would be the tile's own.
    """
    network = run.state.network
    network.folded = False
    for name, layer in list(network.named_children())[:-1]:
        setattr(network, name, nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels)))
    run.state = new_state(network, run.state.device)


class UnshuffledUNet(nn.Module):
    """A U-Net on quarter images: 2 x 2 pixels become four channels, and the logits go back."""

    def __init__(self, widths, seed, ice_share):
        super().__init__()
        self.inner = UNet(widths)
        self.inner.conv1 = nn.utils.skip_init(nn.Conv2d, 4, widths[0], 3, padding="same")
        self.inner.output = nn.utils.skip_init(nn.Conv2d, widths[0], 4, 3, padding="same")
        initialise(self.inner, seed=seed, ice_share=ice_share)
        self.context_slices, self.stride = 0, 2 * self.inner.stride

    def forward(self, x):
        return F.pixel_shuffle(self.inner(F.pixel_unshuffle(x, 2)), 2)


def unshuffled(run, widths=(32, 64, 96, 128, 128)):
    """Train an `UnshuffledUNet` instead."""
    network = UnshuffledUNet(widths, run.sampler.seed, run.data["ice_share"])
    run.state = new_state(network, run.state.device)


# --- schedule, loss, augmentation, sampling -------------------------------------------------


class ConstantRate(Schedule):
    """The learning rate of every step is the highest."""

    def rate(self, epoch, batch):
        """Learning rate of one step."""
        return self.learning_rate


def constant_rate(run):
    """No warm-up and no cosine."""
    old = run.schedule
    run.schedule = ConstantRate(old.max_epochs, old.n_batches, old.learning_rate)


def with_dice(logits, target):
    """Cross-entropy plus soft Dice of ice and of air, over the voxels that are not void.

    The Dice terms are multiplied by the number of voxels, as the other term is a sum.
    """
    valid = ~torch.isnan(target)
    ice, truth = logits.sigmoid()[valid], target[valid]
    dice = sum(
        2 * (p * t).sum() / (p.sum() + t.sum() + 1) for p, t in ((ice, truth), (1 - ice, 1 - truth))
    )
    return void_aware_loss(logits, target) + (1 - dice / 2) * truth.numel()


def focal(logits, target, gamma=2.0):
    """Cross-entropy, weighted by how far off the prediction is, to the power `gamma`."""
    valid = ~torch.isnan(target)
    logits, target = logits[valid], target[valid]
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return ((logits.sigmoid() - target).abs() ** gamma * entropy).sum()


def use_loss(loss):
    """Variant's `adapt` that sets the loss."""

    def adapt(run):
        run.state.loss = loss

    return adapt


def no_change(rng, x, target):
    """Patches as they are cut."""
    return x, target


def also(change):
    """Augmentation as by default, and one more change of the grey values."""

    def both(rng, x, target):
        x, target = augment(rng, x, target)
        return change(rng, x), target

    return both


def gamma(rng, x, sd=0.1):
    """Bend the grey scale between -3 and 3 standard deviations by a random power."""
    share = np.clip((x + 3) / 6, 0, 1)
    return (6 * share ** np.exp(sd * rng.standard_normal()) - 3).astype(np.float32)


def blur(rng, x, largest=0.6):
    """Blur or sharpen a little, outside voxels filled with the mean."""
    smooth = gaussian_filter(np.nan_to_num(x), (0, 0.5, 0.5)).astype(np.float32)
    return x + np.float32(rng.uniform(-largest, largest)) * (smooth - x)


def use_augmentation(function):
    """Variant's `adapt` that sets what happens to each patch."""

    def adapt(run):
        run.sampler.augment = function

    return adapt


def rarer_class_first(run, n_candidates=6):
    """Half of the patches are, of six candidates, the one with most of the slice's rarer class."""
    sampler, cut = run.sampler, run.sampler._patch

    def patch(rng, core, z):
        if rng.random() < 0.5:
            return cut(rng, core, z)
        candidates = [cut(rng, core, z) for _ in range(n_candidates)]
        ice = [np.nansum(target) for _, target in candidates]
        air = [np.nansum(1 - target) for _, target in candidates]
        rarer = ice if sum(ice) < sum(air) else air
        return candidates[int(np.argmax(rarer))]

    sampler._patch = patch


# --- grey values --------------------------------------------------------------------------


def stretch_slices(X):
    """Every slice to [0, 1] by its own extremes, as in the published code."""
    low, high = (f(X, axis=(1, 2), keepdims=True) for f in (np.nanmin, np.nanmax))
    return (X - low) / (high - low)


PUBLISHED = {"architecture": "bagherzadeh2023"}

VARIANTS = {
    "default": Variant(),
    "widths 8-16-32-64-128-160": Variant({"widths": NARROW}),
    "the same, context_slices=1": Variant({"widths": NARROW, "context_slices": 1}),
    "context_slices=1": Variant({"context_slices": 1}),
    "half-resolution stem, 32-64-96-128-128": Variant(adapt=unshuffled),
    "augmentation: symmetries only": Variant(
        adapt=use_augmentation(partial(augment, gain=0, offset=0))
    ),
    "patches with more of the rarer class": Variant(adapt=rarer_class_first),
    "hard labels": Variant(hard=True),
    "loss: cross-entropy and soft Dice": Variant(adapt=use_loss(with_dice)),
    "the paper's network and recipe": Variant(
        {**PUBLISHED, "patch_size": 256, "batch_size": 1, "learning_rate": 1e-4},
        adapt=lambda run: (constant_rate(run), use_augmentation(no_change)(run)),
        hard=True,
        grey=stretch_slices,
    ),
    "learning rate 3e-3": Variant({"learning_rate": 3e-3}),
    "batch normalisation": Variant(adapt=normalised),
    "widths 16-32-64-96-112-128": Variant({"widths": MIDDLE}),
    "patches of 256": Variant({"patch_size": 256, "batch_size": 1}),
    "patches of 64": Variant({"patch_size": 64, "batch_size": 16}),
    "slices stretched to their extremes": Variant(grey=stretch_slices),
    "augmentation: also noise": Variant(adapt=use_augmentation(partial(augment, noise=0.2))),
    "the paper's network": Variant(PUBLISHED),
    "batches of 8": Variant({"batch_size": 8}),
    "loss: focal": Variant(adapt=use_loss(focal)),
    "augmentation: none": Variant(adapt=use_augmentation(no_change)),
    "augmentation: also gamma": Variant(adapt=use_augmentation(also(gamma))),
    "augmentation: also blur": Variant(adapt=use_augmentation(also(blur))),
    "augmentation: gain and offset by 10 %": Variant(
        adapt=use_augmentation(partial(augment, gain=0.1, offset=0.1))
    ),
    "constant learning rate": Variant(adapt=constant_rate),
}


def gflop(network, size=512, slice_size=2048):
    """Operations (two per multiplication) of one slice, in 1e9; counted on a smaller one."""
    x = torch.zeros(1, 1 + 2 * network.context_slices, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() * (slice_size / size) ** 2 / 1e9
