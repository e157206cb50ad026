"""Speed of labelling and downsampling, as ratios against public references in one run.

References: scikit-learn's GaussianMixture on the same voxels (fed float64, because its float32
fit is off by percents), scikit-image's ``downscale_local_mean`` and scipy's Gaussian. The way
from a folder of raw slices to a folder of coarse labels is compared with the same way
written plainly with these libraries, and with bare decoding of the slices and encoding of the
labels by Pillow. CPU seconds, medians. Run ``python benchmarks/bench_labeling.py [--fast]``.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import dask
import numpy as np
from _measure import most_held_mib, seconds
from PIL import Image
from scipy.ndimage import binary_erosion, binary_fill_holes, gaussian_filter
from skimage.filters import threshold_otsu
from skimage.transform import downscale_local_mean
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline

from icecoreseg import (
    CoreMasker,
    GMMLabeler,
    MaskDownsampler,
    downsample_labels,
    open_stack,
    write_stack,
)
from icecoreseg.labeling._levels import Levels
from icecoreseg.labeling._smoothing import smooth_slice
from icecoreseg.stacks._png import encode_png

UNSMOOTHED = {"smoothing": None, "anchor_strength": 0, "prior": "mixture", "tol": 1e-3}
PAPER = UNSMOOTHED | {"smoothing": (0, 1.1, 1.1), "sharpening": 0}
SMOOTHINGS = {"paper's smoothing": PAPER, "default smoothing": {}}
KERNELS = {"2-D": ((0, 1.1, 1.1), 0), "3-D": ((1.15,) * 3, 0.8)}
"""Standard deviations and sharpening of the two."""


def make_slice(size, ice=0.8):
    """Two phases with noise, in a disc; zero outside."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(size=(size, size)).astype(np.float32), 6)
    grey = np.where(field > np.quantile(field, 1 - ice), 110, 20) + rng.normal(0, 12, field.shape)
    radius = np.hypot(*np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j])
    return np.where(radius < 0.85, np.rint(grey).clip(1, 255), 0).astype(np.uint8)


def plain_smooth(slab, mask, sigma, sharpening):
    """Normalised Gaussian smoothing by scipy."""
    result = 0
    for factor, scale in ((1 + sharpening, 1), (-sharpening, 2)):
        if factor:
            options = {"sigma": [scale * s for s in sigma], "truncate": 2.0}
            grey = gaussian_filter(np.where(mask, slab, 0).astype(np.float32), **options)
            norm = gaussian_filter(mask.astype(np.float32), **options)
            result = result + factor * (grey / np.maximum(norm, 1e-6))
    return result


def plain_chain(files, target, sigma, sharpening):
    """Mask, smooth, label, reduce and write, as one would write it down."""
    slab, masks = [], []
    for file in files:
        slab.append(np.asarray(Image.open(file)))
        rough = gaussian_filter(slab[-1].astype(np.float32), 8)
        mask = binary_fill_holes(rough > threshold_otsu(rough))
        masks.append(binary_erosion(mask, iterations=4))
    slab, masks = np.stack(slab), np.stack(masks)
    labels = np.zeros(slab.shape, np.uint8)
    for smooth, mask, row in zip(
        plain_smooth(slab, masks, sigma, sharpening), masks, labels, strict=True
    ):
        model = GaussianMixture(2, covariance_type="tied", random_state=0)
        voxels = smooth[mask].astype(np.float64)[:, None]
        ice = model.fit(voxels).means_.argmax()
        row[mask] = model.predict(voxels) == ice
    for number in range(0, len(files), 2):
        coarse = downscale_local_mean(np.stack(labels[number : number + 2]), (2, 2, 2)) > 0.5
        Image.fromarray(coarse[0].view(np.uint8)).save(target / f"{number:05}.png")


def plain_reduction(masks):
    """As the paper's code does it: a stack of floats, its block mean, over the largest value."""
    stack = np.zeros(masks.shape)
    for number, mask in enumerate(masks):
        stack[number] = mask
    low = downscale_local_mean(stack, (2, 2, 2))
    return low / low.max() > 0.5


def our_fit(source, options):
    """The same steps in this package; the anchor is learned from the first slab, once per core."""
    scan = open_stack(source)
    steps = CoreMasker(outside=0), GMMLabeler(outside=0, **options), MaskDownsampler(2)
    return make_pipeline(*steps).fit(scan[: scan.chunks[0][0]])


def our_chain(steps, source, target):
    """Mask, smooth, label, reduce and write a folder of slices."""
    write_stack(steps.transform(open_stack(source)), target, overwrite=True)


def bare(files, coarse, encode):
    """Decode the slices, encode one coarse mask for every pair; nothing in between."""
    for file in files:
        np.asarray(Image.open(file))
    for _ in range(len(files) // 2):
        encode(coarse)


def by_pillow(pixels):
    """Pillow's PNG at its defaults."""
    with tempfile.TemporaryFile() as file:
        Image.fromarray(pixels).save(file, "PNG")


def steps(plane, n_rounds):
    """Rows (name, seconds of the reference, ours) of single steps."""
    X, size = plane[np.newaxis], plane.shape[0]
    voxels = plane[plane > 0][:, None].astype(np.float64)
    model = GaussianMixture(2, covariance_type="tied", random_state=0)
    labeler = GMMLabeler(outside=0, **UNSMOOTHED)
    yield "fit", seconds(lambda: model.fit(voxels)), seconds(lambda: labeler.fit(X), n_rounds)
    every = plane.reshape(-1, 1).astype(np.float64)  # whole slices, as the paper's code predicts
    reference = seconds(lambda: model.predict(every), n_rounds)
    yield "predict (with its own fit)", reference, seconds(lambda: labeler.predict(X), n_rounds)
    levels = Levels(X, 0, (0, 0, 0), outside=0)
    table = levels.histogram.levels > labeler.means_.mean()
    yield "predict (the labels alone)", reference, seconds(lambda: levels.label(table), n_rounds)
    same = (labeler.predict(X)[plane[None] > 0] == 1) == (
        model.predict(voxels) == model.means_.argmax()
    )
    print(f"labels that differ from scikit-learn's: {np.count_nonzero(~same)} of {same.size}")
    slab = np.stack([np.roll(plane, 7 * z, axis=0) for z in range(11)])
    for name, (sigma, sharpening) in KERNELS.items():
        part = slab if sigma[0] else X
        ours = seconds(
            lambda part=part, sigma=sigma, sharpening=sharpening: smooth_slice(
                part, len(part) // 2, sigma, sharpening=sharpening, outside=0
            ),
            n_rounds,
        )
        theirs = seconds(
            lambda part=part, sigma=sigma, sharpening=sharpening: plain_smooth(
                part, part > 0, sigma, sharpening
            )
        )
        yield f"smooth {name} (scipy, per slice of a stack)", theirs / len(part), ours
    labels = np.random.default_rng(0).integers(0, 2, (2, size, size), dtype=np.uint8)
    same = np.array_equal(downsample_labels(labels, ties="air"), plain_reduction(labels))
    print(f"2 x 2 x 2 reduction equal to scikit-image's: {same}")
    for name, given in {"bytes": labels, "a mask of bool": labels.view(bool)}.items():
        reference = seconds(lambda g=given: downscale_local_mean(g, (2, 2, 2)) > 0.5, n_rounds)
        ours = seconds(lambda g=given: downsample_labels(g, ties="air"), n_rounds)
        yield f"2 x 2 x 2 reduction of {name} (scikit-image)", reference, ours
    masks = 255 * labels
    reference = seconds(lambda: plain_reduction(masks), n_rounds)
    ours = seconds(lambda: downsample_labels(labels, ties="air"), n_rounds)
    yield "2 x 2 x 2 reduction (scikit-image, as the paper)", reference, ours


def chains(plane, folder, n_slices):
    """Rows of the whole way; CPU seconds per high-resolution slice."""
    write_stack(np.stack([plane[:, :: (-1) ** z] for z in range(n_slices)]), folder / "scan")
    files = sorted((folder / "scan").glob("*.png"))
    coarse = downsample_labels(np.stack([plane > 60] * 2).view(np.uint8))[0]
    bares = {
        "Pillow": seconds(lambda: bare(files, coarse, by_pillow)) / n_slices,
        "our encoder": seconds(lambda: bare(files, coarse, encode_png)) / n_slices,
    }
    for name, kernel in zip(SMOOTHINGS, KERNELS.values(), strict=True):
        plain = seconds(lambda kernel=kernel: plain_chain(files[:4], folder, *kernel)) / 4
        command = [sys.executable, __file__, "--chain", name, str(folder)]
        output = subprocess.check_output(command, text=True)
        fit, ours, peak = map(float, output.split())
        ours /= n_slices
        print(f"chain, {name}: fit {fit:.1f} s per core; {peak:.0f} MiB above the imports")
        yield f"chain, {name}, plain chain", plain, ours
        for encoder, reference in bares.items():
            yield f"chain, {name}, bare PNG ({encoder})", reference, ours


def chain_alone(name, folder):
    """CPU seconds of our fit and chain, and MiB above the imports, in a process of its own.

    On one thread, as the references; by default dask takes one per core.
    """
    dask.config.set(num_workers=1)
    folder, options = Path(folder), SMOOTHINGS[name]
    write_stack(np.stack([make_slice(128)] * 4), folder / "small", overwrite=True)
    our_chain(our_fit(folder / "small", options), folder / "small", folder / "small labels")
    before = most_held_mib()  # with all that is imported
    fit = seconds(lambda: our_fit(folder / "scan", options))
    steps = our_fit(folder / "scan", options)
    used = seconds(lambda: our_chain(steps, folder / "scan", folder / name))
    print(fit, used, most_held_mib() - before)


def main(fast=False):
    size, n_rounds, n_slices = (1024, 3, 4) if fast else (4096, 5, 8)
    plane = make_slice(size)
    print(f"slices of {size} x {size} uint8; CPU seconds per slice, median of {n_rounds}")
    print(f"{'step':60s} {'reference':>10s} {'icecoreseg':>10s} {'ratio':>7s}")
    with tempfile.TemporaryDirectory() as folder:
        for rows in (steps(plane, n_rounds), chains(plane, Path(folder), n_slices)):
            for name, slow, quick in rows:
                print(f"{name:60s} {slow:10.3f} {quick:10.4f} {slow / quick:7.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--fast", action="store_true", help="1024 x 1024 instead of 4096 x 4096")
    parser.add_argument("--chain", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.chain:
        chain_alone(*arguments.chain)
    else:
        main(arguments.fast)
