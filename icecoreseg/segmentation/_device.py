"""Where the network runs, and with which number format: said once."""

from contextlib import nullcontext

import torch


def choose_device(device):
    """Return the torch device for "auto", "cpu", "cuda", "cuda:1"...

    Raises
    ------
    ValueError
        If the name means nothing to torch, or no such device is there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is not known to torch: {error}") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r}, but torch finds no CUDA device; use device='auto'.")
    return chosen


def half_precision(device):
    """Context of mixed precision on CUDA; float32 on the CPU, where half is far slower."""
    if device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", dtype=_half_type())


def loss_scaler(device):
    """Scaler that keeps float16 gradients from vanishing; idle for bfloat16 and on the CPU."""
    needed = device.type == "cuda" and _half_type() is torch.float16
    return torch.amp.GradScaler(device.type, enabled=needed)


def memory_format(device, *, training):
    """channels_last where it is fast: CUDA always, the CPU for prediction.

    In training it takes a CPU with AVX-512: a step of 512 x 512 falls from 0.97 to 0.63 s of one
    core there, while with AVX2 it is half as slow again.
    """
    fast = device.type == "cuda" or not training
    fast = fast or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.channels_last if fast else torch.contiguous_format


def to_device(array, device):
    """Turn an array into a tensor on the device; the copy to CUDA need not be waited for."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor


def _half_type():
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
