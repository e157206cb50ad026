"""Slices per second and seconds per epoch on a GPU, against the paper's network run plainly.

Both start from uint8 slices in host memory and run in the same process: round specimens that
cover 38 % of slices of 2048 x 2048, as in the published scans. The epoch is extrapolated from
the steps that are measured; its slices are taken to be decoded already.
"""

import time

import numpy as np
import torch
import torch.nn.functional as F

from icecoreseg.segmentation._checkpoint import Checkpoint
from icecoreseg.segmentation._device import slice_bytes
from icecoreseg.segmentation._network import UNet, initialise
from icecoreseg.segmentation._parameters import batch_size
from icecoreseg.segmentation._predict import place, stack_labels
from icecoreseg.segmentation._replay import played_back
from icecoreseg.segmentation._sampling import PatchSampler
from icecoreseg.segmentation._state import Schedule, new_state
from icecoreseg.segmentation._store import SliceStore
from icecoreseg.segmentation._survey import GreyScale, survey
from icecoreseg.segmentation._training import run_epoch

PAPER_SLICES = 6195
"""Slices that the paper's network was trained on, in 30 minutes per epoch."""

PATCH_SIZE = 128


def make_slices(n_slices, size):
    """Grey slices and labels: a noisy disc in the middle, 0 and OUTSIDE around it."""
    rng = np.random.default_rng(0)
    y = (rng.random((n_slices, size // 8, size // 8)) < 0.6).astype(np.uint8)
    y = y.repeat(8, axis=1).repeat(8, axis=2)
    X = 60 + 80 * y + rng.integers(0, 60, y.shape, dtype=np.uint8)
    rows, columns = np.ogrid[:size, :size]
    outside = (rows - size / 2) ** 2 + (columns - size / 2) ** 2 > (0.35 * size) ** 2
    X[:, outside], y[:, outside] = 0, 255
    return X, y


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(call, device):
    """Wall seconds of the second call; the first chooses algorithms and takes memory."""
    call()
    wait(device)
    began = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - began


@torch.inference_mode()
def predict_plainly(network, X, device):
    """One slice after another: float32, rows before channels, each waited for."""
    for image in X:
        x = torch.from_numpy(image.astype(np.float32))[None, None].to(device)
        (network((x - 100.0) / 40.0).sigmoid() >= 0.5).cpu().numpy()


def bench_prediction(X, device):
    """Slices per second from host memory, the copies to and fro included."""
    options = {"grey": GreyScale(100.0, 40.0, 0), "tile_size": 2048, "threshold": 0.5}
    plain = initialise(UNet(folded=False), seed=0).to(device).eval()
    ours = place(initialise(UNet(), seed=0), device)
    rows = {
        "plain: float32, NCHW, slice by slice": lambda: predict_plainly(plain, X, device),
        "icecoreseg": lambda: stack_labels(X, network=ours, **options),
    }
    print(f"\nPrediction, {len(X)} slices of {X.shape[1]} x {X.shape[2]} from host memory")
    for name, call in rows.items():
        print(f"  {name:40s} {len(X) / seconds_of(call, device):8.1f} slices per second")


def train_plainly(X, y, device, n_steps):
    """Whole slices one by one: float32, rows before channels, each waited for."""
    network = initialise(UNet(folded=False), seed=0).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    for i in range(n_steps):
        x = torch.from_numpy(X[i % len(X)].astype(np.float32))[None, None].to(device)
        target = torch.from_numpy((y[i % len(y)] == 1).astype(np.float32))[None, None].to(device)
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(network((x - 100.0) / 40.0), target)
        loss.backward()
        optimizer.step()
        loss.item()


def bench_epoch(X, y, device, n_steps, n_plain):
    """Seconds per epoch of the paper's size, extrapolated from some steps."""
    plain = seconds_of(lambda: train_plainly(X, y, device, n_plain), device) / n_plain
    store = SliceStore([X], [y], device=device, budget=slice_bytes(device), join=True)
    n = batch_size({"batch_size": "auto", "patch_size": PATCH_SIZE}, device)
    found = survey([X], [y], outside=0, keep=store.put)
    sampler = PatchSampler(
        store, found, patch_size=PATCH_SIZE, batch_size=n, n_batches=n_steps, seed=0
    )
    state, schedule = new_state(initialise(UNet(), seed=0), device), Schedule(99, n_steps, 1e-4)

    def epoch():
        run_epoch(state, sampler, schedule, checkpoint=Checkpoint(None, {}))
        state.epoch, state.batch = state.epoch + 1, 0

    with played_back(state, (n, 1, PATCH_SIZE, PATCH_SIZE)):
        step = seconds_of(epoch, device) / n_steps
    inside, pixels = float(np.mean([counts.mean() for counts in found.n_valid])), X[0].size
    print(f"\nOne epoch of {PAPER_SLICES} slices of {X.shape[1]} x {X.shape[2]}, extrapolated")
    print(f"  plain, whole slices, {n_plain} steps measured: {PAPER_SLICES * plain:10.1f} s")
    for name, voxels in (("specimen once", inside), ("every pixel once", pixels)):
        n_batches = PAPER_SLICES * voxels / (n * PATCH_SIZE**2)
        print(
            f"  icecoreseg, {name}: {n_batches:.0f} steps of {n} patches of {PATCH_SIZE} x "
            f"{PATCH_SIZE}, {n_steps} measured: {n_batches * step:10.1f} s"
        )


def main(device, *, size=2048, n_slices=64, n_steps=300, n_plain=20):
    """Print both tables."""
    if device.type == "cuda":
        print(f"\n{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    X, y = make_slices(n_slices, size)
    bench_prediction(X, device)
    bench_epoch(X, y, device, n_steps, n_plain)
