"""Speed of labelling and downsampling, as ratios against public references in one run.

References: scikit-learn's GaussianMixture on the same voxels (fed float64, because its float32
fit is off by percents), scikit-image's ``downscale_local_mean``, and Pillow's bare PNG decoding.
CPU seconds, medians. Run ``python benchmarks/bench_labeling.py [--fast]``.
"""

import argparse
import io
import statistics
import time

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean
from sklearn.mixture import GaussianMixture

from icecoreseg import GMMLabeler, downsample_labels


def seconds(call, n_rounds):
    """Median CPU seconds of a call."""
    times = []
    for _ in range(n_rounds):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return statistics.median(times)


def make_slice(size, ice=0.8):
    """Two phases with noise, in a disc; zero outside."""
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(size=(size, size)).astype(np.float32), 6)
    grey = np.where(field > np.quantile(field, 1 - ice), 110, 20) + rng.normal(0, 12, field.shape)
    radius = np.hypot(*np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j])
    return np.where(radius < 0.85, np.rint(grey).clip(1, 255), 0).astype(np.uint8)


def main(fast=False):
    size, n_rounds = (1024, 3) if fast else (4096, 5)
    plane = make_slice(size)
    voxels = plane[plane > 0]
    X = plane[np.newaxis]
    model = GaussianMixture(2, covariance_type="tied", random_state=0)
    voxels64 = voxels[:, None].astype(np.float64)
    labeler = GMMLabeler(smoothing=None, anchor_strength=0, tol=1e-3, outside=0)
    smoother = GMMLabeler(outside=0).fit(X)
    png = io.BytesIO()
    Image.fromarray(plane).save(png, "PNG")
    labels = np.random.default_rng(0).integers(0, 2, (2, size, size), dtype=np.uint8)

    rows = {
        "fit": (lambda: model.fit(voxels64), lambda: labeler.fit(X)),
        "predict": (lambda: model.predict(voxels64), lambda: labeler.predict(X)),
        "downsample": (
            lambda: downscale_local_mean(labels, (2, 2, 2)) > 0.5,
            lambda: downsample_labels(labels, ties="air"),
        ),
        "PNG decoding / default fit + predict": (
            lambda: np.asarray(Image.open(png)),
            lambda: smoother.fit(X).predict(X),
        ),
    }
    print(f"one slice of {size} x {size} uint8; CPU seconds, median of {n_rounds}")
    print(f"{'step':40s} {'reference':>10s} {'icecoreseg':>10s} {'ratio':>7s}")
    for name, (reference, ours) in rows.items():
        slow, quick = seconds(reference, 1 if name == "fit" else n_rounds), seconds(ours, n_rounds)
        print(f"{name:40s} {slow:10.3f} {quick:10.4f} {slow / quick:7.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--fast", action="store_true", help="1024 x 1024 instead of 4096 x 4096")
    main(parser.parse_args().fast)
