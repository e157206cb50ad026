"""The training loop: epochs of batches, each a short function, and a list of dicts.

Everything an epoch does follows from the seed and the place in the epoch, so that a run
can be stopped anywhere and resumed to the same weights.
"""

import math
import time
from dataclasses import dataclass

import torch

from icecoreseg._progress import track
from icecoreseg.segmentation._device import (
    Fetched,
    half_precision,
    memory_format,
    tuned_convolutions,
)
from icecoreseg.segmentation._distributed import add_up, n_processes, total
from icecoreseg.segmentation._replay import one_by_one
from icecoreseg.segmentation._state import copy_weights

MAX_GRADIENT_NORM = 1.0
"""Gradients are cut to this length: without it the published network's loss jumps."""


def fit_loop(state, sampler, schedule, *, checkpoint, callbacks, validate=None, verbose=0):
    """Train until the schedule is over; the network ends with its best weights.

    Parameters
    ----------
    state : TrainingState
        Fresh, or from a checkpoint.
    sampler : PatchSampler
    schedule : Schedule
    checkpoint : Checkpoint
        Told about every batch and every epoch.
    callbacks : EpochCallbacks
        Told about every epoch; may ask to stop.
    validate : callable, optional
        Takes the network, returns a dict with "valid_loss" and other scores.
    verbose : int
        Whether to show progress.

    Raises
    ------
    FloatingPointError
        If loss, gradients or the validation loss stop being finite. After this or any other
        interruption the network is as at the end of its best epoch, or of its last.
    """
    stopped = False
    while not (stopped or schedule.is_over(state)):
        good = copy_weights(state.network)
        callbacks.epoch_begins()
        try:
            run_epoch(state, sampler, schedule, checkpoint=checkpoint, verbose=verbose)
            scores = None if validate is None else finite_scores(state, validate)
        except BaseException:  # Ctrl-C too: what is kept is the network of a finished epoch
            state.network.load_state_dict(state.best["weights"] if state.best else good)
            raise
        finish_epoch(state)
        if scores is not None:
            record_validation(state, scores)
        checkpoint.epoch_done(state)
        stopped = total(callbacks.epoch_ends(), state.device) > 0  # all processes stop, or none
    if state.best is not None:
        state.network.load_state_dict(state.best["weights"])


def run_epoch(state, sampler, schedule, *, checkpoint, verbose=0):
    """Make the steps of an epoch that are still to be made."""
    batches = track(
        sampler.batches(state.epoch, start=state.batch, ahead=state.device.type == "cuda"),
        verbose=verbose,
        total=schedule.n_batches - state.batch,
        description=f"epoch {state.epoch + 1}/{schedule.max_epochs}",
        unit="batch",
    )
    n_late = 1 if state.device.type == "cuda" else 0
    began = time.perf_counter()
    with tuned_convolutions():
        for x, target in batches:
            rate = schedule.rate(state.epoch, state.batch)
            state.late.append(train_step(state, x, target, rate))
            state.batch += 1
            settle(state, n_late=n_late)
            now = time.perf_counter()
            state.sums[2] += now - began
            began = now
            checkpoint.batch_done(state)
    settle(state)


@dataclass(frozen=True)
class Step:
    """What a step found, perhaps still on its way from the device: see `settle`."""

    epoch: int
    batch: int
    learning_rate: float
    found: Fetched


def train_step(state, x, target, learning_rate):
    """One step of the optimiser; nothing in it waits for the device.

    Parameters
    ----------
    state : TrainingState
    x : tensor of shape (n, n_channels, size, size)
        Network input, NaN where void, on the device.
    target : tensor of shape (n, size, size)
        Ice fraction, NaN where void.
    learning_rate : float

    Returns
    -------
    Step
        With mean loss, number of valid voxels, and norm of the gradient.
    """
    state.optimizer.param_groups[0]["lr"] = learning_rate
    n_valid = add_up(torch.count_nonzero(~target.isnan())).clamp(min=1)
    loss = add_up(add_gradients(state, x, target, n_valid))
    state.scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), MAX_GRADIENT_NORM)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    found = torch.stack([loss.double(), n_valid.double(), norm.double()])
    return Step(state.epoch, state.batch, learning_rate, Fetched(found))


def settle(state, *, n_late=0):
    """Add the steps made to the sums of the epoch, all but the last `n_late`.

    On CUDA the latest step is looked at when the next has been handed to the device, which
    so never idles. A step that came out infinite may then be followed by another, but not by
    a checkpoint.

    Raises
    ------
    FloatingPointError
        If loss or gradient of a step is not finite.
    """
    while len(state.late) > n_late:
        step = state.late.popleft()
        loss, n_valid, norm = step.found.get().tolist()
        lost = not (state.scaler.is_enabled() or math.isfinite(norm))
        if lost or not math.isfinite(loss):
            raise FloatingPointError(
                f"Loss {loss:g} or its gradient is not finite in epoch {step.epoch + 1}, batch "
                f"{step.batch + 1}, at learning rate {step.learning_rate:g}; use a smaller one."
            )
        state.sums[0] += loss * n_valid
        state.sums[1] += n_valid


def add_gradients(state, x, target, n_valid):
    """Gradients of a batch, in as many parts as the device's memory asks for; its loss.

    The parts' losses are sums over voxels, so cutting a batch does not change it.
    """
    while True:
        state.optimizer.zero_grad(set_to_none=True)
        parts = min(state.parts, len(x))
        try:
            pairs = zip(x.tensor_split(parts), target.tensor_split(parts), strict=True)
            return sum(_add_part(state, *pair, n_valid) for pair in pairs)
        except torch.cuda.OutOfMemoryError:
            if parts >= len(x) or n_processes() > 1:
                raise  # processes that share a batch must stay in step
            state.parts = 2 * parts
        one_by_one(state)  # behind the handler, which still holds what did not fit
        torch.cuda.empty_cache()


def _add_part(state, x, target, n_valid):
    device = state.device
    x = x.nan_to_num(0.0).to(memory_format=memory_format(device, training=True))
    with half_precision(device):
        logits = state.forward(x)
    loss = state.loss(logits.float(), target.unsqueeze(1)) / n_valid
    state.scaler.scale(loss * n_processes()).backward()  # gradients are averaged, not summed
    return loss.detach()


def finish_epoch(state):
    """Write the epoch down and go to the next."""
    loss, weight, seconds = state.sums
    state.history.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": loss / weight,
            "learning_rate": state.optimizer.param_groups[0]["lr"],
            "seconds": seconds,
        }
    )
    state.epoch, state.batch, state.sums = state.epoch + 1, 0, [0.0, 0.0, 0.0]


def finite_scores(state, validate):
    """Scores of the epoch that ends; a step too long may show here first."""
    scores = validate(state.network)
    if not math.isfinite(scores["valid_loss"]):
        raise FloatingPointError(
            f"The validation loss is {scores['valid_loss']:g} after epoch {state.epoch + 1}; use a "
            "smaller learning rate."
        )
    return scores


def record_validation(state, scores):
    """Add the scores to the history; keep the weights if this epoch is the best."""
    state.history[-1].update(scores)
    loss = scores["valid_loss"]
    if state.best is None or loss < state.best["loss"]:
        state.best = {"epoch": state.epoch, "loss": loss, "weights": copy_weights(state.network)}
