"""Several processes that train one network, started by ``torchrun``.

Each process draws its share of every batch; gradients are averaged by torch's
DistributedDataParallel. Without ``torchrun`` everything here does nothing.
"""

import os
from contextlib import contextmanager

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def process_group(device):
    """Join the processes that torchrun has started, if it has; leave them at the end."""
    joins = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized()
    if joins:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        if joins:
            distributed.destroy_process_group()


def own_device(device):
    """Device of this process: on a machine with several, the one with its local rank."""
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def n_processes():
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank():
    """Which of them this is; 0 writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def share(network, device):
    """Wrap the network so that gradients are averaged over the processes."""
    if n_processes() == 1:
        return network
    devices = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)


def add_up(tensor):
    """The tensor summed over the processes, in place."""
    if n_processes() > 1:
        distributed.all_reduce(tensor)
    return tensor


def total(value, device):
    """Sum of a number over the processes."""
    if n_processes() == 1:
        return value
    return add_up(torch.tensor(value, dtype=torch.float64, device=device)).item()


def agree_on(value, device):
    """The integer of the first process, in all of them."""
    if n_processes() == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.int64, device=device)
    distributed.broadcast(tensor, src=0)
    return int(tensor.item())
