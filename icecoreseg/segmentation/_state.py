"""What changes while training, and the schedule that it follows."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from icecoreseg.segmentation._device import loss_scaler, memory_format
from icecoreseg.segmentation._distributed import share
from icecoreseg.segmentation._loss import void_aware_loss
from icecoreseg.segmentation._wide import WideUNet

WARM_UP = 0.05
"""Share of the steps during which the learning rate rises."""


@dataclass
class TrainingState:
    """All that changes while training, and all that a checkpoint has to hold.

    Attributes
    ----------
    network : torch.nn.Module
    forward : callable
        The network in the form in which the device trains it, perhaps wrapped.
    optimizer : torch.optim.Optimizer
    scaler : torch.amp.GradScaler
    epoch, batch : int
        What comes next: batch `batch` of epoch `epoch`, both counted from 0.
    sums : list of float
        Loss and weight of the batches of this epoch so far, and its seconds.
    history : list of dict
        One entry per finished epoch.
    best : dict or None
        "epoch", "loss" and "weights" of the best epoch, if there is validation data.
    parts : int
        Into how many parts a batch is cut to fit the device's memory.
    loss : callable
        Of (logits, target), summed over the voxels that are not void.
    late : deque of Step
        Steps made, but not yet in `sums`.
    """

    network: torch.nn.Module
    forward: Callable
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    epoch: int = 0
    batch: int = 0
    sums: list = field(default_factory=lambda: [0.0, 0.0, 0.0])
    history: list = field(default_factory=list)
    best: dict | None = None
    parts: int = 1
    loss: Callable = void_aware_loss
    late: deque = field(default_factory=deque)

    @property
    def device(self):
        """Where the network is."""
        return next(self.network.parameters()).device


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how fast.

    Attributes
    ----------
    max_epochs, n_batches : int
        Epochs in all (those before an interruption included), and batches per epoch.
    learning_rate : float
        Peak of the schedule; see `learning_rate_at`.
    patience : int or None
        Epochs without a better validation loss after which to stop.
    """

    max_epochs: int
    n_batches: int
    learning_rate: float
    patience: int | None = None

    def rate(self, epoch, batch):
        """Learning rate of one step."""
        step = epoch * self.n_batches + batch
        return learning_rate_at(step, self.max_epochs * self.n_batches, self.learning_rate)

    def is_over(self, state):
        """Whether all epochs are done, or too many have brought nothing."""
        if state.epoch >= self.max_epochs:
            return True
        if self.patience is None or state.best is None:
            return False
        return state.epoch - state.best["epoch"] >= self.patience


def new_state(network, device):
    """Put the network on its device and give it an optimiser."""
    network = network.to(device, memory_format=memory_format(device, training=True)).train()
    optimizer = torch.optim.Adam(network.parameters(), fused=device.type == "cuda")
    forward = WideUNet(network) if device.type == "cuda" else network
    return TrainingState(network, share(forward, device), optimizer, loss_scaler(device))


def copy_weights(network):
    """Copy of the network's weights, where they are."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def learning_rate_at(step, n_steps, peak):
    """Rise linearly, then fall along a cosine to a hundredth of the peak.

    Examples
    --------
    >>> [round(learning_rate_at(step, 100, 1.0), 2) for step in (0, 4, 5, 52, 99)]
    [0.2, 1.0, 1.0, 0.51, 0.01]
    """
    warm_up = max(1, round(WARM_UP * n_steps))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    share = (step - warm_up) / max(1, n_steps - warm_up)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)
