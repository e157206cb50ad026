"""The training loop: epochs of batches, each a short function, and a list of dicts.

Everything an epoch does follows from (seed, epoch, batch), so that a run can be stopped
anywhere and resumed to the same weights.
"""

import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

from icecoreseg._progress import track
from icecoreseg.segmentation._augment import augment
from icecoreseg.segmentation._device import (
    half_precision,
    loss_scaler,
    memory_format,
    to_device,
)

MAX_GRADIENT_NORM = 1.0
"""Gradients are cut to this length: without it the published network's loss jumps."""

WARM_UP = 0.05
"""Share of the steps during which the learning rate rises."""


@dataclass
class TrainingState:
    """All that changes while training, and all that a checkpoint has to hold.

    Attributes
    ----------
    network : torch.nn.Module
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
    """

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    epoch: int = 0
    batch: int = 0
    sums: list = field(default_factory=lambda: [0.0, 0.0, 0.0])
    history: list = field(default_factory=list)
    best: dict | None = None


def new_state(network, device):
    """Put the network on its device and give it an optimiser."""
    network = network.to(device, memory_format=memory_format(device, training=True)).train()
    optimizer = torch.optim.Adam(network.parameters(), fused=device.type == "cuda")
    return TrainingState(network, optimizer, loss_scaler(device))


def fit_loop(state, sampler, *, max_epochs, learning_rate, validate=None, after=None, verbose=0):
    """Train until `max_epochs`; the network ends with its best weights.

    Parameters
    ----------
    state : TrainingState
        Fresh, or from a checkpoint.
    sampler : PatchSampler
    max_epochs : int
        Epochs in all, those of the checkpoint included.
    learning_rate : float
        Peak of the schedule; see `learning_rate_at`.
    validate : callable, optional
        Takes the network, returns a dict with "valid_loss" and other scores.
    after : callable, optional
        Called with the state after every epoch; returns whether to stop early.
    verbose : int
        Whether to show progress.

    Raises
    ------
    FloatingPointError
        If loss or gradients stop being finite.
    """
    schedule = sampler.n_batches * max_epochs, learning_rate
    for epoch in range(state.epoch, max_epochs):
        description = f"epoch {epoch + 1}/{max_epochs}"
        run_epoch(state, sampler, schedule, description=description, verbose=verbose)
        finish_epoch(state)
        if validate is not None:
            record_validation(state, validate(state.network))
        if after is not None and after(state):
            break
    if state.best is not None:
        state.network.load_state_dict(state.best["weights"])
    return state


def run_epoch(state, sampler, schedule, *, description=None, verbose=0):
    """Make the steps of an epoch that are still to be made."""
    n_steps, peak = schedule
    batches = sampler.batches(state.epoch, start=state.batch)
    n_left = sampler.n_batches - state.batch
    for x, target in track(
        batches, verbose=verbose, total=n_left, description=description, unit="batch"
    ):
        began = time.perf_counter()
        rng = np.random.default_rng([sampler.seed, state.epoch, state.batch, 1])
        step = state.epoch * sampler.n_batches + state.batch
        rate = learning_rate_at(step, n_steps, peak)
        loss, weight = train_step(state, *augment(rng, x, target), rate)
        state.batch += 1
        seconds = time.perf_counter() - began
        for i, value in enumerate((loss * weight, weight, seconds)):
            state.sums[i] += value


def train_step(state, x, target, learning_rate):
    """One step of the optimiser; return mean loss and number of valid voxels.

    Parameters
    ----------
    state : TrainingState
    x, target : arrays of shape (n, size, size)
        Network input and ice fraction, NaN where void.
    learning_rate : float
    """
    device = next(state.network.parameters()).device
    x = to_device(np.nan_to_num(x, nan=0.0), device, memory_format(device, training=True))
    target = to_device(target, device)
    state.optimizer.param_groups[0]["lr"] = learning_rate
    state.optimizer.zero_grad(set_to_none=True)
    with half_precision(device):
        logits = state.network(x)
    loss, n_valid = void_aware_loss(logits.float(), target)
    state.scaler.scale(loss).backward()
    state.scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), MAX_GRADIENT_NORM)
    if not (state.scaler.is_enabled() or torch.isfinite(norm)) or not torch.isfinite(loss):
        raise FloatingPointError(
            f"Loss {loss.item():g} or its gradient is not finite in epoch {state.epoch + 1}, "
            f"batch {state.batch + 1}, at learning rate {learning_rate:g}; use a smaller one."
        )
    state.scaler.step(state.optimizer)
    state.scaler.update()
    return loss.item(), int(n_valid)


def void_aware_loss(logits, target):
    """Cross-entropy against ice fractions, averaged over the voxels that are not void.

    With fractions as targets its minimum is the expected fraction, so that predicted
    fractions add up to the right mass.

    Examples
    --------
    >>> logits, target = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, torch.nan]]]])
    >>> loss, n_valid = void_aware_loss(logits, target)
    >>> round(loss.item(), 4), n_valid.item()  # ln 2, from one voxel
    (0.6931, 1)
    """
    valid = ~torch.isnan(target)
    weight = valid.to(logits.dtype)
    total = F.binary_cross_entropy_with_logits(
        logits, torch.nan_to_num(target), weight=weight, reduction="sum"
    )
    n_valid = valid.sum()
    return total / n_valid.clamp(min=1), n_valid


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


def finish_epoch(state):
    """Write the epoch down and go to the next."""
    total, weight, seconds = state.sums
    state.history.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": total / weight,
            "learning_rate": state.optimizer.param_groups[0]["lr"],
            "seconds": seconds,
        }
    )
    state.epoch, state.batch, state.sums = state.epoch + 1, 0, [0.0, 0.0, 0.0]


def record_validation(state, scores):
    """Add the scores to the history; keep the weights if this epoch is the best."""
    state.history[-1].update(scores)
    loss = scores["valid_loss"]
    if state.best is None or loss < state.best["loss"]:
        weights = {k: v.detach().clone() for k, v in state.network.state_dict().items()}
        state.best = {"epoch": state.epoch, "loss": loss, "weights": weights}
