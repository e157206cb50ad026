"""Forward and backward pass recorded once, and played back at each step.

A step launches hundreds of small kernels. To say so one by one takes the host longer than a fast
card needs to run them; a recording is launched as one.
"""

import gc
import warnings
from contextlib import contextmanager
from functools import partial

import torch
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from icecoreseg.segmentation._device import half_precision, memory_format, tuned_convolutions


class Recording:
    """A forward pass that is played back for batches of one shape, and runs as it is for others.

    Attributes
    ----------
    forward : torch.nn.Module
        What was recorded.
    """

    def __init__(self, forward, shape, played):
        self.forward, self._shape, self._played = forward, shape, played
        self._parameters = tuple(forward.parameters())

    def __call__(self, x):
        """Logits of a batch."""
        if x.shape != self._shape:
            return self.forward(x)
        return self._played(x, *self._parameters)


@contextmanager
def played_back(state, shape):
    """Within this, steps of a training play their passes back, if those can be `recorded`.

    Parameters
    ----------
    state : TrainingState
    shape : tuple of int
        Patches, channels, rows and columns of a batch.
    """
    state.forward = recorded(state.forward, shape, state.device)
    try:
        yield
    finally:
        one_by_one(state)


def one_by_one(state):
    """Go on without a recording, if there is one; its memory comes free.

    Recordings hold themselves alive, so that Python has to be told to look for them.
    """
    if isinstance(state.forward, Recording):
        state.forward = state.forward.forward
        gc.collect()


def recorded(forward, shape, device):
    """The forward pass as a `Recording`; as it is where that cannot be.

    Nothing else may use the device while this records. It can't be done on the CPU, by
    several processes that average their gradients, on another device than torch's current
    one, and without the memory to hold all features of a batch.

    Parameters
    ----------
    forward : torch.nn.Module
        In training mode, on the device, with parameters that stay where they are.
    shape : tuple of int
        Patches, channels, rows and columns of a batch.
    device : torch.device

    Returns
    -------
    callable
    """
    if isinstance(forward, DistributedDataParallel) or not _records_on(device):
        return forward
    names, parameters = zip(*forward.named_parameters(), strict=True)
    with torch.cuda.stream(torch.cuda.current_stream(device)):  # comes back if recording fails
        played = _capture(partial(_run, forward, names, device), shape, device, parameters)
    if played is None:
        torch.cuda.empty_cache()
        return forward
    return Recording(forward, shape, played)


def _records_on(device):
    """Whether torch would record what happens on this device.

    It records the current one, by a stream that it makes once and for all.
    """
    if device.type != "cuda" or device.index not in (None, torch.cuda.current_device()):
        return False
    stream = torch.cuda.graph.default_capture_stream
    return stream is None or stream.device.index == torch.cuda.current_device()


def _run(forward, names, device, x, *weights):
    """Logits with other weights, in the mixed precision that a recording begins and ends itself."""
    with half_precision(device):
        return functional_call(forward, dict(zip(names, weights, strict=True)), x)


def _capture(run, shape, device, parameters):
    """Record ``run(x, *parameters)`` and its gradients; None if memory does not suffice.

    The recording sees the parameters through tensors of its own on the same memory: it would
    otherwise tie the sums of their gradients to the stream that it was made in.
    """
    gc.collect()
    batch = torch.zeros(shape, device=device)
    batch = batch.to(memory_format=memory_format(device, training=True))
    weights = (weights.detach().requires_grad_() for weights in parameters)
    with warnings.catch_warnings(), tuned_convolutions():
        # Torch keeps what it warmed up with, and then warns of its stream (seen in 2.11).
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
        try:
            return torch.cuda.make_graphed_callables(run, (batch, *weights))
        except torch.cuda.OutOfMemoryError:
            return None
        except RuntimeError as error:  # a driver, or a thread that uses the device meanwhile
            reason = str(error).split("\n")[0]
    warnings.warn(
        f"The steps are launched one by one, which takes longer; recording them failed: {reason}",
        stacklevel=2,
    )
    return None
