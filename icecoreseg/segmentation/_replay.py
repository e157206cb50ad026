"""Forward and backward pass recorded once, and played back at each step.

A step launches hundreds of small kernels. To say so one by one takes the host longer than a fast
card needs to run them; a recording is launched as one.
"""

import warnings
from functools import partial

import torch
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from icecoreseg.segmentation._device import half_precision, memory_format, tuned_convolutions


def recorded(forward, shape, device):
    """The forward pass, played back for batches of one shape; as it is where that cannot be.

    Nothing else may use the device while this records. It can't be done on the CPU, by
    several processes that average their gradients, and without the memory to hold all
    features of a batch.

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
    if device.type != "cuda" or isinstance(forward, DistributedDataParallel):
        return forward
    names, parameters = zip(*forward.named_parameters(), strict=True)
    played = _capture(partial(_run, forward, names, device), shape, device, parameters)
    if played is None:
        torch.cuda.empty_cache()
        return forward
    return lambda x: played(x, *parameters) if x.shape == shape else forward(x)


def _run(forward, names, device, x, *weights):
    """Logits with other weights, in the mixed precision that a recording begins and ends itself."""
    with half_precision(device):
        return functional_call(forward, dict(zip(names, weights, strict=True)), x)


def _capture(run, shape, device, parameters):
    """Record ``run(x, *parameters)`` and its gradients; None if memory does not suffice.

    The recording sees the parameters through tensors of its own on the same memory: it would
    otherwise tie the sums of their gradients to the stream that it was made in.
    """
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
