"""Speed of the U-Net against the paper's network run plainly, as ratios in one run.

The reference is the published layer table run by torch as it stands: the whole slice,
rows before channels, upsampled images stored and concatenated; once with gradients on, as
the published prediction does, and once under ``inference_mode``. Times are CPU seconds of
one thread; memory is the peak of a process of its own. With a CUDA device, slices per
second are printed as well.

Run ``python benchmarks/bench_unet.py [--fast]``.
"""

import argparse
import statistics
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch

from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._predict import place, slab_labels
from icecoreseg.segmentation._survey import GreyScale
from icecoreseg.segmentation._tiling import slice_logits

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
    return slice_logits(fast_network(), torch.from_numpy(x), tile_size=4096).numpy()


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
    networks = {"plain": plain_network(), "icecoreseg": initialise(UNet(), seed=0)}
    calls = {name: lambda n=n: train_once(n, x) for name, n in networks.items()}
    print_table(f"Forward and backward, {size} x {size}, one thread", seconds_of(calls, n_rounds))


def bench_cuda(size, n_slices=64):
    """Slices per second from host memory, the copy to and fro included."""
    device = torch.device("cuda")
    network = place(initialise(UNet(), seed=0), device)
    X = np.random.default_rng(0).integers(0, 256, (n_slices, size, size), dtype=np.uint8)
    options = {"network": network, "grey": GreyScale(100.0, 40.0, 0), "tile_size": 4096}
    slab_labels(X[:2], threshold=0.5, **options)
    began = time.perf_counter()
    slab_labels(X, threshold=0.5, **options)
    rate = n_slices / (time.perf_counter() - began)
    print(f"\n{torch.cuda.get_device_name()}: {rate:.1f} slices of {size} x {size} per second")


def main(fast=False):
    """Run all benchmarks and print their tables."""
    torch.set_num_threads(1)
    size, n_rounds = (256, 3) if fast else (2048, 3)
    bench_prediction(size, n_rounds)
    bench_training(128 if fast else 512, n_rounds)
    if torch.cuda.is_available():
        bench_cuda(2048)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fast", action="store_true", help="small images")
    parser.add_argument("--peak", choices=PREDICTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=2048, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print_peak(options.peak, options.size)
    else:
        main(fast=options.fast)
