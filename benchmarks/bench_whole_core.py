"""Whole cores: memory that does not grow with the stack, all cores at work, close to decoding.

Each line of the first table is a process of its own that labels (smoothed mixture, fitted
before), masks and fits a mixture to all slices, predicts (a small U-Net) or measures a folder
of PNG slices of 50 and of 500 slices: peak resident memory, and slices per second of wall time.
The second compares labelling 24 larger slices on one core and on two, and labelling with bare
PNG decoding by Pillow, in CPU seconds of one run.

Run ``python benchmarks/bench_whole_core.py [--fast]``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import dask
import numpy as np
from _measure import most_held_mib
from PIL import Image
from scipy.ndimage import gaussian_filter

from icecoreseg import CoreMasker, GMMLabeler, MicrostructureMetrics, open_stack, write_stack


def make_slices(size, n_different=8):
    """Two phases with noise in a disc, zero outside: a few slices, to be repeated."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(size=(n_different, size, size)).astype(np.float32), 4)
    grey = np.where(field > np.quantile(field, 0.2), 110, 20) + rng.normal(0, 12, field.shape)
    disc = np.hypot(*np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]) < 0.85
    return np.where(disc, np.rint(grey).clip(1, 255), 0).astype(np.uint8)


def make_folder(folder, slices, n_slices):
    """A scan of n_slices, there and back again through the same few slices."""
    folder.mkdir()
    write_stack(slices, folder / "few")
    files = sorted((folder / "few").glob("*.png"))
    turn = [*range(len(files)), *range(len(files) - 2, 0, -1)]
    for number in range(n_slices):
        os.link(files[turn[number % len(turn)]], folder / f"scan_{number:05}.png")


def prepare(slices, folder):
    """Fitted estimators, on disk."""
    labels = GMMLabeler(outside=0).fit(slices).predict(slices)
    options = {"max_epochs": 1, "batches_per_epoch": 1, "batch_size": 1, "patch_size": 64}
    from icecoreseg import UNetSegmenter

    model = UNetSegmenter(widths=(8, 16, 24), outside=0, random_state=0, **options)
    model.fit(slices, labels).save(folder / "model")


def load(path):
    """The network; torch is not imported, and not counted, where it is not needed."""
    from icecoreseg import UNetSegmenter

    return UNetSegmenter.load(path)


def work(step, folder, n_cores):
    """One step on a whole folder; prints what it took (Linux)."""
    X = open_stack(folder / "*.png", slab=2)
    labeler = GMMLabeler(outside=0).fit(X[:8])
    model = load(folder.parent / "model") if step == "predict" else None
    with tempfile.TemporaryDirectory() as out, engine(step, n_cores):
        began, cpu = time.perf_counter(), time.process_time()
        if step == "measure":
            MicrostructureMetrics(60).fit_transform(labeler.predict(X))
        elif step == "fit":
            labeler.fit(CoreMasker(outside=0).fit(X).transform(X))
        else:
            result = model.predict(X) if model else labeler.predict(X)
            write_stack(result, Path(out) / "labels")
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    said = {"peak_mib": most_held_mib(), "wall_s": wall, "cpu_s": cpu, "n_slices": X.shape[0]}
    print(json.dumps(said))


@contextmanager
def engine(step, n_cores):
    """Threads, or for "label on processes" a local cluster of workers with one thread each."""
    if step != "label on processes":
        with dask.config.set(num_workers=n_cores):
            yield
        return
    from distributed import Client, LocalCluster

    options = {"n_workers": n_cores, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client.run(__import__, "icecoreseg.labeling")  # imports are not labelling
        yield


def run(step, folder, n_cores=2):
    """`work` in a process of its own."""
    command = [sys.executable, __file__, "--work", step, str(folder), str(n_cores)]
    settings = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, env=os.environ | settings, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def decoding_seconds(folder):
    """CPU seconds per slice of bare decoding."""
    files = sorted(folder.glob("scan_*.png"))
    began = time.process_time()
    for file in files:
        with Image.open(file) as image:
            np.asarray(image)
    return (time.process_time() - began) / len(files)


def main(fast=False):
    size, lengths = (256, (20, 200)) if fast else (512, (50, 500))
    with tempfile.TemporaryDirectory() as name:
        folder, slices = Path(name), make_slices(size)
        for length in lengths:
            make_folder(folder / str(length), slices, length)
        prepare(slices, folder)
        print(f"slices of {size} x {size} uint8, slabs of 2; load average {os.getloadavg()[0]:.1f}")
        print(f"{'step':10s} {'slices':>6s} {'peak MiB':>9s} {'slices/s':>9s} {'growth':>7s}")
        for step in ("label", "fit", "predict", "measure"):
            peaks = []
            for length in lengths:
                said = run(step, folder / str(length))
                peaks.append(said["peak_mib"])
                print(
                    f"{step:10s} {length:6d} {peaks[-1]:9.0f} {length / said['wall_s']:9.1f} "
                    f"{peaks[-1] / peaks[0] - 1:7.1%}",
                    flush=True,
                )
        print(f"\n{'labelling':34s} {'ratio':>7s}")
        short = folder / str(lengths[0])
        alone = run("label", short, 1)
        make_folder(folder / "large", make_slices(4 * size, 4), 24)
        for step in ("label", "label on processes"):
            one, two = (run(step, folder / "large", n) for n in (1, 2))
            name = f"two cores against one, {step.partition(' on ')[2] or 'threads'}"
            print(f"{name:34s} {one['wall_s'] / two['wall_s']:7.2f}")
        decoding = decoding_seconds(short)
        labelling = alone["cpu_s"] / alone["n_slices"]
        print(f"{'bare PNG decoding, CPU seconds':34s} {decoding / labelling:7.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--fast", action="store_true", help="256 x 256, 20 and 200 slices")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], Path(arguments.work[1]), int(arguments.work[2]))
    else:
        main(arguments.fast)
