"""Speed and accuracy of scores and microstructure, against public references in one run.

References: scikit-learn's five scores, scikit-image's ``perimeter_crofton``, ``marching_cubes``
with ``mesh_surface_area`` and ``euler_number``, scipy's exact distance transform. CPU seconds,
the least of rounds that take turns. Then the error of the surface by size of the feature, and
the whole default 3-D set of one volume with its peak memory.
Run ``python benchmarks/bench_microstructure.py [--fast]``.
"""

import argparse
import resource
import time
import warnings

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation
from skimage import measure
from sklearn import metrics as sklearn_metrics

from icecoreseg import OUTSIDE
from icecoreseg.metrics import score_table
from icecoreseg.microstructure import boundary_length, surface_density, volume_metrics
from icecoreseg.microstructure._distance import bounded_squared_distance
from icecoreseg.microstructure.topology import euler_characteristic
from icecoreseg.microstructure.volume import _FAMILIES

MM = 1000


def field(shape, sigma, seed=0):
    """Labels of a smooth random structure, 38 % ice."""
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    for axis, n in enumerate(shape):
        if n > 1:
            ndimage.gaussian_filter1d(noise, sigma, axis=axis, output=noise, mode="wrap")
    return (noise > 0.3 * noise.std()).astype(np.uint8)


def race(ours, theirs, n_rounds):
    """Least CPU seconds of two calls that take turns: other load on the machine shows least."""
    times = ([], [])
    for _ in range(n_rounds):
        for call, seconds in zip((ours, theirs), times, strict=True):
            began = time.process_time()
            call()
            seconds.append(time.process_time() - began)
    return [min(seconds) for seconds in times]


def five_scores(y_true, y_pred):
    """What users call: five scores of scikit-learn on the voxels of the specimen."""
    inside = y_true != OUTSIDE
    true, predicted = y_true[inside], y_pred[inside]
    for name in ("accuracy", "precision", "recall", "f1", "jaccard"):
        getattr(sklearn_metrics, f"{name}_score")(true, predicted)


def speed(fast):
    """Print seconds and ratios."""
    size, edge, n_rounds = (1024, 96, 3) if fast else (4096, 256, 5)
    plane, volume = field((1, size, size), 4), field((edge,) * 3, 4)
    scored = plane[:, : size // 2, : size // 2].copy()
    place = np.hypot(*np.ogrid[-1 : 1 : size // 2 * 1j, -1 : 1 : size // 2 * 1j])
    scored[:, place > 0.98] = OUTSIDE
    guess = np.where(np.random.default_rng(1).random(scored.shape) < 0.05, 1, scored)
    guess = guess.astype(np.uint8)
    inverse, bound = volume == 0, 15
    rows = {
        "five scores": (lambda: score_table(scored, guess), lambda: five_scores(scored, guess)),
        "perimeter": (
            lambda: boundary_length(plane, MM),
            lambda: measure.perimeter_crofton(plane[0], 4),
        ),
        "3-D surface": (
            lambda: surface_density(volume, MM),
            lambda: measure.mesh_surface_area(*measure.marching_cubes(volume, 0.5)[:2]),
        ),
        "Euler number": (
            lambda: euler_characteristic(volume),
            lambda: measure.euler_number(volume, 3),
        ),
        "distance to 15 voxels": (
            lambda: bounded_squared_distance(inverse, bound),
            lambda: ndimage.distance_transform_edt(volume),
        ),
    }
    print(f"{'':24s}{'here s':>10s}{'reference s':>13s}{'ratio':>8s}")
    for name, (ours, theirs) in rows.items():
        here, reference = race(ours, theirs, n_rounds)
        print(f"{name:24s}{here:10.4f}{reference:13.4f}{reference / here:8.0f}")


def ball_error(diameter, shifts, **options):
    """Mean relative error of a ball's surface over places on the grid, in percent."""
    n = int(diameter) + 9
    errors = []
    for shift in shifts:
        place = np.mgrid[:n, :n, :n] - (n - 1) / 2 - shift[:, None, None, None]
        ball = ((place**2).sum(axis=0) < diameter**2 / 4).astype(np.uint8)
        found = surface_density(ball, MM, **options) * n**3
        errors.append(found / (np.pi * diameter**2) - 1)
    return 100 * np.mean(errors)


def layer_errors(thickness, **options):
    """Smallest and largest relative error of layers over orientations, in percent."""
    n = 6 * thickness + 1
    place = np.mgrid[:n, :n, :n] - (n - 1) / 2
    normals = [[1, 0, 0], [1, 1, 0], [1, 1, 1], *Rotation.random(6, rng=0).apply([1, 0, 0])]
    errors = []
    for normal in normals:
        depth = np.tensordot(normal / np.linalg.norm(normal), place, 1)
        found = [
            surface_density((((depth + p) % (2 * thickness)) < thickness), MM, **options)
            for p in np.arange(5) * 0.37 * thickness
        ]
        errors.append(np.mean(found) * thickness - 1)
    return 100 * min(errors), 100 * max(errors)


def accuracy(fast):
    """Print the error of the surface by size, in percent, and of the same without corrections."""
    sizes = (8, 16) if fast else (4, 6, 8, 12, 16, 32)
    shifts = np.random.default_rng(0).random((4 if fast else 20, 3))
    print(f"\n{'error in %':24s}{'balls':>8s}{'plain':>8s}{'layers':>16s}{'plain':>16s}")
    for size in sizes:
        ball, near = ball_error(size, shifts), ball_error(size, shifts, extrapolate=False)
        right = "{:+.1f} to {:+.1f}".format(*layer_errors(size))
        plain = "{:+.1f} to {:+.1f}".format(*layer_errors(size, correct_orientation=False))
        name = f"{size} voxels"
        print(f"{name:24s}{ball:+8.1f}{near:+8.1f}{right:>16s}{plain:>16s}")


def default_set(fast):
    """Print seconds of each family for one volume, and the peak memory of the process."""
    edge = 96 if fast else 512
    volume = field((edge,) * 3, 4)
    print(f"\ndefault 3-D set of {edge}^3 voxels")
    total = 0.0
    for name in _FAMILIES:
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            volume_metrics(volume, 30, families=[name])
        seconds = time.perf_counter() - began
        total += seconds
        print(f"{name:24s}{seconds:10.1f} s")
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'all':24s}{total:10.1f} s, peak {peak_gb:.1f} GB")


def main(fast=False):
    speed(fast)
    accuracy(fast)
    default_set(fast)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="small sizes")
    main(**vars(parser.parse_args()))
