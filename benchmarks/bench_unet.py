"""Speed of the U-Net against the paper's network run plainly, as ratios in one run.

The reference is the published layer table run by torch as it stands: the whole slice,
rows before channels, upsampled images stored and concatenated; once with gradients on, as
the published prediction does, and once under ``inference_mode``. Times are CPU seconds of
one thread; memory is the peak of a process of its own. What of a training step is the drawing
of its patches is measured too. With a CUDA device, slices per second and seconds per epoch are
printed as well (see ``_unet_device.py``); ``--cuda`` measures nothing else.

Run ``python benchmarks/bench_unet.py [--fast] [--cuda]``.
"""

import argparse
import statistics
import subprocess
import sys
import time
from functools import cache
from itertools import islice
from pathlib import Path

import _unet_device
import numpy as np
import torch
from _unet_device import make_slices

from icecoreseg.segmentation._device import memory_format
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._predict import place
from icecoreseg.segmentation._sampling import PatchSampler
from icecoreseg.segmentation._state import new_state
from icecoreseg.segmentation._store import SliceStore
from icecoreseg.segmentation._survey import survey
from icecoreseg.segmentation._tiling import slice_logits
from icecoreseg.segmentation._training import train_step

CPU = torch.device("cpu")


@cache
def plain_network():
    """Published layers, nothing folded, NCHW."""
    return initialise(UNet(folded=False), seed=0).eval()


@cache
def fast_network():
    """Return the package's network, ready to predict."""
    return place(initialise(UNet(), seed=0), CPU)


def predict_with_gradients(x):
    return plain_network()(torch.from_numpy(x)[None, None]).detach()[0, 0].numpy()


@torch.inference_mode()
def predict_plainly(x):
    return plain_network()(torch.from_numpy(x)[None, None])[0, 0].numpy()


def predict_as_we_do(x):
    return slice_logits(fast_network(), torch.from_numpy(x)[None, None], tile_size=4096)[0].numpy()


PREDICTIONS = {
    "plain, gradients on": predict_with_gradients,
    "plain, inference_mode": predict_plainly,
    "icecoreseg": predict_as_we_do,
}


def make_slice(size):
    return np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)


def train_once(network, x):
    network.zero_grad()
    network(x).square().mean().backward()


def seconds_of(candidates, n_rounds):
    """Median CPU seconds of each candidate, raced in turns."""
    times = {name: [] for name in candidates}
    for _ in range(n_rounds):
        for name, call in candidates.items():
            began = time.process_time()
            call()
            times[name].append(time.process_time() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_mib(name, size):
    """Peak memory of one prediction in a fresh process, above that of the imports."""
    command = [sys.executable, __file__, "--peak", name, "--size", str(size)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(result.stdout)


def resident_mib(name):
    """A line of Linux's memory account of this process: VmRSS (now) or VmHWM (peak)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def print_peak(name, size):
    before = resident_mib("VmRSS")
    PREDICTIONS[name](make_slice(size))
    print(resident_mib("VmHWM") - before)


def print_table(title, seconds, extra=None):
    print(f"\n{title}")
    fastest = list(seconds.values())[-1]
    for name, value in seconds.items():
        note = "" if extra is None else f"{extra[name]:9.0f} MiB"
        print(f"  {name:26s} {value:8.2f} s  {value / fastest:5.2f} x{note}")


def bench_prediction(size, n_rounds):
    x = make_slice(size)
    results = [call(x) for call in PREDICTIONS.values()]
    difference = max(
        np.abs(1 / (1 + np.exp(-r)) - 1 / (1 + np.exp(-results[0]))).max() for r in results
    )
    seconds = seconds_of({name: lambda c=c: c(x) for name, c in PREDICTIONS.items()}, n_rounds)
    memory = {name: peak_mib(name, size) for name in PREDICTIONS}
    print_table(f"Prediction of one {size} x {size} slice, one thread", seconds, memory)
    print(f"  largest difference of probabilities: {difference:.1e}")


def bench_training(size, n_rounds):
    x = torch.from_numpy(make_slice(size))[None, None]
    laid = memory_format(CPU, training=True)
    ours = initialise(UNet(), seed=0).to(memory_format=laid), x.to(memory_format=laid)
    pairs = {"plain": (plain_network(), x), "icecoreseg": ours}
    calls = {name: lambda pair=pair: train_once(*pair) for name, pair in pairs.items()}
    print_table(f"Forward and backward, {size} x {size}, one thread", seconds_of(calls, n_rounds))


def bench_sampling(n_steps):
    """What drawing the patches takes of a step on the CPU, with the defaults."""
    X, y = make_slices(4, 1024)
    store = SliceStore([X], [y], device=CPU, budget=2**31, join=False)
    options = {"patch_size": 128, "batch_size": 4, "n_batches": 2 * n_steps + 2, "seed": 0}
    batches = PatchSampler(store, survey([X], [y], outside=0), **options).batches(0)
    state = new_state(initialise(UNet(), seed=0), CPU)
    train_step(state, *next(batches), 1e-4)
    list(islice(batches, n_steps))
    began = time.process_time()
    drawn = list(islice(batches, n_steps))
    drawing = (time.process_time() - began) / n_steps
    began = time.process_time()
    for batch in drawn:
        train_step(state, *batch, 1e-4)
    step = (time.process_time() - began) / n_steps
    print(f"\nStep of 4 patches of 128 x 128, one thread: {step + drawing:.3f} s")
    print(f"  of which drawing the patches {1e3 * drawing:.1f} ms, {drawing / step:.1%}")


def main(fast=False, cuda=False):
    """Run all benchmarks and print their tables."""
    if not cuda:
        main_on_cpu(fast)
    if torch.cuda.is_available():
        _unet_device.main(torch.device("cuda"))
    elif cuda:
        sys.exit("torch finds no CUDA device")


def main_on_cpu(fast):
    torch.set_num_threads(1)
    size, n_rounds = (256, 3) if fast else (2048, 3)
    bench_prediction(size, n_rounds)
    bench_training(128 if fast else 512, n_rounds)
    bench_sampling(2 if fast else 10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fast", action="store_true", help="small images")
    parser.add_argument("--cuda", action="store_true", help="the CUDA device only")
    parser.add_argument("--peak", choices=PREDICTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=2048, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print_peak(options.peak, options.size)
    else:
        main(fast=options.fast, cuda=options.cuda)
