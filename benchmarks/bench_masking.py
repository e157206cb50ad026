"""Speed and memory of the masks of cores, and of the brightness along z.

CPU seconds of one process, medians; ``block mean`` (scikit-image's `downscale_local_mean` by 8)
is timed in the same run as a measure of the machine. Run
``python benchmarks/bench_masking.py [--fast]``.
"""

import argparse
import tracemalloc

import numpy as np
from _measure import seconds
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean

from icecoreseg import BrightnessNormalizer, CoreMasker


def peak_mib(call):
    """Memory above what is held before a call."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def make_slice(size, fraction):
    """A core a little off the middle of its casing, with noise."""
    random = np.random.default_rng(0)
    field = gaussian_filter(random.standard_normal((size // 2,) * 2, dtype=np.float32), 2)
    field = field.repeat(2, axis=0).repeat(2, axis=1)
    grey = np.where(field < np.quantile(field[::7, ::7], fraction), np.float32(115), 22)
    places = np.linspace(-1, 1, size, dtype=np.float32)
    grey[np.hypot(places[:, np.newaxis] + 0.01, places) > 0.81] = 22
    radius = np.hypot(places[:, np.newaxis], places)
    grey[(radius > 0.845) & (radius < 0.89)] = 190
    grey += random.normal(0, 9, grey.shape).astype(np.float32)
    return np.clip(grey, 0, 255).astype(np.uint8)


def main(fast=False):
    size, n_rounds = (1024, 3) if fast else (4096, 9)
    print(f"one slice of {size} x {size} uint8; CPU milliseconds, median of {n_rounds}")
    print(f"{'kind':6s} {'step':30s} {'ms':>7s} {'peak MiB':>9s}")
    for kind, fraction in (("snow", 0.3), ("firn", 0.79), ("ice", 0.96)):
        X = make_slice(size, fraction)[np.newaxis]
        masker = CoreMasker(outside=0).fit(X)
        masked = masker.transform(X)
        normalizer = BrightnessNormalizer(outside=0).fit(masked)
        steps = {
            "block mean (scikit-image)": lambda X=X: downscale_local_mean(X[0], (8, 8)),
            "CoreMasker.report: outline": lambda X=X, m=masker: m.report(X),
            "CoreMasker.transform": lambda X=X, m=masker: m.transform(X),
            "BrightnessNormalizer.transform": lambda X=masked, n=normalizer: n.transform(X),
        }
        for name, call in steps.items():
            print(
                f"{kind:6s} {name:30s} {1e3 * seconds(call, n_rounds):7.1f} {peak_mib(call):9.0f}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--fast", action="store_true", help="1024 x 1024 instead of 4096 x 4096")
    main(parser.parse_args().fast)
