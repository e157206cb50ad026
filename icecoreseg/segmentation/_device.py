"""Where the network runs, with which number format, and how arrays get there: said once."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import torch

HOST_BYTES = 2**31
"""Memory for decoded slices of lazy stacks, where the CPU trains: grey values and labels."""


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


def half_type(device):
    """Number format that a device multiplies in: bfloat16 on CUDA, float16 on older cards.

    Examples
    --------
    >>> half_type(torch.device("cpu"))
    torch.float32
    """
    if device.type != "cuda":
        return torch.float32
    # Torch says that all cards "support" bfloat16, which those before Ampere emulate.
    native = torch.version.hip or torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if native else torch.float16


def half_precision(device):
    """Context of mixed precision on CUDA; float32 on the CPU, where half is far slower."""
    if device.type != "cuda":
        return nullcontext()
    return torch.autocast("cuda", dtype=half_type(device), cache_enabled=False)


def loss_scaler(device):
    """Scaler that keeps float16 gradients from vanishing; idle for bfloat16 and on the CPU."""
    needed = device.type == "cuda" and half_type(device) is torch.float16
    return torch.amp.GradScaler(device.type, enabled=needed)


def memory_format(device, *, training):
    """channels_last where it is fast: CUDA always, the CPU for prediction.

    In training it takes a CPU with AVX-512: a step of 512 x 512 falls from 0.97 to 0.63 s of one
    core there, while with AVX2 it rose by a quarter.
    """
    fast = device.type == "cuda" or not training
    fast = fast or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.channels_last if fast else torch.contiguous_format


@contextmanager
def tuned_convolutions():
    """Let cuDNN try its algorithms on the first image of a size, and keep the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def for_threads(function, device):
    """The function as threads may call it: on CUDA in the stream, and on the device, of now."""
    if device.type != "cuda":
        return function
    stream = torch.cuda.current_stream(device)

    def call(*arguments):
        with torch.cuda.stream(stream):
            return function(*arguments)

    return call


def slice_bytes(device):
    """Memory for the slices that are trained on, where they are trained on.

    Of a CUDA device the largest power of two that is no more than half of what is free: the
    order of the patches depends on it, and shall not change with every megabyte.
    """
    if device.type != "cuda":
        return HOST_BYTES
    return 1 << max(1, torch.cuda.mem_get_info(device)[0] // 2).bit_length() - 1


def as_tensor(array):
    """Array as a tensor that shares its memory if it can, with uint16 as int16.

    Torch cannot pick values out of uint16; `decoded` undoes the trick.

    Examples
    --------
    >>> grey = np.array([7, 65535], dtype=np.uint16)
    >>> as_tensor(grey), decoded(as_tensor(grey))
    (tensor([ 7, -1], dtype=torch.int16), tensor([    7, 65535], dtype=torch.int32))
    """
    array = np.require(array, requirements="C")
    array = array.reshape(-1).reshape(array.shape)  # axes of length 1 may have negative strides
    if array.dtype == np.uint16:
        array = array.view(np.int16)
    return torch.from_numpy(array if array.flags.writeable else _said_to_be_writable(array))


def _said_to_be_writable(array):
    """The same memory without its lock: torch warns of one, although nobody here writes."""
    unlocked = array.__array_interface__ | {"data": (array.ctypes.data, False)}
    return np.asarray(SimpleNamespace(__array_interface__=unlocked, owner=array))


def decoded(grey):
    """Grey values of `as_tensor` in a format that torch can reckon with."""
    return grey.to(torch.int32) & 0xFFFF if grey.dtype == torch.int16 else grey


def to_device(array, device):
    """Turn an array into a tensor on the device; the copy to CUDA need not be waited for."""
    tensor = as_tensor(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Fetched:
    """A tensor on its way to the host, which is waited for only when it is asked for.

    Examples
    --------
    >>> Fetched(torch.ones(2)).get()
    tensor([1., 1.])
    """

    def __init__(self, tensor):
        self._host = tensor.to("cpu", non_blocking=True)  # into pinned memory, if from CUDA
        self._arrived = torch.cuda.Event() if tensor.is_cuda else None
        if self._arrived is not None:
            self._arrived.record(torch.cuda.current_stream(tensor.device))

    def get(self):
        """The tensor on the host."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._host
