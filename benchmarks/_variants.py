"""What `experiment_unet.py` compares: networks with the default recipe, recipes with one network.

Each departs in one thing. What no parameter of `UNetSegmenter` says is put into a `TrainingRun`
before it begins.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from icecoreseg.segmentation._augment import Augmentation
from icecoreseg.segmentation._loss import void_aware_loss
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._state import Schedule, new_state

LIGHT = {"architecture": "light"}
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
    steps : int
        How many times the steps of the others.
    grey : callable, optional
        What happens to grey stacks before training and prediction.
    """

    parameters: dict = field(default_factory=dict)
    adapt: Callable | None = None
    hard: bool = False
    steps: int = 1
    grey: Callable | None = None


# --- networks -------------------------------------------------------------------------------


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


# --- schedule, loss, augmentation, sampling --------------------------------------------------


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


def augmented(**amounts):
    """Variant's `adapt` that sets how much patches are changed, besides turned and flipped."""

    def adapt(run):
        run.sampler.augmentation = Augmentation(**amounts)

    return adapt


def also(change):
    """Variant's `adapt` for patches as by default, and one more change of the grey values."""

    def adapt(run):
        draw = run.sampler._draw

        def changed(rng, picks):
            x, target = draw(rng, picks)
            return torch.stack(
                [torch.from_numpy(change(rng, patch.numpy())) for patch in x]
            ), target

        run.sampler._draw = changed

    return adapt


def gamma(rng, x, sd=0.1):
    """Bend the grey scale between -3 and 3 standard deviations by a random power."""
    share = np.clip((x + 3) / 6, 0, 1)
    return (6 * share ** np.exp(sd * rng.standard_normal()) - 3).astype(np.float32)


def blur(rng, x, largest=0.6):
    """Blur or sharpen a little, outside voxels filled with the mean."""
    smooth = gaussian_filter(np.nan_to_num(x), (0, 0.5, 0.5)).astype(np.float32)
    return x + np.float32(rng.uniform(-largest, largest)) * (smooth - x)


AS_CUT = augmented(gain=0, offset=0, symmetries=False)


def rarer_class_first(run, n_candidates=6):
    """Half of the patches are, of six candidates, the one with most of the slice's rarer class."""
    sampler, draw = run.sampler, run.sampler._draw

    def choose(rng, picks):
        x, target = draw(rng, picks)
        candidates = [draw(rng, picks) for _ in range(n_candidates)]
        targets = torch.stack([other for _, other in candidates])
        ice, air = targets.nansum((2, 3)), (1 - targets).nansum((2, 3))
        best = torch.where(ice.sum(0) < air.sum(0), ice, air).argmax(0)
        for i in np.flatnonzero(rng.random(len(picks)) < 0.5):
            x[i], target[i] = (part[i] for part in candidates[best[i]])
        return x, target

    sampler._draw = choose


# --- grey values ----------------------------------------------------------------------------


def stretch_slices(X):
    """Every slice to [0, 1] by its own extremes, as in the published code."""
    low, high = (f(X, axis=(1, 2), keepdims=True) for f in (np.nanmin, np.nanmax))
    return (X - low) / (high - low)


# --- what is compared -----------------------------------------------------------------------

FAST = {"learning_rate": 3e-3}
PUBLISHED = {"architecture": "bagherzadeh2023"}

NETWORKS = {
    "unet": Variant(),
    "light": Variant(LIGHT),
    "unet, learning rate 3e-3": Variant(FAST),
    "light, learning rate 3e-3": Variant({**LIGHT, **FAST}),
    "light, learning rate 1e-2": Variant({**LIGHT, "learning_rate": 1e-2}),
    "light, three times the steps": Variant(LIGHT, steps=3),
    "light, context_slices=1": Variant({**LIGHT, "context_slices": 1}),
    "unet, context_slices=1": Variant({"context_slices": 1}),
    "half-resolution stem, 32-64-96-128-128": Variant(adapt=unshuffled),
    "half-resolution stem, learning rate 3e-3": Variant(FAST, adapt=unshuffled),
    "widths 16-32-64-96-112-128": Variant({"widths": MIDDLE}),
    "widths 16-32-64-96-112-128, twice the steps": Variant({"widths": MIDDLE}, steps=2),
    "widths 16-32-64-96-112-128, learning rate 3e-3": Variant({"widths": MIDDLE, **FAST}),
    "bagherzadeh2023": Variant(PUBLISHED),
    "bagherzadeh2023, the paper's recipe": Variant(
        {**PUBLISHED, "patch_size": 256, "batch_size": 1, "learning_rate": 1e-4},
        adapt=lambda run: (constant_rate(run), AS_CUT(run)),
        hard=True,
        grey=stretch_slices,
    ),
}
"""Networks, trained as by default; the first is what the others are compared with."""

BASE = "light, learning rate 3e-3"
"""What recipes are compared with: it learns fast, so that many of them can be tried."""


def light(parameters=(), **how):
    """Variant of `BASE`."""
    return Variant({**LIGHT, **FAST, **dict(parameters)}, **how)


RECIPES = {
    "augmentation: also noise": light(adapt=augmented(noise=0.2)),
    "augmentation: also noise, twice as much": light(adapt=augmented(noise=0.4)),
    "augmentation: also blur": light(adapt=also(blur)),
    "augmentation: symmetries only": light(adapt=augmented(gain=0, offset=0)),
    "augmentation: none": light(adapt=AS_CUT),
    "hard labels": light(hard=True),
    "patches with more of the rarer class": light(adapt=rarer_class_first),
    "loss: cross-entropy and soft Dice": light(adapt=use_loss(with_dice)),
    "loss: focal": light(adapt=use_loss(focal)),
    "three neighbouring slices": light({"context_slices": 1}),
    "batch normalisation": light(adapt=normalised),
    "constant learning rate": light(adapt=constant_rate),
    "patches of 64, batches of 16": light({"patch_size": 64, "batch_size": 16}),
    "patches of 256, batches of 1": light({"patch_size": 256, "batch_size": 1}),
    "batches of 8, half as many steps": light({"batch_size": 8}),
    "slices stretched to their extremes": light(grey=stretch_slices),
    "augmentation: also gamma": light(adapt=also(gamma)),
    "augmentation: gain and offset by 10 %": light(adapt=augmented(gain=0.1, offset=0.1)),
}
"""Recipes, all with the network and the rate of `BASE`."""

VARIANTS = NETWORKS | RECIPES


def gflop(network, size=256, slice_size=2048):
    """Operations (two per multiplication) of one slice, in 1e9; counted on a smaller one."""
    x = torch.zeros(1, 1 + 2 * network.context_slices, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    return counter.get_total_flops() * (slice_size / size) ** 2 / 1e9
