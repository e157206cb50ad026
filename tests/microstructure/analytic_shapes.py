"""Shapes and random structures whose numbers are known, and where the real scans lie."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

ORIENTATIONS = {
    "upright": Rotation.identity(),
    "along y": Rotation.from_euler("z", 90, degrees=True),
    "tilted 3": Rotation.from_euler("y", 3, degrees=True),
    "tilted 20": Rotation.from_euler("y", 20, degrees=True),
    "face diagonal": Rotation.from_euler("y", 45, degrees=True),
    "space diagonal": Rotation.align_vectors([[1, 1, 1]], [[1, 0, 0]])[0],
    "oblique": Rotation.from_euler("xyz", [17, 31, 53], degrees=True),
}


def coordinates(shape, edges=(1, 1, 1)):
    """Distances (z, y, x) from the middle of a stack."""
    axes = [(np.arange(n) - (n - 1) / 2) * edge for n, edge in zip(shape, edges, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def layers(shape, thickness, rotation, edges=(1, 1, 1), phase=0.3):
    """Flat layers of ice and air, each this thick; S_V = 1 / thickness."""
    normal = rotation.apply([1, 0, 0])
    depth = np.tensordot(normal, coordinates(shape, edges), 1) + phase * thickness
    return (depth % (2 * thickness) < thickness).astype(np.uint8)


def cylinder(shape, radius, rotation, *, edges=(1, 1, 1), shift=(0, 0, 0)):
    """A rod of ice right through a stack."""
    place = coordinates(shape, edges) - np.reshape(shift, (3, 1, 1, 1))
    axis = rotation.apply([1, 0, 0])
    along = np.tensordot(axis, place, 1)
    return ((place**2).sum(axis=0) - along**2 < radius**2).astype(np.uint8)


def cylinder_area(shape, radius, rotation, *, shift=(0, 0, 0)):
    """Area of the rod's surface within the stack (cubic voxels), from points on it."""
    angle, along = np.meshgrid(np.arange(360) * np.pi / 180, np.arange(-150, 150, 0.25))
    points = np.stack([along, radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    points = rotation.apply(points.reshape(-1, 3)) + shift
    inside = (np.abs(points) < np.array(shape) / 2).all(axis=1)
    return inside.sum() * radius * np.pi / 180 * 0.25


def ball(shape, radius, *, edges=(1, 1, 1), shift=(0, 0, 0)):
    """A ball of ice."""
    place = coordinates(shape, edges) - np.reshape(shift, (3, 1, 1, 1))
    return ((place**2).sum(axis=0) < radius**2).astype(np.uint8)


def gaussian_field(shape, sigma, seed=0):
    """Smooth random field with zero mean, unit variance and covariance exp(-r^2 / 4 sigma^2)."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    field = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return (field - field.mean()) / field.std()


def field_surface_density(level, sigma):
    """S_V of the level set of `gaussian_field`: (2 / pi) sqrt(lambda) exp(-level^2 / 2)."""
    return 2 / np.pi * np.sqrt(1 / (2 * sigma**2)) * np.exp(-(level**2) / 2)


def boolean_balls(shape, radius, number_density, seed=0):
    """Overlapping balls of ice thrown at random, and their true ice fraction."""
    centres = _boolean_centres(shape, radius, number_density, seed)
    y = np.zeros(shape, dtype=np.uint8)
    for centre in centres:
        low = np.maximum(np.floor(centre - radius).astype(int), 0)
        high = np.minimum(np.ceil(centre + radius).astype(int) + 1, shape)
        if (high <= low).any():
            continue
        grid = np.mgrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        distance = ((grid - centre[:, None, None, None]) ** 2).sum(axis=0)
        y[tuple(slice(a, b) for a, b in zip(low, high, strict=True))][distance < radius**2] = 1
    return y, 1 - np.exp(-number_density * 4 / 3 * np.pi * radius**3)


def boolean_surface_density(shape, radius, number_density, seed=0, n_points=400):
    """True S_V of that realisation: the share of points on the balls that no other ball covers."""
    centres = _boolean_centres(shape, radius, number_density, seed)
    index = np.arange(n_points) + 0.5
    height, angle = 1 - 2 * index / n_points, np.pi * (1 + 5**0.5) * index
    across = np.sqrt(1 - height**2)
    sphere = np.stack([height, across * np.cos(angle), across * np.sin(angle)], axis=-1)
    points = (centres[:, None] + radius * sphere).reshape(-1, 3)
    points = points[((points > -0.5) & (points < np.array(shape) - 0.5)).all(axis=1)]
    nearest, _ = cKDTree(centres).query(points)
    n_bare = np.count_nonzero(nearest > radius * (1 - 1e-9))
    return n_bare * 4 * np.pi * radius**2 / n_points / np.prod(shape)


def _boolean_centres(shape, radius, number_density, seed):
    rng = np.random.default_rng(seed)
    size = np.array(shape) + 2 * radius + 2
    return rng.random((rng.poisson(number_density * np.prod(size)), 3)) * size - radius - 1


def real_data(*parts):
    """Path of a real scan; skips the test where the folder is not there."""
    here = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("ICECORESEG_REALDATA", here.parent / "shared" / "realdata"))
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not there")
    return path
